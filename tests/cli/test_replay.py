"""`nmt replay` end to end, on what `nmt train` wrote down."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.model.layers import FeedForward
from nmt.text.lines import read_lines

Command = Callable[..., Any]
CONFIG = ("train", "--config", "toy.toml", "--output", "run", "--set", "training.accumulate=2")
SHOWN = 10


@pytest.fixture(autouse=True)
def texts(here: Path) -> None:
    """Work on the toy pair."""


def break_long_sentences(patch: pytest.MonkeyPatch, shortest: int) -> None:
    """Let no state be a number where a sentence is so long."""
    transform = FeedForward.forward

    def broken(self: FeedForward, states: Tensor) -> Tensor:
        changed = transform(self, states)
        return changed * torch.nan if self.training and states.size(1) >= shortest else changed

    patch.setattr(FeedForward, "forward", broken)


def test_a_run_that_diverges_says_how_to_see_why(nmt: Command) -> None:
    with pytest.MonkeyPatch.context() as patch:
        break_long_sentences(patch, 1)
        finished = nmt(*CONFIG)
        assert (finished.status, finished.out) == (1, "")
        *_, last = finished.err.splitlines()
        assert last.startswith("nmt: training diverged: the gradient was not finite in 3 updates")
        command = last.split("to see why: nmt ")[1]
        assert command == "replay run/crash/update-1"
        again = nmt(*command.split())
    assert (again.status, again.err) == (0, "")
    assert again.out.splitlines() == [
        "update 1, then: loss nan, gradient's length nan",
        "now: loss nan, gradient's length nan",
        "first not finite: the output of encoder.0.feed_forward",
        "sentences: every one",
    ]


def test_sentences_to_blame_are_shown_as_text(nmt: Command) -> None:
    with pytest.MonkeyPatch.context() as patch:
        break_long_sentences(patch, 5)
        assert nmt(*CONFIG, "--set", "training.max_skipped=9").status == 0
        crash = min(Path("run/crash").iterdir())
        lines = nmt("replay", str(crash)).out.splitlines()
    assert lines[2] == "first not finite: the output of encoder.0.feed_forward"
    record = json.loads((crash / "crash.json").read_text())
    pairs = [pair for batch in record["batches"] for pair in batch]
    count, total = (int(word) for word in lines[3].removeprefix("sentences: ").split(" of "))
    assert 0 < count < total == len(pairs)
    shown = [line.split(": ", 1)[1].split("\t") for line in lines[4 : 4 + SHOWN]]
    assert len(shown) == min(count, SHOWN)
    corpus = set(zip(read_lines("train.src"), read_lines("train.tgt"), strict=True))
    assert {tuple(pair) for pair in shown} <= corpus
    assert lines[4 + SHOWN :] == ([f"and {count - SHOWN} more"] if count > SHOWN else [])


def test_what_does_not_come_back_is_told_by_the_exit_status(nmt: Command) -> None:
    with pytest.MonkeyPatch.context() as patch:
        break_long_sentences(patch, 1)
        assert nmt(*CONFIG).status == 1
    finished = nmt("replay", "run/crash/update-2")
    assert finished.status == 1
    assert finished.out.splitlines()[-1] == "nothing to see: all is finite this time"


@pytest.mark.parametrize("folder", ["run", "nowhere", "toy.toml"])
def test_what_is_no_skipped_update_is_one_line(nmt: Command, folder: str) -> None:
    assert nmt("replay", folder) == (
        1,
        "",
        f"nmt: {folder} holds no skipped update (no crash.json); name a folder such as "
        "RUN/crash/update-7\n",
    )


def test_a_device_that_is_not_there_is_one_line(nmt: Command) -> None:
    with pytest.MonkeyPatch.context() as patch:
        break_long_sentences(patch, 1)
        nmt(*CONFIG)
    finished = nmt("replay", "run/crash/update-1", "--device", "abacus")
    assert (finished.status, finished.err) == (
        1, "nmt: compute.device must be auto, cpu, cuda or cuda:N, not 'abacus'\n"
    )  # fmt: skip
