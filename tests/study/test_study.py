"""A whole study of the toy pair, in this process."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.errors import DataError
from nmt.files import read_json, write_json
from nmt.launch.start import Start, train
from nmt.settings import load_table
from nmt.study.cells import Cell, Study
from nmt.study.evaluation import evaluate
from nmt.study.pace import measure_pace
from nmt.study.running import Steps
from nmt.study.study import run_study
from nmt.text.lines import read_lines, read_pairs
from nmt.training import loop
from nmt.validation import Validator

MakeStudy = Callable[..., Study]


class NoSignals:
    """Take none: only a main thread can, and here cells are trained in others."""

    signal_number = None

    def __enter__(self) -> "NoSignals":
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "StopRequest", NoSignals)


def train_here(cell: Cell) -> None:
    """Train as `nmt train --existing auto` does."""
    train(Start(cell.experiment, cell.run, existing="auto"))
    write_json(cell.folder / "memory.json", {"bytes": 1})


def pace_here(cell: Cell, baseline: Cell, turns: int) -> None:
    """Do updates and translations by turns as a process of its own does."""
    measure_pace(cell.folder, baseline.folder, turns)


HERE = Steps(train_here, lambda cell: evaluate(cell.folder), lambda _: None, pace_here)


def test_a_study_trains_evaluates_and_compares(make_study: MakeStudy, toy: Path) -> None:
    study = make_study(turns=2)
    base, narrow = run_study(study, HERE).rows
    assert base.means["parameters"] > narrow.means["parameters"] > 0  # type: ignore[operator]
    for row in (base, narrow):
        assert {name for name, value in row.means.items() if value is None} == set()
    assert narrow.means["updates"] == 6
    assert (study.folder / "table.md").read_text().startswith("| variant | BLEU")
    assert (study.folder / "table.csv").read_text().startswith("variant,seeds,bleu")
    assert read_json(study.folder / "study.json")["cells"] == ["multi-head-seed1", "narrow-seed1"]


def test_its_scores_are_those_of_a_validation_of_the_test_set(
    make_study: MakeStudy, toy: Path
) -> None:
    from nmt.experiment import read_experiment
    from nmt.model.compute import prepare
    from nmt.model.directory import load_package

    study = make_study("multi-head")
    (row,) = run_study(study, HERE).rows
    folder = study.folder / "cells" / "multi-head-seed1"
    package = load_package(folder / "run")
    experiment = read_experiment(load_table(folder / "settings.toml"))
    sources, targets = zip(*read_pairs(*study.test), strict=True)
    validator = Validator(
        sources, targets, package.segmenters, experiment.search, experiment.score
    )  # fmt: skip
    scores = validator(package.model, prepare(experiment.compute, training=False))
    assert {name: score.value for name, score in scores.items()} == {
        name: row.means[name] for name in scores
    }
    assert len(list(read_lines(folder / "test.hyp"))) == len(sources)


def test_cells_of_a_seed_see_the_same_batches(
    make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nmt.training.update import Updater

    seen: list[list[bytes]] = []
    update = Updater.update

    def noted(updater: Updater, batches: Any, totals: Any) -> None:
        seen[-1] += [batch.target.tobytes() for batch in batches]
        update(updater, batches, totals)

    def train_noted(cell: Cell) -> None:
        seen.append([])
        train_here(cell)

    monkeypatch.setattr(Updater, "update", noted)
    run_study(make_study(baseline_seeds=2), Steps(train_noted, HERE.evaluate, HERE.stop, pace_here))
    first, narrow, second = seen
    assert first == narrow != second


def test_an_interrupted_cell_is_resumed_and_others_are_left(
    make_study: MakeStudy, known: Any
) -> None:
    study = make_study()
    known.evaluate = lambda cell: known.done.append(("evaluate", cell.name)) or 1 / 0
    with pytest.raises(ZeroDivisionError):
        run_study(study, known.steps())
    known.done.clear()
    del known.evaluate
    run_study(study, known.steps())
    assert ("train", "multi-head-seed1") in known.done
    known.done.clear()
    run_study(study, known.steps())
    assert known.done == []


def test_a_study_can_be_widened(make_study: MakeStudy, known: Any) -> None:
    run_study(make_study("multi-head"), known.steps())
    known.done.clear()
    rows = run_study(make_study(), known.steps()).rows
    assert known.done == [("train", "narrow-seed1"), ("evaluate", "narrow-seed1")]
    assert len(rows) == 2


def test_a_folder_that_is_no_study_is_left_alone(make_study: MakeStudy, known: Any) -> None:
    study = make_study()
    study.folder.mkdir()
    (study.folder / "thesis.tex").touch()
    with pytest.raises(DataError, match="exists and is no study; choose another --output"):
        run_study(study, known.steps())
    assert known.done == []


def test_a_test_set_without_lines_is_refused(
    make_study: MakeStudy, known: Any, tmp_path: Path
) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(DataError, match="is empty; a test set needs lines"):
        run_study(make_study(test=(str(tmp_path / "empty"),) * 2), known.steps())


def test_without_matplotlib_the_tables_still_come(
    make_study: MakeStudy,
    known: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    study = make_study()
    with caplog.at_level(logging.WARNING):
        run_study(study, known.steps())
    assert (study.folder / "table.md").is_file()
    assert not (study.folder / "plot.svg").exists()
    assert caplog.messages == [
        "a picture needs matplotlib: pip install 'nmt[plot]'; the tables are complete; run this "
        "again"
    ]
