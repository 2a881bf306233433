"""A run killed fifty times at random moments: nothing unreadable, nothing lost but the latest."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nmt
from nmt.checks.witnessed import Orders, write_orders
from nmt.experiment import Experiment
from nmt.launch.workbench import Workbench
from nmt.model.directory import load_package
from nmt.settings import save_table, to_table
from nmt.training.run import Run

KILLS, EVERY, UPDATES = 50, 2, 100
SETTINGS = (
    f"training.max_updates={UPDATES}", f"training.validate_every={EVERY}", "model.dropout=0.3",
    "training.warmup=50",
)  # fmt: skip


def start(path: Path) -> "subprocess.Popen[bytes]":
    """Train as ordered, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "nmt.checks.witnessed", str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(nmt.__file__).parents[1])},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def trace_of(orders: Orders) -> list[dict[str, Any]]:
    """Read what was noted of each update; a kill may have cut the last line."""
    path = Path(orders.trace)
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}") and line.startswith("{")]


def kill_at_a_random_moment(orders: Orders, path: Path, life: float, moment: random.Random) -> None:
    """Let it live for about so many seconds after its first update; now and then not so long."""
    known, process = len(trace_of(orders)), start(path)
    if moment.random() < 0.1:
        time.sleep(moment.uniform(0, 2))  # while it starts
    else:
        while len(trace_of(orders)) == known and process.poll() is None:
            time.sleep(0.002)
        time.sleep(moment.uniform(0, 2 * life))
    process.kill()
    assert process.wait() in (-signal.SIGKILL, 0)


def assert_readable(run: Run, experiment: Experiment, last: int) -> None:
    """Load the newest checkpoint whole, and see that it is as new as it may be."""
    newest = max(run.updates(), default=0)
    assert newest >= (last - 1) // EVERY * EVERY, "more is lost than since the last checkpoint"
    if newest:
        assert load_package(run.checkpoint(newest)).metadata["update"] == newest
        assert Workbench.prepare(experiment).restore(run.checkpoint(newest)).update == newest


@pytest.mark.slow
def test_a_run_killed_fifty_times_loses_little_and_ends_as_one_that_was_not(
    experiment: Callable[..., Experiment],
    tmp_path: Path,
    contents: Callable[[Path], dict[str, Any]],
) -> None:
    settings = experiment(*SETTINGS)
    save_table(to_table(settings), tmp_path / "settings.toml")
    orders = {
        name: Orders(
            settings=str(tmp_path / "settings.toml"), run=str(tmp_path / name), parent="",
            trace=str(tmp_path / f"{name}.jsonl"),
        )
        for name in ("steady", "killed")
    }  # fmt: skip
    for name, each in orders.items():
        write_orders(each, tmp_path / f"{name}.json")
    assert start(tmp_path / "steady.json").wait() == 0
    summary = json.loads((tmp_path / "steady" / "finished.json").read_text())
    life = summary["seconds"] * EVERY / UPDATES  # from one checkpoint to the next
    run, moment, while_writing = Run(tmp_path / "killed"), random.Random(1), 0
    for _ in range(KILLS):
        kill_at_a_random_moment(orders["killed"], tmp_path / "killed.json", life, moment)
        if run.folder.exists() and not run.is_finished():
            last = max((entry["update"] for entry in trace_of(orders["killed"])), default=0)
            assert_readable(run, settings, last)
            while_writing += any(path.name.endswith(".part") for path in run.checkpoints.iterdir())
    assert while_writing > 5, "hardly a kill fell inside the writing of a checkpoint"
    assert start(tmp_path / "killed.json").wait() == 0
    assert contents(run.folder) == contents(tmp_path / "steady")
    steady = {entry["update"]: entry for entry in trace_of(orders["steady"])}
    assert all(steady[entry["update"]] == entry for entry in trace_of(orders["killed"]))
