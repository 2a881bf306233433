"""An update whose gradient is not finite is skipped, written down, and ends training at last."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.errors import CheckpointError, NmtError
from nmt.experiment import Experiment
from nmt.launch.start import Start, resume, train
from nmt.model.directory import WEIGHTS
from nmt.model.embeddings import Embeddings
from nmt.model.tensors import load_tensors
from nmt.training.crash import load_evidence
from nmt.training.loop import Trainer

Make = Callable[..., Experiment]
Contents = Callable[[Path], dict[str, Any]]
CHANGES = ("training.log_every=1", "model.dropout=0.3")


@contextmanager
def bad_at(*updates: int, value: float = torch.nan) -> Iterator[list[Any]]:
    """Let all words be embedded as `value` in these updates; give what each update was to use."""
    update, embed, used = Trainer._one_update, Embeddings.forward, []
    bad = False

    def noted(trainer: Trainer, batches: Any) -> None:
        nonlocal bad
        number = trainer.progress.update + 1
        bad = number in updates
        weights = {k: v.detach().clone() for k, v in trainer.updater.model.named_parameters()}
        used.append((number, weights, torch.get_rng_state(), [each for each, _ in batches]))
        update(trainer, batches)
        bad = False

    def embedded(self: Embeddings, ids: Tensor) -> Tensor:
        return embed(self, ids) + (value if bad else 0.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_one_update", noted)
        patch.setattr(Embeddings, "forward", embedded)
        yield used


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["event"] == kind]


def crashes(folder: Path) -> set[str]:
    return {path.name for path in (folder / "crash").iterdir()}


def progress(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "last/state/progress.json").read_text())
    return found


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_skipped_update_moves_nothing_and_training_goes_on(
    experiment: Make, folder: Path, value: float
) -> None:
    with bad_at(2, 3, 5, value=value) as used:
        summary = train(Start(experiment(*CHANGES), folder))
    assert summary["update"] == 6
    weights = [each[1] for each in used]
    for number in (2, 3, 5):
        torch.testing.assert_close(weights[number], weights[number - 1], rtol=0, atol=0)
    assert not torch.equal(*(each["encoder_norm.weight"] for each in (weights[1], weights[0])))
    assert [(each["update"], each["loss"]) for each in events(folder, "skipped")] == [
        (number, "nan") for number in (2, 3, 5)
    ]
    assert [(each["update"], each["skipped"]) for each in events(folder, "train")] == [
        (1, 0), (4, 2), (6, 3),
    ]  # fmt: skip
    assert (progress(folder)["skipped"], progress(folder)["skipped_in_a_row"]) == (3, 0)


def test_a_skipped_update_keeps_its_place_in_data_and_schedule(
    experiment: Make, folder: Path
) -> None:
    train(Start(experiment(*CHANGES), folder.with_name("steady")))
    with bad_at(2):
        train(Start(experiment(*CHANGES), folder))
    steady, skipped = (events(each, "train") for each in (folder.with_name("steady"), folder))
    rates = {line["update"]: line["learning_rate"] for line in steady}
    assert {line["update"]: line["learning_rate"] for line in skipped}.items() <= rates.items()
    for name in ("position", "tokens", "validated"):
        assert progress(folder)[name] == progress(folder.with_name("steady"))[name]


def test_what_is_written_down_is_what_the_update_was_made_of(
    experiment: Make, folder: Path, toy: Path
) -> None:
    changes = (*CHANGES, "training.accumulate=2", "compute.precision=bf16")
    with bad_at(3) as used:
        train(Start(experiment(*changes), folder))
    number, weights, random, batches = used[2]
    crash = folder / "crash" / "update-3"
    evidence = load_evidence(crash)
    assert (number, evidence.update, evidence.precision) == (3, 3, "bf16")
    assert np.isnan([evidence.loss, evidence.gradient_norm]).all()
    assert torch.equal(evidence.random["cpu"], random)
    torch.testing.assert_close(load_tensors(crash / WEIGHTS), weights, rtol=0, atol=0)
    assert len(evidence.batches) == len(batches) == 2
    for found, expected in zip(evidence.batches, batches, strict=True):
        for name in vars(expected):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    texts = (set((toy / f"train.{side}").read_text().splitlines()) for side in ("src", "tgt"))
    pairs = [pair for batch in json.loads((crash / "crash.json").read_text())["batches"]
             for pair in batch]  # fmt: skip
    assert len(pairs) == sum(len(batch.source) for batch in batches)
    for side, lines in zip(("source", "target"), texts, strict=True):
        assert {pair[side] for pair in pairs} <= lines


def test_too_many_in_a_row_end_training_and_leave_the_last_checkpoint(
    experiment: Make, folder: Path
) -> None:
    with (
        bad_at(2, 4, 5, 6),
        pytest.raises(NmtError) as stopped,
    ):
        train(Start(experiment("training.max_updates=9", "training.max_skipped=3"), folder))
    assert str(stopped.value) == (
        "training diverged: the gradient was not finite in 3 updates in a row "
        "(training.max_skipped); lower training.learning_rate or raise training.warmup, and start "
        f"again; to see why: nmt replay {folder}/crash/update-4"
    )
    assert stopped.value.exit_status == 1
    assert (folder / "last").resolve().name == "update-4"
    assert crashes(folder) == {"update-4", "update-5", "update-6"}  # as many as may be in a row


@pytest.mark.sampled(3)
@pytest.mark.parametrize("stop", [3, 4, 5, 6])
def test_a_run_that_skips_can_be_stopped_and_resumed(
    experiment: Make, folder: Path, contents: Contents, stop: int
) -> None:
    changes = (*CHANGES, "training.ema=0.9")
    with bad_at(2, 4, 5):
        train(Start(experiment(*changes), folder.with_name("steady")))
        with killed_before(stop):
            train(Start(experiment(*changes), folder))
        resume(folder)
    assert contents(folder) == contents(folder.with_name("steady"))


@contextmanager
def killed_before(update: int) -> Iterator[None]:
    one_update = Trainer._one_update

    def killed(trainer: Trainer, batches: Any) -> None:
        if trainer.progress.update + 1 == update:
            raise KeyboardInterrupt
        one_update(trainer, batches)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "_one_update", killed)
        yield


def test_skipped_updates_in_a_row_are_counted_across_a_stop(experiment: Make, folder: Path) -> None:
    changes = ("training.max_skipped=3", "training.validate_every=1")
    with bad_at(2, 3, 4):
        with killed_before(4):
            train(Start(experiment(*changes), folder))
        assert progress(folder)["skipped_in_a_row"] == 2
        with pytest.raises(NmtError, match="not finite in 3 updates in a row"):
            resume(folder)


def test_a_run_that_only_skips_for_a_line_of_the_log_tells_of_it_in_the_next(
    experiment: Make, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with bad_at(3, 4), caplog.at_level("INFO", "nmt"):
        train(Start(experiment("training.log_every=2"), folder))
    assert [line["update"] for line in events(folder, "train")] == [2, 6]
    said = [record.getMessage() for record in caplog.records]
    assert (
        f"update 3 is skipped: the loss is nan, the gradient's length nan; see it again: "
        f"nmt replay {folder}/crash/update-3"
    ) in said
    assert any(line.startswith("update 6: ") and line.endswith(", 2 skipped") for line in said)


@pytest.fixture
def crash(experiment: Make, folder: Path) -> Path:
    with bad_at(1):
        train(Start(experiment(), folder))
    return folder / "crash" / "update-1"


def test_what_is_no_skipped_update_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no skipped update \(no crash.json\); name"):
        load_evidence(tmp_path)


@pytest.mark.parametrize("name", ["batches.safetensors", "random.safetensors"])
def test_damage_is_refused_by_the_file(crash: Path, name: str) -> None:
    (crash / name).write_bytes(b"cut")
    with pytest.raises(CheckpointError, match=rf"{name} is damaged"):
        load_evidence(crash)


@pytest.mark.parametrize("text", ["{}", "[]", '{"update": 1, "loss": "x", "batches": []}'])
def test_a_record_that_lacks_something_is_refused(crash: Path, text: str) -> None:
    (crash / "crash.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"crash\.json is damaged: "):
        load_evidence(crash)
