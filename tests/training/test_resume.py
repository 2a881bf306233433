"""A run that was stopped, however and wherever, ends as one that was not: bit for bit."""

import json
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nmt.errors import Interrupted
from nmt.experiment import Experiment
from nmt.launch.start import Start, resume, train
from nmt.model.directory import load_package
from nmt.training.loop import Trainer
from nmt.training.signals import SIGNALS

Make = Callable[..., Experiment]
Contents = Callable[[Path], dict[str, Any]]
Steady = Callable[..., dict[str, Any]]

VARIANTS = {
    "plain": (),
    "accumulate": ("training.accumulate=2",),
    "dropout": ("model.dropout=0.3", "model.ffn_dropout=0.2", "attention.cross.dropout=0.2"),
    "average of 3": ("training.average=3", "training.keep=3"),
    "patience": ("training.max_updates=20", "training.patience=2", "training.best_metric=bleu"),
    "log apart": ("training.log_every=5", "training.validate_every=3", "training.schedule=cosine"),
    "every update": ("training.validate_every=1", "training.log_every=1"),
    "bf16": ("compute.precision=bf16", "model.dropout=0.3", "training.max_updates=4"),
    "adam": ("training.optimizer=adam", "training.schedule=linear", "data.batch_tokens=512"),
    "moving average": ("training.ema=0.9", "model.dropout=0.3"),
    "no development set": ("data.dev_source=", "data.dev_target="),
}
QUICK = {
    "dropout",
    "average of 3",
    "moving average",
    "log apart",
    "patience",
}  # what is not is tried by `test-all`


class Killed(BaseException):
    """Stands for a kill inside this process."""


@pytest.fixture(scope="module")
def steady(
    tmp_path_factory: pytest.TempPathFactory, experiment: Make, contents: Contents
) -> Steady:
    """Give what an uninterrupted run of some settings holds, trained once."""
    known: dict[tuple[str, ...], dict[str, Any]] = {}

    def get(*changes: str) -> dict[str, Any]:
        if changes not in known:
            folder = tmp_path_factory.mktemp("steady") / "run"
            train(Start(experiment(*changes), folder))
            known[changes] = contents(folder)
        return known[changes]

    return get


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@contextmanager
def before_update(number: int, act: Callable[[], object]) -> Iterator[None]:
    """Do something just before an update, the first being 1."""
    update = Trainer._one_update

    def acting(trainer: Trainer, batches: Any) -> None:
        if trainer.progress.update + 1 == number:
            act()
        update(trainer, batches)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_one_update", acting)
        yield


def kill() -> None:
    raise Killed


def interrupted_at(update: int, number: signal.Signals) -> AbstractContextManager[None]:
    """Send this process a signal just before an update."""
    return before_update(update, lambda: signal.raise_signal(number))


def last_update(steady_run: dict[str, Any]) -> int:
    return int(steady_run["finished.json"]["update"])


@pytest.mark.sampled(3)
@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_a_run_killed_twice_ends_as_one_that_was_not(
    experiment: Make, folder: Path, contents: Contents, steady: Steady, changes: tuple[str, ...]
) -> None:
    expected = steady(*changes)
    middle, end = last_update(expected) // 2 + 1, last_update(expected)
    with pytest.raises(Killed), before_update(middle, kill):
        train(Start(experiment(*changes), folder))
    with pytest.raises(Killed), before_update(end, kill):
        resume(folder)
    resume(folder)
    assert contents(folder) == expected


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in VARIANTS],
)
def test_a_run_interrupted_between_validations_ends_as_one_that_was_not(
    experiment: Make, folder: Path, contents: Contents, steady: Steady, name: str
) -> None:
    expected = steady(*VARIANTS[name])
    with pytest.raises(Interrupted), interrupted_at(3, signal.SIGINT):
        train(Start(experiment(*VARIANTS[name]), folder))
    with pytest.raises(Interrupted), interrupted_at(last_update(expected), signal.SIGTERM):
        resume(folder)
    resume(folder)
    assert contents(folder) == expected


@pytest.mark.sampled(3)
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("update", [1, 2, 6])
def test_an_interruption_saves_everything_and_says_how_to_go_on(
    experiment: Make, folder: Path, number: signal.Signals, update: int
) -> None:
    with (
        pytest.raises(Interrupted) as stopped,
        interrupted_at(update, number),
    ):
        train(Start(experiment(), folder))
    assert stopped.value.exit_status == 128 + number
    assert str(stopped.value) == (
        f"stopped at update {update}; everything is saved; go on with: nmt train --resume {folder}"
    )
    progress = json.loads((folder / "last" / "state" / "progress.json").read_text())
    assert progress["update"] == update
    assert load_package(folder / "last").metadata["update"] == update


def test_a_checkpoint_between_validations_is_neither_the_best_nor_averaged(
    experiment: Make, folder: Path
) -> None:
    changes = ("training.max_updates=7", "training.best_metric=loss")
    with pytest.raises(Interrupted), interrupted_at(3, signal.SIGINT):
        train(Start(experiment(*changes), folder))
    assert (folder / "last").resolve().name == "update-3"
    assert (folder / "best").resolve().name == "update-2"
    assert load_package(folder / "last").metadata["dev"] == {}
    resume(folder)
    assert not (folder / "checkpoints" / "update-3").exists()
    progress = json.loads((folder / "last" / "state" / "progress.json").read_text())
    assert progress["validated"] == [2, 4, 6, 7]


@dataclass
class Reaper:
    """Kill this process, in pretence, at one of the operations that change what is on disk.

    From then on no operation has an effect, as none that clean up after an error would.
    """

    operation: int
    done: int = 0

    def over(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            self.done += 1
            if self.done >= self.operation:
                raise Killed
            return function(*given, **named)

        return counted

    @contextmanager
    def at_work(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for owner, name in (
                (Path, "replace"), (Path, "unlink"), (Path, "symlink_to"), (Path, "mkdir"),
                (shutil, "rmtree"),
            ):  # fmt: skip
                patch.setattr(owner, name, self.over(getattr(owner, name)))
            yield


def operations(start: Start) -> int:
    """Count the operations of a run."""
    reaper = Reaper(10**9)
    with reaper.at_work():
        train(start)
    return reaper.done


def assert_survives(start: Start, operation: int, expected: dict[str, Any], read: Contents) -> None:
    """Kill a run at an operation, then let it go on."""
    with pytest.raises(Killed), Reaper(operation).at_work():
        train(start)
    if (start.output / "manifest.json").exists():
        resume(start.output)
    else:
        train(start)  # killed before there was a run
    found = read(start.output)
    leftovers = [name for name in found if name.endswith(".part")]
    assert all("/" not in name for name in leftovers)
    assert {name: found[name] for name in found.keys() - set(leftovers)} == expected


def test_a_kill_between_any_two_operations_on_disk_is_survived(
    experiment: Make, tmp_path: Path, contents: Contents, steady: Steady
) -> None:
    total = operations(Start(experiment(), tmp_path / "count"))
    for operation in random.Random(1).sample(range(1, total + 1), 6):
        start = Start(experiment(), tmp_path / str(operation))
        assert_survives(start, operation, steady(), contents)


@pytest.mark.slow
def test_a_kill_between_any_two_operations_on_disk_is_survived_without_exception(
    experiment: Make, tmp_path: Path, contents: Contents, steady: Steady
) -> None:
    total = operations(Start(experiment(), tmp_path / "count"))
    for operation in range(1, total + 1):
        start = Start(experiment(), tmp_path / str(operation))
        assert_survives(start, operation, steady(), contents)
