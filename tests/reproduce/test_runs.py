"""A run made again from its manifest is the same bit for bit, however it came about."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.errors import CheckpointError, DataError, Interrupted
from nmt.experiment import Experiment
from nmt.files import read_json, sha256, write_sealed
from nmt.launch import start
from nmt.launch.start import Start, resume, train
from nmt.model.tensors import load_tensors, save_tensors
from nmt.reproduce.comparison import compare_runs
from nmt.reproduce.training import train_again
from nmt.settings import load_table
from nmt.training.budget import Speed
from nmt.training.loop import Trainer

Make = Callable[..., Experiment]
Contents = Callable[[Path], dict[str, Any]]

pytestmark = pytest.mark.usefixtures("hasty")

DIFFER_BY_NATURE = {"manifest.json", "config.toml"}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Name a run."""
    return tmp_path / "run"


@pytest.fixture
def again(tmp_path: Path) -> Path:
    """Name the run that is made again."""
    return tmp_path / "again"


def clock(patch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let every look at the clock of the loop take so many seconds."""
    ticks = itertools.count()
    patch.setattr("nmt.training.loop.time.monotonic", lambda: seconds * next(ticks))


def learnt(contents: dict[str, Any]) -> dict[str, Any]:
    """Keep what training computed: weights, state and measurements."""
    return {
        name: each
        for name, each in contents.items()
        if name.endswith((".safetensors", "metrics.jsonl", "best", "last", "finished.json"))
    }


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "changes",
    [
        ("model.dropout=0.3",),
        ("data.sampling_alpha=0.3",),
        ("data.weights=[3, 1]", "data.train=[{corpus}, {corpus}]"),
        ("training.ema=0.9",),
        ("training.accumulate=2", "training.patience=1", "training.max_updates=20"),
        ("data.dev_source=", "data.dev_target="),
    ],
    ids=["plain", "cut anew", "mixed", "moving average", "patience", "no development set"],
)
def test_a_run_made_again_is_the_same(
    experiment: Make, toy: Path, made: Path, again: Path, contents: Contents,
    changes: tuple[str, ...],
) -> None:  # fmt: skip
    corpus = json.dumps(str(toy / "corpus"))
    train(Start(experiment(*(each.replace("{corpus}", corpus) for each in changes)), made))
    train_again(made, again, {})
    report = compare_runs(made, again)
    assert report["same"], report
    assert report["surroundings"] == {}
    assert report["compared"]["tensors"] > 10
    assert learnt(contents(made)) == learnt(contents(again))


def test_a_fine_tuned_run_is_made_again_from_its_parent(
    experiment: Make, run: Path, made: Path, again: Path
) -> None:
    made = made.with_name("tuned")
    train(Start(experiment("model.dropout=0.2"), made, parent=run))
    train_again(made, again, {})
    assert compare_runs(made, again)["same"]
    with (run / "best" / "model.safetensors").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(DataError, match=r"run \(parent\) is not what it was: its hash is "):
        train_again(made, again.with_name("other"), {})


def test_a_budget_is_replayed_as_it_was_planned_for_good(
    experiment: Make, made: Path, again: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "probe", lambda *_: Speed(1.0, 0.0))
    changes = ("training.schedule=linear", "model.dropout=0.3", "training.budget=80s")
    with monkeypatch.context() as patch:
        clock(patch, 5.0)
        planned = train(Start(experiment(*changes), made))["update"]
    assert planned < 70
    train_again(made, again, {})
    assert compare_runs(made, again)["same"]
    assert read_json(again / "manifest.json")["until"] == planned


def test_a_run_that_the_clock_cut_is_made_again_up_to_there(
    experiment: Make, made: Path, again: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "probe", lambda *_: Speed(1.0, 0.0))
    changes = ("training.schedule=linear", "training.warmup=0", "training.budget=60s")
    with monkeypatch.context() as patch:
        clock(patch, 3.0)
        cut = train(Start(experiment(*changes, "training.validate_every=3"), made))["update"]
    assert cut < load_table(made / "config.toml")["training"]["max_updates"]
    train_again(made, again, {})
    report = compare_runs(made, again)
    assert report["same"], report


def test_a_run_that_was_resumed_is_made_again_and_so_is_one_that_is_interrupted(
    experiment: Make, made: Path, again: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_update, updates = Trainer._one_update, []

    def stopping(trainer: Trainer, batches: Any) -> None:
        one_update(trainer, batches)
        updates.append(trainer.progress.update)
        if trainer.progress.update == 3:
            trainer._leave(15)

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Trainer, "_one_update", stopping)
        train(Start(experiment("model.dropout=0.3"), made))
    with pytest.raises(CheckpointError, match=r"run is not finished, .* nmt train --resume "):
        train_again(made, again, {})
    resume(made)
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Trainer, "_one_update", stopping)
        train_again(made, again, {})
    updates.clear()
    train_again(made, again, {})
    assert compare_runs(made, again)["same"]
    monkeypatch.setattr(Trainer, "_one_update", stopping)
    train_again(made, again, {})  # finished by now
    assert not updates


def test_what_differs_is_said(experiment: Make, run: Path, made: Path, again: Path) -> None:
    train(Start(experiment(), again))
    train(Start(experiment("compute.seed=2"), made.with_name("other")))
    report = compare_runs(again, made.with_name("other"))
    assert not report["same"]
    assert report["metrics"]["update"] == 2
    assert {"loss", "nll"} <= report["metrics"]["values"].keys()
    assert all(each["values"] and each["largest"] for each in report["weights"])
    assert "dev loss" in report["results"]


def test_a_single_bit_of_a_weight_is_seen(run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other", symlinks=True))
    path = (other / "best").resolve() / "model.safetensors"
    tensors = load_tensors(path)
    name = sorted(tensors)[0]
    tensors[name].view(-1)[0] *= 1 + 2**-23
    save_tensors(tensors, path)
    report = compare_runs(run, other)
    (found,) = (each for each in report["weights"] if each["model"] == "best")
    assert (found["tensor"], found["values"]) == (name, 1)
    assert 0 < found["largest"] < 1e-6
    assert not report["metrics"]


def test_zeros_of_other_signs_are_not_the_same_bits(run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other", symlinks=True))
    for folder, sign in ((run, 1.0), (other, -1.0)):
        path = (folder / "best").resolve() / "model.safetensors"
        tensors = load_tensors(path)
        tensors[sorted(tensors)[0]].zero_().mul_(sign)
        save_tensors(tensors, path)
    assert not compare_runs(run, other)["same"]


def test_versions_that_differ_are_told(run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other", symlinks=True))
    manifest = read_json(other / "manifest.json")
    libraries = {**manifest["libraries"], "numpy": "0"}
    write_sealed(other / "manifest.json", {**manifest, "torch": "1.0", "libraries": libraries})
    report = compare_runs(run, other)
    assert report["same"]
    assert report["surroundings"].keys() == {"torch", "numpy"}


def test_inputs_that_have_changed_or_gone_are_refused_with_both_hashes(
    experiment: Make, toy: Path, made: Path, again: Path, tmp_path: Path
) -> None:
    dev = tmp_path / "dev.src"
    shutil.copy(toy / "dev.src", dev)
    train(Start(experiment(f"data.dev_source={dev}"), made))
    before = sha256(dev)
    dev.write_text(dev.read_text() + "x\n")
    told = (
        rf"dev\.src \(dev_source\) is not what it was: its hash is {sha256(dev)}, but was {before}"
    )
    with pytest.raises(DataError, match=told):
        train_again(made, again, {})
    assert not again.exists()
    dev.unlink()
    with pytest.raises(DataError, match=rf"dev\.src is gone \(dev_source, its hash was {before}"):
        train_again(made, again, {})
    train_again(made, again, {"dev_source": str(toy / "dev.src")})
    assert compare_runs(made, again)["same"]


def test_another_run_is_not_written_over(experiment: Make, run: Path, again: Path) -> None:
    train(Start(experiment(), again))
    with pytest.raises(CheckpointError, match=r"again is a run already, but not .* made again; "):
        train_again(run, again, {})


def test_manifests_of_the_first_versions_are_read(run: Path, again: Path) -> None:
    manifest = read_json(run / "manifest.json")
    for name in ("schema", "command", "folder", "code", "libraries", "system", "compute"):
        del manifest[name]
    write_sealed(run / "manifest.json", {**manifest, "machine": "abacus, 1 threads"})
    train_again(run, again, {})
    report = compare_runs(run, again)
    assert report["same"]
    assert report["surroundings"].keys() == {"machine"}
