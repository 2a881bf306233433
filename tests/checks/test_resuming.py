"""The check of resuming: kept promises pass, broken ones are named by the first difference."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt.checks import witnessed
from nmt.checks.resuming import Ending, Outcome, Trial, first_difference
from nmt.corpus.batches import Position
from nmt.errors import CheckpointError
from nmt.experiment import Experiment
from nmt.files import read_json
from nmt.launch.start import Start, train
from nmt.launch.workbench import Workbench
from nmt.training import checkpoint
from nmt.training.loop import Trainer

Make = Callable[..., Experiment]
Contents = Callable[[Path], dict[str, Any]]
KEPT = [
    "TERM after update 3, resumed from update 3",
    "KILL after update 3, resumed from update 2",
]
AGAIN = "straight again, to see whether this machine computes twice the same"


class Killed(BaseException):
    """Stands for a kill inside this process."""


def in_this_process(trial: Trial, orders: witnessed.Orders) -> int:
    """Do here what would be done in a process of its own."""
    path = trial.folder / "orders.json"
    witnessed.write_orders(orders, path)

    def kill(process: int, number: int) -> None:
        if number == signal.SIGKILL:
            raise Killed
        signal.raise_signal(number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "kill", kill)
        patch.setattr(Trainer, "witnesses", [])
        trial.messages(orders).touch()
        try:
            return witnessed.main(str(path))
        except Killed:
            return -signal.SIGKILL


@pytest.fixture
def run(
    experiment: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hasty: None
) -> Callable[..., Path]:
    """Train a run of some settings; trials of it stay in this process."""
    monkeypatch.setattr(Trial, "start", in_this_process)

    def make(*changes: str) -> Path:
        train(Start(experiment("training.max_updates=2", *changes), tmp_path / "run"))
        return tmp_path / "run"

    return make


def outcomes(run: Path, updates: int = 6) -> list[Outcome]:
    folder = run.with_name("trial")
    folder.mkdir()
    return list(Trial.prepare(run, folder, updates).outcomes())


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "changes",
    [
        ("model.dropout=0.3",),
        ("training.accumulate=2", "training.log_every=50"),
        ("data.dev_source=", "data.dev_target="),
        ("compute.precision=bf16", "training.patience=1", "training.schedule=cosine"),
        ("training.budget=1s", "training.optimizer=adam"),
    ],
    ids=str,
)
def test_a_kept_promise_passes_and_the_run_stays_as_it_is(
    run: Callable[..., Path], contents: Contents, changes: tuple[str, ...]
) -> None:
    folder = run(*changes)
    before = contents(folder)
    straight, *stopped = outcomes(folder)
    assert straight.told.startswith("straight: 6 updates, weights ")
    assert [outcome.told for outcome in stopped] == KEPT
    assert not any(outcome.broken for outcome in (straight, *stopped))
    assert contents(folder) == before


def lose_random_numbers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoint, "restore_random", lambda states: None)


def lose_the_position(patch: pytest.MonkeyPatch) -> None:
    load = checkpoint.load_state

    def loaded(*given: Any) -> checkpoint.Progress:
        return replace(load(*given), position=Position())

    patch.setattr("nmt.launch.workbench.load_state", loaded)


def lose_the_optimizer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoint, "restore_optimizer", lambda *given: None)


def lose_the_best(patch: pytest.MonkeyPatch) -> None:
    load = checkpoint.load_state

    def loaded(*given: Any) -> checkpoint.Progress:
        return replace(load(*given), best_update=1, best_value=1e9)

    patch.setattr("nmt.launch.workbench.load_state", loaded)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("lose", "term", "kill"),
    [
        (lose_random_numbers, "update 4: the same batches, but other weights",
         "update 3: the same batches, but other weights"),
        (lose_the_position, "update 4: other batches", "update 3: other batches"),
        (lose_the_optimizer, "update 4: the same batches, but other weights",
         "update 3: the same batches, but other weights"),
        (lose_the_best, "after the last update: the 'best_update' of progress differs",
         "after the last update: the 'best_update' of progress differs"),
    ],
)  # fmt: skip
def test_a_broken_promise_is_named_by_the_first_difference(
    run: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    lose: Callable[[pytest.MonkeyPatch], None],
    term: str,
    kill: str,
) -> None:
    folder = run("model.dropout=0.3")
    lose(monkeypatch)
    _, *stopped = outcomes(folder)
    assert [outcome.broken for outcome in stopped] == [term, kill, ""]
    assert [outcome.told for outcome in stopped] == [*KEPT, AGAIN]


def test_a_training_that_fails_is_told_by_its_last_words(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(trial: Trial, orders: witnessed.Orders) -> int:
        trial.messages(orders).write_text("update 1: well\nnmt: the disk is full\n\n")
        return 1

    folder = run()
    monkeypatch.setattr(Trial, "start", failing)
    with pytest.raises(
        CheckpointError, match=r"^the training 'straight' failed: the disk is full$"
    ):
        outcomes(folder)


def test_a_signal_without_effect_is_told(
    run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Trial.start
    monkeypatch.setattr(
        Trial, "start",
        lambda trial, orders: start(trial, replace(orders, stop_after=0)),
    )  # fmt: skip
    with pytest.raises(CheckpointError, match="'SIGTERM' failed: it should have ended by SIGTERM"):
        outcomes(run())


def test_a_run_whose_data_have_changed_is_refused(run: Callable[..., Path], tmp_path: Path) -> None:
    dev = tmp_path / "dev"
    dev.write_text("kmk\n")
    folder = run(f"data.dev_source={dev}", f"data.dev_target={dev}")
    dev.write_text("ale\n")
    with pytest.raises(CheckpointError, match=r"data.dev_source has changed since"):
        outcomes(folder)


def entry(update: int, batches: str = "b", weights: str = "w") -> dict[str, Any]:
    return {"update": update, "batches": batches, "weights": weights}


@pytest.mark.parametrize(
    ("trace", "difference"),
    [
        ([entry(1), entry(2), entry(2)], ""),
        ([entry(1), entry(1, "x"), entry(2)], "update 1: other batches"),
        ([entry(1), entry(2, "b", "x")], "update 2: the same batches, but other weights"),
        ([entry(2)], "update 1 never came"),
        ([entry(1), entry(2), entry(3)], "update 3 should not have come"),
    ],
)
def test_the_first_difference_is_named(trace: list[dict[str, Any]], difference: str) -> None:
    straight = Ending([entry(1), entry(2)], {"weights": "w"})
    assert first_difference(straight, Ending(trace, {"weights": "w"})) == difference


def test_hashes_tell_what_differs(experiment: Make) -> None:
    bench = Workbench.prepare(experiment())
    batches = bench.dev_batches
    one = witnessed.hash_of_batches(batches)
    batches[0].target[0, 0] += 1
    assert witnessed.hash_of_batches(batches) != one
    weights = witnessed.hash_of_weights(bench.model)
    assert witnessed.hash_of_weights(Workbench.prepare(experiment()).model) == weights
    weight = next(bench.model.parameters())
    weight.data.view(-1)[0] *= 1.000001
    assert witnessed.hash_of_weights(bench.model) != weights


def test_orders_come_back(tmp_path: Path) -> None:
    orders = witnessed.Orders(settings="s", run="r", parent="", trace="t", stop_after=3)
    witnessed.write_orders(orders, tmp_path / "orders.json")
    assert witnessed.Orders(**read_json(tmp_path / "orders.json")) == orders
