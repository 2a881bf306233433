"""`nmt plan` at the shell."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

PLAN = ("plan", "--config", "toy.toml")


@pytest.fixture(autouse=True)
def texts(here: Path) -> None:
    """Work on the toy pair."""


def test_a_plan_is_printed_and_nothing_is_written(nmt: Command) -> None:
    before = set(Path().rglob("*"))
    finished = nmt(*PLAN, "--memory", "1G", "--updates", "1")
    assert (finished.status, finished.err) == (0, "")
    lines = finished.out.splitlines()
    assert lines[0].split() == ["batch", "tokens", "128"]
    tables = [line for line in lines if line and not line.startswith(" ")]
    assert tables[2:] == ["memory", "worst batch", "data", "dropped: none", "time"]
    words = [line.split() for line in lines]
    for name in ("model", "optimizer", "gradients", "activations", "peak", "available"):
        assert any(each[:1] == [name] and each[-1].endswith("B") for each in words), name
    assert ["available", "1.00GB"] in words
    assert set(Path().rglob("*")) == before


def test_json_says_the_same_in_full(nmt: Command) -> None:
    finished = nmt(*PLAN, "--memory", "1G", "--updates", "0", "--format", "json")
    report = json.loads(finished.out)
    assert report["memory"]["available_bytes"] == 10**9
    assert report["batch_tokens"] == 128
    assert report["time"] == {}


def test_what_fits_is_what_training_takes(nmt: Command) -> None:
    more = ("--updates", "0", "--format", "json", "--memory")
    small, large = (
        json.loads(nmt(*PLAN, "--fit", *more, memory).out) for memory in ("600K", "1200K")
    )
    assert small["batch_tokens"] < large["batch_tokens"]
    assert small["memory"]["peak_bytes"] <= 600_000 < large["memory"]["peak_bytes"] <= 1_200_000
    tokens = str(small["batch_tokens"])
    again = json.loads(nmt(*PLAN, "--batch-tokens", tokens, *more, "600K").out)
    assert again["memory"] == pytest.approx(small["memory"], rel=0.05)
    assert nmt("train", *PLAN[1:], "--batch-tokens", tokens, "--output", "run").status == 0


def test_fine_tuning_is_planned_for_the_shape_of_its_parent(nmt: Command, trained: Path) -> None:
    plain = json.loads(nmt(*PLAN, "--updates", "0", "--format", "json").out)
    tuned = json.loads(nmt(*PLAN, "--updates", "0", "--format", "json", "--from", str(trained)).out)
    assert tuned["parameters"] == plain["parameters"]
    refused = nmt(*PLAN, "--from", str(trained), "--set", "model.encoder_layers=2")
    assert refused.status == 1
    assert "--from takes the shape of its model" in refused.err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--memory", "lots"), 1, "--memory must be a size such as 4G, 800M or 15GiB, not 'lots'"),
        (("--memory", "9K", "--fit"), 1, "--memory has no room for the longest pair"),
        (("--train", "none"), 1, "none holds no encoded corpus"),
        (("--updates", "-1"), 2, "-1 is not in the range x>=0"),
        (("--from", "none"), 1, "none"),
        (("--set", "training.loss_chunk=-1"), 1, "training.loss_chunk must be 0 or more, not -1"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    nmt: Command, arguments: tuple[str, ...], status: int, message: str
) -> None:
    finished = nmt(*PLAN, *arguments)
    assert (finished.status, finished.out) == (status, "")
    assert message in finished.err.splitlines()[-1]
    if status == 1:
        assert finished.err.count("\n") == 1


def test_recomputing_trains_the_same_model(nmt: Command) -> None:
    for name in ("false", "true"):
        change = ("--set", f"training.recompute={name}", "--set", "model.dropout=0.3")
        assert nmt("train", *PLAN[1:], "--output", name, *change).status == 0
    weights = [Path(name, "last/model.safetensors").read_bytes() for name in ("false", "true")]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_recomputing_takes_less_and_scores_of_a_whole_batch_more(nmt: Command) -> None:
    peaks = []
    for change in ("training.recompute=true", "training.loss_chunk=60", "training.loss_chunk=0"):
        settings = ("--set", change, "--set", "model.encoder_layers=4", "--updates", "0")
        report = json.loads(nmt(*PLAN, "--format", "json", *settings).out)
        peaks.append(report["memory"]["peak_bytes"])
    assert peaks[0] < peaks[2]
    assert peaks[1] < peaks[2]


def test_a_gpu_without_memory_is_one_line(nmt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def refuse(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("nmt.plan.plan.make_plan", refuse)
    finished = nmt(*PLAN)
    assert (finished.status, finished.out) == (1, "")
    assert finished.err.startswith("nmt: the GPU has no memory left; lower data.batch_tokens")
    assert finished.err.count("\n") == 1
