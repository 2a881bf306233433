"""`nmt bench` says what it has measured, or in one line why it cannot."""

import json
import re
from typing import Any

import pytest

from nmt.bench import contract
from nmt.bench.switches import SWITCHES


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--updates", "0"], "--updates must be at least 1, not 0"),
        (["--shortest", "9", "--longest", "3"], "--longest must be at least 9, not 3"),
        (["--vocab-size", "4"], "--vocab-size must be at least 5, not 4"),
    ],
)
def test_work_out_of_range_is_refused(nmt: Any, arguments: list[str], message: str) -> None:
    finished = nmt("bench", "train", *arguments)
    assert (finished.status, finished.out, finished.err) == (1, "", f"nmt: {message}\n")


@pytest.mark.slow
def test_each_switch_has_a_line(nmt: Any) -> None:
    shape = ("model_size=16", "ffn_size=32", "num_heads=2", "encoder_layers=1", "decoder_layers=1")
    sets = [part for each in shape for part in ("--set", f"model.{each}")]
    size = ("--vocab-size", "40", "--batch-tokens", "64", "--longest", "9", "--updates", "2")
    finished = nmt("bench", "train", "--compare", *size, *sets)
    assert (finished.status, finished.err) == (0, "")
    first, *lines = finished.out.splitlines()
    assert first.startswith("transformer-small on ")
    assert [line.split("  ")[-1] for line in lines] == [switch.name for switch in SWITCHES]
    record = json.loads(nmt("bench", "train", "--compare", "--format", "json", *size, *sets).out)
    assert [each["name"] for each in record["switches"]] == [switch.name for switch in SWITCHES]
