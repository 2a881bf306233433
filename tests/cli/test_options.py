"""Options that are generated from settings."""

import pytest

from nmt.cli.options import places


@pytest.mark.parametrize(
    ("variant", "arch", "expected"),
    [
        ("additive", None, ["encoder", "decoder", "cross"]),
        ("window", None, ["encoder", "decoder"]),
        ("average", None, ["decoder"]),
        ("local-p", None, ["cross"]),
        ("additive", "rnn", ["cross"]),
        ("window", "rnn", ["cross"]),  # and is refused there
        ("rotary", "lm", ["decoder"]),
        ("own:Class", None, ["encoder", "decoder", "cross"]),
        ("no-such", None, ["encoder", "decoder", "cross"]),
    ],
)
def test_attention_goes_where_it_can_stand(
    variant: str, arch: str | None, expected: list[str]
) -> None:
    assert places(variant, arch) == expected
