"""TensorBoard is told all that metrics.jsonl holds, and is asked for before anything runs."""

import errno
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.errors import ConfigError, DataError, Interrupted
from nmt.experiment import Experiment
from nmt.launch.start import Start, resume, train
from nmt.training import tensorboard
from nmt.training.loop import Trainer
from nmt.training.run import Run

Make = Callable[..., Experiment]
ON = "training.tensorboard=true"


class Writer:
    """Stands for TensorBoard's writer: keeps what it is told, and where."""

    opened: list["Writer"]

    def __init__(self, folder: str, purge_step: int) -> None:
        self.folder, self.purge_step, self.open = folder, purge_step, True
        self.scalars: list[tuple[str, float, int]] = []
        Writer.opened.append(self)

    def close(self) -> None:
        self.open = False

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        assert self.open
        self.scalars.append((tag, value, step))

    def flush(self) -> None:
        """Do nothing."""


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Writer]:
    """Give the writers that were opened, in order."""
    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(tensorboard, "find_spec", lambda _: object())
    Writer.opened = []
    return Writer.opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def measured(folder: Path) -> list[tuple[str, float, int]]:
    """Read all numbers of metrics.jsonl."""
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [
        (f"{event['event']}/{name}", value, event["update"])
        for event in events
        for name, value in event.items()
        if name not in ("event", "update")
    ]


def test_it_is_told_every_number_that_is_recorded(
    experiment: Make, folder: Path, opened: list[Writer]
) -> None:
    train(Start(experiment(ON, "attention.encoder.variant=adaptive-span"), folder))
    (writer,) = opened
    assert (writer.folder, writer.purge_step) == (str(folder / "tensorboard"), 1)
    assert writer.scalars == measured(folder)
    assert {tag.split("/")[0] for tag, _, _ in writer.scalars} == {
        "train", "validation", "average", "attention",
    }  # fmt: skip
    assert not writer.open


def test_what_is_done_again_after_an_interruption_counts_once(
    experiment: Make, folder: Path, opened: list[Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Trainer._one_update

    def failing(trainer: Trainer, batches: Any) -> None:
        if trainer.progress.update == 4:
            raise Interrupted("midway", 2)
        update(trainer, batches)

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Trainer, "_one_update", failing)
        train(Start(experiment(ON), folder))
    resume(folder)
    first, second = opened
    assert (first.open, second.purge_step) == (False, 5)
    kept = [each for each in first.scalars if each[2] < second.purge_step]
    assert [*kept, *second.scalars] == measured(folder)


@pytest.mark.parametrize("name", ["__init__", "flush"])
def test_a_full_disk_is_told_in_one_line(
    experiment: Make,
    folder: Path,
    opened: list[Writer],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    def refusing(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Writer, name, refusing)
    with pytest.raises(DataError, match=r"cannot write .*run/tensorboard: No space left on device"):
        train(Start(experiment(ON), folder))


def test_what_is_no_number_is_left_out(tmp_path: Path, opened: list[Writer]) -> None:
    scalars = tensorboard.Scalars(tmp_path, 0)
    scalars.tell("skipped", {"update": 3, "loss": "nan", "number": 2})
    assert opened[0].scalars == [("skipped/number", 2, 3)]


def test_who_records_nothing_makes_no_file(tmp_path: Path, opened: list[Writer]) -> None:
    with tensorboard.told_to_tensorboard(Run(tmp_path), 0, wanted=True):
        pass
    assert opened == []


def test_nothing_is_written_unasked(experiment: Make, folder: Path, opened: list[Writer]) -> None:
    train(Start(experiment(), folder))
    assert opened == []


def test_without_tensorboard_nothing_runs(
    experiment: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ConfigError) as refused:
        train(Start(experiment(ON), folder))
    assert str(refused.value) == (
        "training.tensorboard needs TensorBoard: pip install 'nmt[tensorboard]', or set it to false"
    )
    assert not folder.exists()


def test_tensorboard_reads_what_is_written(experiment: Make, folder: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(Start(experiment(ON), folder))
    found = reading.EventAccumulator(str(folder / "tensorboard")).Reload()
    told = {
        (tag, each.step): each.value
        for tag in found.Tags()["scalars"]
        for each in found.Scalars(tag)
    }
    assert told == pytest.approx({(tag, step): value for tag, value, step in measured(folder)})
