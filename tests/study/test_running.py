"""Cells run one by one or together; failures and signals leave the rest whole."""

import logging
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nmt.errors import Interrupted
from nmt.files import read_json
from nmt.study.cells import Cell, Study, open_cells, plan_cells, request_of
from nmt.study.processes import CellError, Processes, Stopping, checked
from nmt.study.running import Steps, halt, run_cells, steps_in_processes
from nmt.study.study import run_study

MakeStudy = Callable[..., Study]


@pytest.fixture
def cells(make_study: MakeStudy) -> list[Cell]:
    """Open three cells."""
    study = make_study(baseline_seeds=2)
    cells = plan_cells(study)
    open_cells({cell: request_of(cell, study) for cell in cells})
    return cells


def test_each_cell_is_trained_then_evaluated_once(cells: list[Cell], known: Any) -> None:
    assert run_cells(cells, known.steps(), 1) == {}
    names = ["multi-head-seed1", "narrow-seed1", "multi-head-seed2"]
    assert known.done == [(step, name) for name in names for step in ("train", "evaluate")]
    assert all(cell.is_finished() for cell in cells)
    assert run_cells(cells, known.steps(), 1) == {}
    assert len(known.done) == 6


def test_a_result_holds_what_training_and_evaluation_left(cells: list[Cell], known: Any) -> None:
    run_cells(cells[:1], known.steps(), 1)
    result = read_json(cells[0].result)
    assert (result["entry"], result["seed"], result["threads"]) == ("multi-head", 1, 1)
    expected = {
        "bleu": 100.0, "dev_bleu": 7.0, "dev_chrf": None, "updates": 6, "train_seconds": 2.0,
        "tokens_per_second": 1000.0, "memory_bytes": 3 * 2**20,
    }  # fmt: skip
    assert expected.items() <= result["measures"].items()


def test_a_cell_that_fails_leaves_the_others_and_is_tried_again(
    cells: list[Cell], known: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def train(cell: Cell) -> None:
        if cell.name == "narrow-seed1":
            raise CellError("training diverged")
        known.train(cell)

    with caplog.at_level(logging.INFO):
        failed = run_cells(cells, Steps(train, known.evaluate, known.steps().stop, known.pace), 1)
    assert failed == {"narrow-seed1": "training diverged"}
    assert caplog.messages == [
        "multi-head-seed1: BLEU 100.00, chrF 51.00", "narrow-seed1 failed: training diverged",
        "multi-head-seed2: BLEU 100.00, chrF 52.00",
    ]  # fmt: skip
    assert [cell.is_finished() for cell in cells] == [True, False, True]
    assert run_cells(cells, known.steps(), 1) == {}
    assert known.done[-2:] == [("train", "narrow-seed1"), ("evaluate", "narrow-seed1")]


def test_a_fault_of_ours_keeps_its_traceback_and_starts_nothing_more(
    cells: list[Cell], known: Any
) -> None:
    def train(cell: Cell) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_cells(cells, Steps(train, known.evaluate, known.steps().stop, known.pace), 1)
    assert known.done == [("stop", "")]


def test_jobs_run_together(cells: list[Cell], known: Any) -> None:
    both = threading.Barrier(2, timeout=10)

    def train(cell: Cell) -> None:
        if cell.seed == 1:
            both.wait()  # passes only if two come at once
        known.train(cell)

    assert run_cells(cells, Steps(train, known.evaluate, known.steps().stop, known.pace), 2) == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on_and_says_how_to_go_on(
    cells: list[Cell], known: Any, number: signal.Signals
) -> None:
    stopped, numbers = threading.Event(), []

    def train(cell: Cell) -> None:
        known.train(cell)
        if cell.name == "narrow-seed1":
            signal.raise_signal(number)
            assert stopped.wait(10)
            raise CellError("stopped at update 3; everything is saved")

    def stop(received: int) -> None:
        numbers.append(received)
        stopped.set()

    with pytest.raises(Interrupted) as interrupted:
        run_cells(cells, Steps(train, known.evaluate, stop, known.pace), 1)
    assert str(interrupted.value) == (
        "stopped with 1 of 3 cells finished; everything is saved; the same command goes on"
    )
    assert (interrupted.value.exit_status, numbers) == (128 + number, [number])
    assert run_cells(cells, known.steps(), 1) == {}
    assert ("train", "multi-head-seed2") in known.done


def test_a_second_interrupt_does_not_wait(known: Any) -> None:
    class Impatient(ThreadPoolExecutor):
        def shutdown(self, *_: object, **__: object) -> None:
            raise KeyboardInterrupt

    numbers: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        halt(
            Impatient(1),
            Steps(known.train, known.evaluate, numbers.append, known.pace),
            signal.SIGINT,
        )
    assert numbers == [signal.SIGINT, signal.SIGKILL]


def test_a_process_is_measured_and_its_words_are_kept(tmp_path: Path) -> None:
    messages = tmp_path / "messages.log"
    status, peak = Processes().run(["nmt", "--version"], messages)
    assert status == 0
    assert messages.read_text().startswith("nmt ")
    assert 2**20 < peak < 2**36


def test_the_last_words_of_a_process_are_its_reason(tmp_path: Path) -> None:
    messages = tmp_path / "messages.log"
    messages.write_text("of before\n")
    status, _ = Processes().run(["nmt", "train", "--output", "run", "--config", "no"], messages)
    with pytest.raises(CellError, match=r"^cannot read settings from no: No such file"):
        checked(status, messages)


@pytest.mark.parametrize(
    ("status", "words", "reason"),
    [
        (1, "update 3\nnmt: training diverged\n\n", "training diverged"),
        (1, "", "exit status 1"),
        (-9, "update 3\n", "killed by the system, which may have run out of memory"),
    ],
)
def test_a_failure_has_a_reason(tmp_path: Path, status: int, words: str, reason: str) -> None:
    (tmp_path / "messages").write_text(words)
    with pytest.raises(CellError) as failed:
        checked(status, tmp_path / "messages")
    assert str(failed.value) == reason


def test_what_runs_is_stopped_and_nothing_more_starts(tmp_path: Path) -> None:
    processes, messages = Processes(), tmp_path / "messages"
    statuses: list[int] = []
    waiting = threading.Thread(
        target=lambda: statuses.append(processes.run(["http.server", "0"], messages)[0])
    )
    waiting.start()
    while not processes._running:
        pass
    processes.stop(signal.SIGTERM)
    waiting.join(20)
    assert statuses == [-signal.SIGTERM]
    with pytest.raises(Stopping):
        processes.run(["nmt", "--version"], messages)


def test_memory_is_the_most_of_all_processes_of_a_training(
    cells: list[Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    peaks = iter([5, 3])
    monkeypatch.setattr(Processes, "run", lambda *_: (0, next(peaks)))
    steps = steps_in_processes()
    for _ in range(2):
        steps.train(cells[0])
        assert read_json(cells[0].folder / "memory.json") == {"bytes": 5}


def test_paces_are_measured_once_beside_the_baseline(make_study: MakeStudy, known: Any) -> None:
    study = make_study(turns=4)
    first = run_study(study, known.steps())
    again = run_study(study, known.steps())
    assert [each for each in known.done if each[0] == "pace"] == [
        ("pace", "multi-head-seed1"),
        ("pace", "narrow-seed1"),
    ]
    assert first.rows == again.rows
    assert [row.means["training_ratio"] for row in first.rows] == [1.0, 1.5]
    assert [row.means["tokens_per_second"] for row in first.rows] == [2000.0, 3000.0]


def test_another_baseline_has_paces_of_its_own(make_study: MakeStudy, known: Any) -> None:
    run_study(make_study(turns=4), known.steps())
    known.done.clear()
    study = make_study(turns=4, baseline="narrow")
    rows = run_study(study, known.steps()).rows
    assert [each for each in known.done if each[0] == "pace"] == [
        ("pace", "multi-head-seed1"),
        ("pace", "narrow-seed1"),
    ]
    assert [row.means["training_ratio"] for row in rows] == [pytest.approx(2 / 3), 1.0]
    rows = run_study(make_study(), known.steps()).rows
    assert [row.means["training_ratio"] for row in rows] == [None, None]


def test_a_pace_is_not_averaged_with_what_other_seeds_logged(
    make_study: MakeStudy, known: Any
) -> None:
    base, _ = run_study(make_study(turns=4, baseline_seeds=3), known.steps()).rows
    assert base.seeds == (1, 2, 3)
    assert base.means["tokens_per_second"] == 2000.0
    assert base.means["sentences_per_second"] == 7.0
