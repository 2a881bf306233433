"""A budget of time: a number of updates, planned, recorded and kept to."""

import dataclasses
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from nmt.experiment import read_experiment
from nmt.files import read_json, write_json
from nmt.launch import start
from nmt.launch.start import Start, resume, train
from nmt.model.directory import load_package
from nmt.settings import load_table
from nmt.training.budget import Speed, plan_updates
from nmt.training.loop import Trainer
from tests.launch.killing import Contents, Killed, Make, killed

pytestmark = pytest.mark.usefixtures("hasty")


def test_a_budget_is_a_number_of_updates_that_is_recorded(
    experiment: Make, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    speed = Speed(update=3.0, validation=3.0)
    changes = ("training.warmup=0", "training.schedule=linear", "model.dropout=0.3")
    budgeted = experiment("training.budget=60s", *changes)
    updates = plan_updates(60, speed, budgeted.training)
    assert 5 < updates < 15
    probe = start.probe
    monkeypatch.setattr("nmt.training.budget.PROBES", 2)
    monkeypatch.setattr(start, "probe", lambda *given: probe(*given) and speed)
    train(Start(budgeted, tmp_path / "budget"))
    recorded = read_experiment(load_table(tmp_path / "budget" / "config.toml"))
    assert recorded.training == dataclasses.replace(budgeted.training, max_updates=updates)
    plain = dataclasses.replace(
        recorded, training=dataclasses.replace(recorded.training, budget="")
    )
    train(Start(plain, tmp_path / "plain"))
    one, two = (contents(tmp_path / name) for name in ("budget", "plain"))
    learnt = {name for name in one if name.endswith((".safetensors", ".jsonl"))}
    assert len(learnt) > 5
    assert {name: one[name] for name in learnt} == {name: two[name] for name in learnt}


def test_a_run_with_a_budget_is_resumed_without_a_probe(
    experiment: Make, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    probes = iter([Speed(10.0, 1.0), Speed(10.0, 1.0)])
    monkeypatch.setattr(start, "probe", lambda *_: next(probes))
    budgeted = experiment("training.budget=90s", "training.warmup=0", "model.dropout=0.3")
    train(Start(budgeted, tmp_path / "steady"))
    for name in ("point_links", "_validate_and_save"):  # after a checkpoint, before one
        shutil.rmtree(tmp_path / "killed", ignore_errors=True)
        probes = iter([Speed(10.0, 1.0)])
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            patch.setattr(Trainer, name, killed)
            train(Start(budgeted, tmp_path / "killed"))
        resume(tmp_path / "killed")
        assert contents(tmp_path / "killed") == contents(tmp_path / "steady")


def fake_clock(patch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let every look at the clock of the loop take so many seconds."""
    ticks = itertools.count()
    patch.setattr("nmt.training.loop.time.monotonic", lambda: seconds * next(ticks))


@pytest.mark.parametrize("killed_at", [None, 2, 4])
def test_a_budget_is_planned_for_good_at_the_end_of_the_warm_up(
    experiment: Make,
    tmp_path: Path,
    contents: Contents,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    killed_at: int | None,
) -> None:
    caplog.set_level("INFO", logger="nmt")
    monkeypatch.setattr(start, "probe", lambda *_: Speed(1.0, 0.0))  # faster than it will be
    changes = ("training.schedule=linear", "training.validate_every=99", "model.dropout=0.3")
    budgeted = experiment("training.budget=80s", *changes)
    assert (budgeted.training.warmup, plan_updates(80, Speed(1.0, 0.0), budgeted.training)) == (
        3,
        70,
    )
    one_update = Trainer._one_update

    def stopping(trainer: Trainer, batches: Any) -> None:
        one_update(trainer, batches)
        if trainer.progress.update == killed_at:
            trainer._save({})
            raise Killed

    fake_clock(monkeypatch, 5.0)
    if killed_at is None:
        summary = train(Start(budgeted, tmp_path / "run"))
    else:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            patch.setattr(Trainer, "_one_update", stopping)
            train(Start(budgeted, tmp_path / "run"))
        fake_clock(monkeypatch, 5.0)
        summary = resume(tmp_path / "run")
    recorded = read_experiment(load_table(tmp_path / "run" / "config.toml"))
    assert summary["update"] == recorded.training.max_updates < 20
    assert load_package(tmp_path / "run").settings["training"]["max_updates"] == summary["update"]
    assert f": {summary['update']:,} updates" in (tmp_path / "run" / "train.log").read_text()
    plain = dataclasses.replace(
        recorded, training=dataclasses.replace(recorded.training, budget="")
    )
    train(Start(plain, tmp_path / "plain"))
    one, two = (contents(tmp_path / name) for name in ("run", "plain"))
    weights = [name for name in one if name.endswith("model.safetensors") and name in two]
    assert weights
    assert [one[name] for name in weights] == [two[name] for name in weights]


def test_the_clock_stops_what_the_plan_did_not_foresee(
    experiment: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "probe", lambda *_: Speed(1e-6, 0.0))
    changes = ("training.budget=1s", "training.warmup=0", "training.validate_every=9")
    summary = train(Start(experiment(*changes), folder))
    assert summary["seconds"] > 1
    assert summary["update"] < 900_000
    assert (folder / "last").resolve().name == f"update-{summary['update']}"
    events = list(map(json.loads, (folder / "metrics.jsonl").read_text().splitlines()))
    validated = [event["update"] for event in events if event["event"] == "validation"]
    assert validated[-1] == summary["update"]


def test_a_run_whose_time_was_up_when_it_was_stopped_is_validated_at_resume(
    experiment: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "probe", lambda *_: Speed(1.0, 0.0))
    update = Trainer._one_update

    def stopping(trainer: Trainer, batches: Any) -> None:
        update(trainer, batches)
        trainer._save({})
        raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Trainer, "_one_update", stopping)
        train(Start(experiment("training.budget=90s"), folder))
    path = folder / "last" / "state" / "progress.json"
    write_json(path, {**read_json(path), "seconds": 91.0})
    assert resume(folder)["best"] == "update-1"
    assert load_package(folder).metadata["dev"]["chrf"]["value"] >= 0
