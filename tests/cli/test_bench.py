"""`nmt bench` says what it has measured, or in one line why it cannot."""

import re
from typing import Any

import pytest

from nmt.bench import contract


def test_ratios_of_the_contract_are_positive_and_lie_between_their_quartiles(
    nmt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "SENTENCES", 2)
    size = ("--model-size", "8", "--num-heads", "2", "--threads", "1")
    finished = nmt("bench", "contract", "--turns", "2", *size)
    assert finished.status == 0, finished.err
    first, *lines = finished.out.removesuffix("\n").split("\n")
    assert re.fullmatch(r"model size 8, 2 heads on .*, float32, 1 threads, torch .*", first)
    assert len(lines) == 7
    for line in lines:
        ratio, low, high = map(float, re.findall(r"\d+\.\d{3}", line)[:3])
        assert 0 < low <= ratio <= high


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--turns", "1"], 2, "1 is not in the range x>=2"),
        (["--num-heads", "1"], 1, "key_value_heads = 2 does not divide model.num_heads = 1"),
    ],
)
def test_what_cannot_be_compared_is_refused_at_once(
    nmt: Any, arguments: list[str], status: int, message: str
) -> None:
    finished = nmt("bench", "contract", *arguments)
    assert finished.status == status
    assert message in finished.err
    assert finished.out == ""
