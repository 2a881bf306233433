"""`torchrun -m nmt train` as from a shell."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import nmt

pytestmark = pytest.mark.slow

Begin = Callable[..., subprocess.Popen[str]]
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
TRAIN = ("-m", "nmt", "train", "--config", "toy.toml", "--set", "model.dropout=0")


@pytest.fixture(autouse=True)
def texts(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work on the toy pair, with this very code and one thread a process."""
    monkeypatch.setenv("PYTHONPATH", str(Path(nmt.__file__).parents[1]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TORCHRUN, *arguments], capture_output=True, text=True, timeout=120)


def losses(folder: str) -> list[float]:
    lines = map(json.loads, Path(folder, "metrics.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines]


@pytest.mark.parametrize("sharding", ["ddp", "fsdp"])
def test_two_processes_learn_what_one_does_and_the_first_alone_speaks(sharding: str) -> None:
    two = torchrun(*TRAIN, "--output", "two", "--set", f"compute.sharding={sharding}")
    assert two.returncode == 0, two.stderr
    command = (sys.executable, *TRAIN, "--set", "training.accumulate=2", "--output", "one")
    one = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = [re.split(r", [\d,]+ tokens/s", line)[0] for line in two.stderr.splitlines()]
    expected = [re.split(r", [\d,]+ tokens/s", line)[0] for line in one.stderr.splitlines()]
    assert f"2 processes ({sharding}), 2 batches an update" in said
    assert [line for line in said if line.startswith(("update", "validation"))] == [
        line for line in expected if line.startswith(("update", "validation"))
    ]
    assert len([line for line in said if "best is" in line]) == 1
    assert "Warning" not in two.stderr
    assert losses("two") == pytest.approx(losses("one"), rel=1e-5)


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Collect what a test starts, and leave none of it behind."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.terminate()
        process.wait(60)


@pytest.fixture
def begin(started: list[subprocess.Popen[str]]) -> Callable[..., subprocess.Popen[str]]:
    """Start a long run, the folder given, and wait for its first checkpoint."""

    def begin(*arguments: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        started.append(begun(*arguments, before=before))
        return started[-1]

    return begin


def begun(folder: str, *arguments: str, before: tuple[str, ...]) -> subprocess.Popen[str]:
    command = (*TORCHRUN, *before, *TRAIN, "--output", folder, "--set", "training.log_every=20")
    long = ("--max-updates", "400", "--set", "training.validate_every=20", *arguments)
    process = subprocess.Popen([*command, *long], stderr=subprocess.PIPE, text=True)
    limit = time.monotonic() + 90
    while not Path(folder, "last").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    return process


def workers(process: subprocess.Popen[str]) -> list[int]:
    """List the processes that torchrun started, by rank."""
    listed = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
    )
    ranks = {}
    for number in map(int, listed.stdout.split()):
        environment = Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
        ranks[next(int(each[5:]) for each in environment if each.startswith(b"RANK="))] = number
    return [ranks[rank] for rank in sorted(ranks)]


def test_a_killed_process_is_named_and_all_end(begin: Begin) -> None:
    process = begin("run")
    os.kill(workers(process)[1], signal.SIGKILL)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "nmt: rank 1 has died, or did not answer, so the others end; " in said
    assert "nmt/" not in said  # no traceback of ours
    assert Path("run/last/metadata.json").is_file()


def test_torchrun_restarts_what_died_from_the_last_checkpoint(begin: Begin) -> None:
    process = begin("run", "--existing", "resume", before=("--max-restarts", "1"))
    os.kill(workers(process)[0], signal.SIGKILL)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
    assert re.search("resuming run at update [1-9]", said)
    assert json.loads(Path("run/finished.json").read_text())["update"] == 400


def test_an_interrupted_run_says_how_to_go_on_and_one_process_can(begin: Begin) -> None:
    process = begin("run")
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    (update,) = re.findall(r"^nmt: stopped at update (\d+); everything is saved", said, re.M)
    assert Path("run/last").resolve().name == f"update-{update}"
    command = (sys.executable, "-m", "nmt", "train", "--resume", "run")
    one = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert f"resuming run at update {update}" in one.stderr
    assert json.loads(Path("run/finished.json").read_text())["update"] == 400


def test_what_is_wrong_is_said_once() -> None:
    finished = torchrun(*TRAIN, "--output", "run", "--train", "nowhere")
    assert finished.returncode == 1
    assert finished.stderr.count("nmt: nowhere holds no encoded corpus") == 1


def test_what_two_processes_trained_is_made_again_by_two_and_one_says_so() -> None:
    made = torchrun(*TRAIN, "--output", "two")
    assert made.returncode == 0, made.stderr
    again = torchrun("-m", "nmt", "reproduce", "two", "--quiet")
    assert again.returncode == 0, again.stderr
    assert [line for line in again.stdout.splitlines() if line.startswith("the same: ")] == (
        again.stdout.splitlines()
    )
    assert len(again.stdout.splitlines()) == 1
