"""Options that are generated from settings."""

import pytest

from nmt.cli.options import places


@pytest.mark.parametrize(
    ("variant", "is_recurrent", "expected"),
    [
        ("additive", False, ["encoder", "decoder", "cross"]),
        ("window", False, ["encoder", "decoder"]),
        ("average", False, ["decoder"]),
        ("local-p", False, ["cross"]),
        ("additive", True, ["cross"]),
        ("window", True, ["cross"]),  # and is refused there
        ("own:Class", False, ["encoder", "decoder", "cross"]),
        ("no-such", False, ["encoder", "decoder", "cross"]),
    ],
)
def test_attention_goes_where_it_can_stand(
    variant: str, is_recurrent: bool, expected: list[str]
) -> None:
    assert places(variant, is_recurrent) == expected
