"""Processes of one training, for tests: forked, so that they start at once."""

import faulthandler
import importlib
import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import pytest
import torch
from torch.distributed import TCPStore

SECONDS = 60  # after which a test that hangs fails

forks = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of newer versions


class Raised(NamedTuple):
    """What a process raised."""

    kind: type[BaseException]
    message: str
    status: int | None


def act(function: Callable[[int], Any], rank: int, end: Connection) -> None:
    """Run a function as one of the processes, and send what it returns or raises."""
    os.environ |= {**end.recv(), "RANK": str(rank), "LOCAL_RANK": str(rank)}
    torch.set_num_threads(1)
    faulthandler.dump_traceback_later(SECONDS - 5)  # on standard error: where it hangs
    try:
        end.send(function(rank))
    except Exception as error:
        end.send(Raised(type(error), str(error), getattr(error, "exit_status", None)))
    os._exit(0)  # nothing of pytest's


def in_processes(function: Callable[[int], Any], size: int = 2) -> list[Any]:
    """Call a function with each rank, in a process each; None for one that died.

    As with torchrun, the store by which they meet lives outside of them. It is made when all are
    forked: its thread looks up names, and who is forked meanwhile waits for the lock forever.
    """
    importlib.import_module("torch._dynamo")  # takes seconds, and each process would do it
    context = multiprocessing.get_context("fork")
    started = []
    for rank in range(size):
        mine, its = context.Pipe()
        process = context.Process(target=act, args=(function, rank, its))
        process.start()
        its.close()
        started.append((process, mine))
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    setting = {"WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size)}
    setting |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}
    setting["TORCHELASTIC_USE_AGENT_STORE"] = "True"
    for _, end in started:
        end.send(setting)
    results = []
    for _, end in started:
        try:
            results.append(end.recv() if end.poll(SECONDS) else TimeoutError("it hangs"))
        except EOFError:
            results.append(None)
    for process, end in started:
        process.kill()
        process.join()
        end.close()
    return results
