"""Several processes learn what one learns, agree when to stop, and end when one of them dies."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.errors import ConfigError, DataError, Followed, Interrupted, NmtError
from nmt.experiment import Experiment
from nmt.launch.start import Start, resume, train
from nmt.launch.workbench import tell_of_processes
from nmt.model import compute as compute_module
from nmt.model.compute import choose_device
from nmt.model.directory import WEIGHTS, load_package
from nmt.model.tensors import load_tensors
from nmt.training import distributed, loop
from nmt.training.distributed import joined
from nmt.training.loop import Trainer
from tests.processes import Raised, forks, in_processes

pytestmark = forks

Make = Callable[..., Experiment]
Contents = Callable[[Path], dict[str, Any]]

SHARDINGS = ["ddp", pytest.param("fsdp", marks=pytest.mark.slow)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less for what a process says of its end."""
    monkeypatch.setattr(distributed, "GRACE", 1.0)


def train_in_processes(experiment: Experiment, folder: Path, size: int = 2) -> list[Any]:
    return in_processes(lambda _: train(Start(experiment, folder)), size)


def losses(folder: Path) -> list[float]:
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines]


@pytest.mark.parametrize("sharding", SHARDINGS)
@pytest.mark.parametrize("changes", [(), ("training.ema=0.9",)], ids=["plain", "moving average"])
def test_a_run_of_two_processes_is_that_of_one_with_twice_the_batches(
    experiment: Make, tmp_path: Path, contents: Contents, sharding: str, changes: tuple[str, ...]
) -> None:
    same, two = ("model.dropout=0", *changes), f"compute.sharding={sharding}"
    summaries = train_in_processes(experiment(*same, two), tmp_path / "two")
    train(Start(experiment(*same, "training.accumulate=2"), tmp_path / "one"))
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
    assert summaries[0]["best"] == summaries[1]["best"]
    one, both = (contents(tmp_path / name) for name in ("one", "two"))
    assert one.keys() == both.keys()
    assert (
        both["last/state/progress.json".replace("last", "checkpoints/update-6")]["position"]
        == (one["checkpoints/update-6/state/progress.json"]["position"])
    )
    assert load_package(tmp_path / "two").metadata["dev"]
    assert 'epoch": 1' in (tmp_path / "two" / "metrics.jsonl").read_text()  # over an epoch's end


def signalled_at(update: int, rank: int) -> None:
    """Send one of the processes a signal just before an update."""
    one_update = Trainer._one_update

    def signalled(trainer: Trainer, batches: Any) -> None:
        if (trainer.progress.update + 1, trainer.ranks.rank) == (update, rank):
            signal.raise_signal(signal.SIGTERM)
        one_update(trainer, batches)

    Trainer._one_update = signalled  # type: ignore[method-assign]


def test_a_signal_to_one_stops_all_and_the_run_goes_on_bit_for_bit(
    experiment: Make, tmp_path: Path, contents: Contents
) -> None:
    dropout = experiment("model.dropout=0.3")
    train_in_processes(dropout, tmp_path / "steady")
    folder = tmp_path / "stopped"

    def stopped(rank: int) -> None:
        signalled_at(3, rank=1)
        train(Start(dropout, folder))

    first, second = in_processes(stopped)
    assert first.kind is Interrupted and "stopped at update 3" in first.message
    assert second == Raised(Followed, "", first.status)
    assert first.status == 143
    in_processes(lambda _: resume(folder))
    assert contents(folder) == contents(tmp_path / "steady")


@pytest.mark.parametrize("size", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_what_two_began_another_number_ends_alike(
    experiment: Make, tmp_path: Path, size: int
) -> None:
    steady = experiment("model.dropout=0", "training.accumulate=2")
    train(Start(steady, tmp_path / "steady"))
    folder = tmp_path / "moved"

    def stopped(rank: int) -> None:
        signalled_at(3, rank=0)
        train(Start(experiment("model.dropout=0"), folder))

    in_processes(stopped)
    ended = [resume(folder)] if size == 1 else in_processes(lambda _: resume(folder), size)
    assert {each["update"] for each in ended} == {6}
    assert losses(folder) == pytest.approx(losses(tmp_path / "steady"), rel=1e-5)


def test_the_log_tells_how_many_share_the_work_and_who_is_idle(
    experiment: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="nmt"):
        for size in (1, 2, 3):
            tell_of_processes(size, 2, experiment())
    assert caplog.messages == [
        "2 processes (ddp), 2 batches an update",
        "3 processes (ddp), 2 batches an update",
        "1 of 3 processes are idle: the run was begun with 2 batches an update, which holds for "
        "all of it",
    ]


@pytest.mark.slow
def test_sharded_and_replicated_weights_are_saved_alike(experiment: Make, tmp_path: Path) -> None:
    for sharding in ("ddp", "fsdp"):
        settings = experiment("model.dropout=0", f"compute.sharding={sharding}")
        train_in_processes(settings, tmp_path / sharding)
    for file in (WEIGHTS, "state/optimizer.safetensors", "state/random.safetensors"):
        one, other = (
            load_tensors(tmp_path / name / "last" / file).items() for name in ("ddp", "fsdp")
        )
        assert [(name, each.shape, each.dtype) for name, each in one] == [
            (name, each.shape, each.dtype) for name, each in other
        ]


@pytest.mark.slow
def test_a_sharded_run_goes_on_bit_for_bit(
    experiment: Make, tmp_path: Path, contents: Contents
) -> None:
    sharded = experiment("model.dropout=0.3", "compute.sharding=fsdp", "training.ema=0.9")
    train_in_processes(sharded, tmp_path / "steady")
    folder = tmp_path / "stopped"

    def stopped(rank: int) -> None:
        signalled_at(4, rank=0)
        train(Start(sharded, folder))

    in_processes(stopped)
    in_processes(lambda _: resume(folder))
    assert contents(folder) == contents(tmp_path / "steady")


@pytest.mark.slow
def test_a_budget_is_planned_by_the_first_for_all(
    experiment: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.training.budget.PROBES", 2)
    planned = iter([3])
    monkeypatch.setattr(
        "nmt.launch.start.plan_updates",
        lambda *_: next(planned) if os.environ["RANK"] == "0" else 99,
    )
    for sharding in ("ddp", "fsdp"):
        changes = ("training.budget=60s", "training.warmup=0", f"compute.sharding={sharding}")
        settings = experiment(*changes)
        ended = train_in_processes(settings, folder.with_name(sharding))
        assert [each["update"] for each in ended] == [3, 3]


# What goes wrong


def test_a_process_that_dies_is_named_and_the_others_end(experiment: Make, folder: Path) -> None:
    def die(rank: int) -> None:
        def killed(trainer: Trainer, batches: Any) -> None:
            if rank == 1 and trainer.progress.update == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            one_update(trainer, batches)

        one_update, Trainer._one_update = Trainer._one_update, killed  # type: ignore[method-assign]
        train(Start(experiment(), folder))

    first, second, third = in_processes(die, size=3)
    assert second is None
    assert first == Raised(
        NmtError,
        "rank 1 has died, or did not answer, so the others end; everything until the last "
        "checkpoint is saved: go on with --resume",
        1,
    )
    assert third == Raised(Followed, "", 1)
    assert (folder / "last").resolve().name == "update-2"


def test_when_the_first_dies_the_others_name_it(experiment: Make, folder: Path) -> None:
    def die(rank: int) -> None:
        if rank == 0:
            Trainer._validate_and_save = lambda _: os._exit(3)  # type: ignore[method-assign]
        train(Start(experiment(), folder))

    first, second = in_processes(die)
    assert first is None
    assert second.message.startswith("rank 0 has died, or did not answer")


def test_what_every_process_finds_wrong_is_said_once(experiment: Make, folder: Path) -> None:
    first, second = train_in_processes(experiment("data.batch_tokens=5"), folder)
    assert first.kind is ConfigError and "data.batch_tokens = 5" in first.message
    assert second.kind is Followed


def test_what_one_process_finds_wrong_ends_all_and_is_said_once(
    experiment: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DataError("cannot write: the disk is full")

    monkeypatch.setattr(loop, "save_package", full)
    first, second = train_in_processes(experiment(), folder)
    assert first == Raised(DataError, "cannot write: the disk is full", 1)
    assert second == Raised(Followed, "", 1)


def test_what_a_process_other_than_the_first_finds_wrong_names_it(
    experiment: Make, folder: Path
) -> None:
    def blind(rank: int) -> None:
        changes = ("data.train=nowhere",) if rank else ()
        train(Start(experiment(*changes), folder))

    first, second = in_processes(blind)
    assert first.kind is Followed
    assert second.message.startswith("rank 1: nowhere holds no encoded corpus")


def test_a_fault_of_ours_keeps_its_traceback(experiment: Make, folder: Path) -> None:
    def faulty(rank: int) -> None:
        if rank:
            Trainer._is_due = lambda *_: 1 // 0  # type: ignore[method-assign]
        train(Start(experiment(), folder))

    first, second = in_processes(faulty)
    assert (first.kind, second.kind) == (Followed, ZeroDivisionError)


def test_a_run_that_exists_is_refused_once(experiment: Make, folder: Path) -> None:
    train(Start(experiment(), folder))
    first, second = train_in_processes(experiment(), folder)
    assert "exists; go on with nmt train --resume" in first.message
    assert second.kind is Followed


def test_an_environment_that_is_not_torchruns_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="start several processes with torchrun"), joined(1):
        pass


def test_processes_on_a_machine_have_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    for rank in (0, 1):
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        assert choose_device("auto") == choose_device("cuda") == torch.device("cuda", rank)
        assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="'cuda:1' would put every process on one GPU"):
        choose_device("cuda:1")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ConfigError, match="3 processes on this machine, but 2 GPUs can be used"):
        choose_device("auto")


def test_waiting_takes_a_minute_at_least() -> None:
    with pytest.raises(ConfigError, match=r"compute\.wait_minutes must be at least 1, not 0"):
        compute_module.ComputeConfig(wait_minutes=0)
