"""A process that measures cells and can be stopped in the middle of one.

It is kept for many cells, since starting it takes seconds; a cell that exceeds its limit costs
the process, and the next cell gets another.
"""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection
from typing import Any, Self

from nmt.bench.cells import Cell, Figures, Measured, Scale, foresee
from nmt.errors import ConfigError
from nmt.model.compute import ComputeConfig
from nmt.provenance import processor

START_SECONDS = 300.0  # for importing torch on a busy machine
MEMORY = ("not enough memory", "out of memory")


def measure_all(
    cells: Iterable[Cell], scale: Scale, worker: "Worker"
) -> Iterator[tuple[Cell, Figures]]:
    """Measure cells in their order, but for those of which a shorter one shows the end."""
    measured: Measured = {}
    for cell in cells:
        reason = foresee(cell, measured, scale)
        measured[cell] = Figures(cut=reason) if reason else worker.measure(cell, scale)
        yield cell, measured[cell]


class Worker:
    """The process and the pipe to it.

    Attributes:
        machine: What it computes on, once started.
    """

    def __init__(self, compute: ComputeConfig) -> None:
        self.compute = compute
        self.machine: dict[str, Any] = {}
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def measure(self, cell: Cell, scale: Scale) -> Figures:
        """Measure a cell, or cut it off at the limit.

        Raises:
            ConfigError: The mechanism cannot be built.
        """
        if not self._process.is_alive():
            self._start()
        try:
            self._pipe.send((cell, scale))
            figures: Figures = self._answer(scale.limit_seconds)
            return figures
        except TimeoutError:
            self._stop()
            return Figures(cut=f"took longer than {scale.limit_seconds:g} s")
        except (EOFError, ConnectionError):
            self._stop()
            return Figures(cut="the system ended the process, as a rule for want of memory")

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork of threads would hang
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, self.compute), daemon=True)
        self._process.start()
        theirs.close()
        self.machine = self._answer(START_SECONDS)

    def _answer(self, seconds: float) -> Any:
        if not self._pipe.poll(seconds):
            raise TimeoutError
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _stop(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


def serve(pipe: Connection, config: ComputeConfig) -> None:
    """Measure what comes through the pipe, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it and ends this process
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # before torch reads it
    from nmt.model.compute import prepare

    try:
        compute = prepare(config, training=False)
    except ConfigError as error:
        pipe.send(error)
        return
    from nmt.bench.attention import measure
    from nmt.bench.memory import peak_bytes

    peak_bytes(lambda: None, compute.device)  # the first time takes longer, and is no cell's
    pipe.send(describe_machine(compute.device, str(compute.dtype)))
    while True:
        try:
            cell, scale = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(measure(cell, scale, compute))
        except Exception as error:
            pipe.send(answer_to(error))


def answer_to(error: Exception) -> Figures | Exception:
    """Tell a want of memory from a user's error and from a fault of ours."""
    if isinstance(error, ConfigError):
        return error
    if isinstance(error, MemoryError) or any(words in str(error) for words in MEMORY):
        return Figures(cut="out of memory")
    return RuntimeError("".join(traceback.format_exception(error)))


def describe_machine(device: Any, dtype: str) -> dict[str, Any]:
    """Name the machine, the type, the threads and the versions."""
    import platform

    import torch

    import nmt

    name = processor()
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    return {
        "machine": name,
        "device": str(device),
        "precision": dtype.removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "nmt": nmt.__version__,
        "python": platform.python_version(),
    }
