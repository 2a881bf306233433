"""`nmt attention compare` at the command line."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.settings import load_table
from nmt.study import study as study_module
from nmt.study.processes import PACKAGE, CellError
from nmt.study.running import Steps

Command = Callable[..., Any]

COMPARE = ("attention", "compare", "--config", "toy.toml", "--output", "study")
TEST = ("--test-source", "test.src", "--test-target", "test.tgt")
ENTRIES = ("--variants", "multi-head,narrow:model.ffn_size=8", "--baseline-seeds", "1")


@pytest.fixture(autouse=True)
def texts(here: Path) -> None:
    """Work on the toy pair."""


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every cell fail."""

    def fail(_: object) -> None:
        raise CellError("training diverged")

    steps = Steps(fail, fail, lambda _: None, fail)
    monkeypatch.setattr(study_module, "steps_in_processes", lambda: steps)


def test_failures_are_in_the_table_and_in_the_exit_status(nmt: Command, failing: None) -> None:
    finished = nmt(*COMPARE, *TEST, *ENTRIES)
    assert finished.status == 1
    assert finished.out.startswith("variant ")
    assert "failed: narrow-seed1: training diverged" in finished.out
    assert finished.err.splitlines() == [
        "multi-head-seed1 failed: training diverged",
        "narrow-seed1 failed: training diverged",
        "nmt: failed: multi-head-seed1, narrow-seed1; see messages.log in their folders "
        "under study/cells; the same command tries again",
    ]


@pytest.mark.parametrize("style", ["json", "csv"])
def test_the_table_comes_in_the_format_asked_for(nmt: Command, failing: None, style: str) -> None:
    out = nmt(*COMPARE, *TEST, *ENTRIES, "--format", style).out
    rows = json.loads(out)["rows"] if style == "json" else list(csv.DictReader(out.splitlines()))
    assert [row["name" if style == "json" else "variant"] for row in rows] == [
        "multi-head", "narrow",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--variants", "nothing"), "--variants: no attention is called 'nothing'"),
        (("--variants", "multi-head", "--roles", "x"), "--roles: no role is called 'x'"),
        (
            (*ENTRIES, "--updates", "2", "--budget", "8m"),
            "--updates and --budget exclude each other; leave one out",
        ),
        ((*ENTRIES, "--budget", "soon"), "training.budget must be a time such as 90s"),
        ((*ENTRIES, "--dev-source", "none"), "none"),
        ((*ENTRIES, "--train", "none"), "none holds no encoded corpus (no corpus.json)"),
        ((*ENTRIES, "--test-source", "none"), "cannot read none: No such file or directory"),
        (
            (*ENTRIES, "--test-source", "dev.src"),
            "dev.src has 12 lines but test.tgt has 9",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    nmt: Command, arguments: tuple[str, ...], message: str
) -> None:
    finished = nmt(*COMPARE, *TEST, *arguments)
    assert (finished.status, finished.out) == (1, "")
    assert finished.err.startswith("nmt: ")
    assert message in finished.err
    assert finished.err.count("\n") == 1
    assert not Path("study").exists()


def test_updates_are_those_of_every_cell(nmt: Command, failing: None) -> None:
    nmt(*COMPARE, *TEST, *ENTRIES, "--updates", "9", "--set", "training.budget=8m")
    for path in Path("study/cells").glob("*/settings.toml"):
        training = load_table(path)["training"]
        assert (training["max_updates"], training["budget"]) == (9, "")
    refused = nmt(*COMPARE, *TEST, *ENTRIES, "--updates", "8")
    assert refused.err.endswith(
        "was made with training.max_updates = 9, not 8; put it back, choose another --output, or "
        "--existing replace\n"
    )
    assert "failed" in nmt(*COMPARE, *TEST, *ENTRIES, "--updates", "8", "--existing", "replace").err


def test_a_budget_is_that_of_every_cell(nmt: Command, failing: None) -> None:
    nmt(*COMPARE, *TEST, *ENTRIES, "--budget", "8m")
    budgets = [load_table(path)["training"]["budget"] for path in Path("study").rglob("*.toml")]
    assert budgets == ["8m", "8m"]


def test_the_group_names_its_commands_without_importing_them(nmt: Command) -> None:
    finished = nmt("attention", "--help")
    assert finished.status == 0
    assert "  compare   Train the same model with several variants" in finished.out
    assert nmt("attention", "nothing").status == 2


@pytest.mark.slow
def test_cells_are_trained_in_processes_of_their_own(nmt: Command) -> None:
    short = ("--updates", "2", "--jobs", "2", "--set", "training.log_every=1")
    finished = nmt(*COMPARE, *TEST, *ENTRIES, *short, "--format", "json")
    assert finished.status == 0, finished.err
    rows = json.loads(finished.out)["rows"]
    assert [row["means"]["updates"] for row in rows] == [2, 2]
    assert all(2**26 < row["means"]["memory_bytes"] < 2**33 for row in rows)
    assert all(row["means"]["tokens_per_second"] > 0 for row in rows)
    files = [path for path in Path("study").rglob("*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in files if "cells" in path.parts}
    assert nmt(*COMPARE, *TEST, *ENTRIES, *short, "--format", "json").out == finished.out
    assert all(path.stat().st_mtime_ns == time_ for path, time_ in before.items())


@pytest.mark.slow
def test_an_interrupted_study_goes_on_where_it_was(nmt: Command) -> None:
    long = (*ENTRIES, "--updates", "500", "--set", "training.validate_every=500")
    metrics = Path("study/cells/multi-head-seed1/run/metrics.jsonl")
    running = subprocess.Popen(
        [sys.executable, "-m", "nmt", *COMPARE, *TEST, *long],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not metrics.exists():
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert errors.endswith(
        "nmt: stopped with 0 of 2 cells finished; everything is saved; the same command goes on\n"
    )
    messages = Path("study/cells/multi-head-seed1/messages.log")
    assert "everything is saved" in messages.read_text()
    assert not Path("study/cells/narrow-seed1/run").exists()
    finished = nmt(*COMPARE, *TEST, *long)
    assert finished.status == 0, finished.err
    assert "resuming study/cells/multi-head-seed1/run at update" in messages.read_text()
