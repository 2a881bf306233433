"""Run the cells of a study, some at a time; one that fails does not stop the others."""

import logging
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from nmt.errors import Interrupted, NmtError
from nmt.files import read_json, write_json
from nmt.study.cells import Cell
from nmt.study.processes import Processes, checked
from nmt.study.results import gather
from nmt.training.signals import StopRequest

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Steps:
    """What is done to a cell, in this order, and how all of it is stopped by a signal."""

    train: Callable[[Cell], None]
    evaluate: Callable[[Cell], None]
    stop: Callable[[int], None]


def steps_in_processes() -> Steps:
    """Train and evaluate each cell in processes of its own."""
    processes = Processes()

    def train(cell: Cell) -> None:
        messages, memory = cell.folder / "messages.log", cell.folder / "memory.json"
        settings = str(cell.folder / "settings.toml")
        status, peak = processes.run(
            ["nmt", "train", "--config", settings, "--output", str(cell.run), "--existing", "auto"],
            messages,
        )
        # A training that was interrupted has several processes; one that finds nothing to do
        # holds next to nothing.
        before = read_json(memory)["bytes"] if memory.is_file() else 0
        write_json(memory, {"bytes": max(before, peak)})
        checked(status, messages)

    def evaluate(cell: Cell) -> None:
        messages = cell.folder / "messages.log"
        status, _ = processes.run(["nmt.study", str(cell.folder)], messages)
        checked(status, messages)

    return Steps(train, evaluate, processes.stop)


def run_cells(cells: Sequence[Cell], steps: Steps, jobs: int) -> dict[str, str]:
    """Run what is not finished.

    Returns:
        Why cells failed, by their names.

    Raises:
        Interrupted: By a signal, with everything saved.
    """
    failed: dict[str, str] = {}
    todo = [cell for cell in cells if not cell.is_finished()]
    with (
        StopRequest() as request,
        tqdm(
            total=len(cells), initial=len(cells) - len(todo), desc="compare", unit=" cells",
            disable=not (sys.stderr.isatty() and log.isEnabledFor(logging.INFO)),
        ) as bar,
        logging_redirect_tqdm(),
        ThreadPoolExecutor(jobs) as pool,
    ):  # fmt: skip
        waiting = {pool.submit(run_cell, cell, steps): cell for cell in todo}
        try:
            while waiting and request.signal_number is None:
                done, _ = wait(waiting, POLL_SECONDS, FIRST_COMPLETED)
                for future in [each for each in waiting if each in done]:  # in the cells' order
                    settle(waiting.pop(future), future, failed)
                    bar.update()
        except BaseException:  # a fault of ours: leave nothing running behind its traceback
            halt(pool, steps, signal.SIGTERM)
            raise
        if request.signal_number is not None:
            halt(pool, steps, request.signal_number)
            raise interrupted(cells, request.signal_number)
    return failed


def run_cell(cell: Cell, steps: Steps) -> None:
    """Bring one cell to its result; whatever an earlier call had finished is not done again."""
    steps.train(cell)
    steps.evaluate(cell)
    write_json(cell.result, gather(cell))


def settle(cell: Cell, future: Future[None], failed: dict[str, str]) -> None:
    """Say how a cell ended, and note why if it failed."""
    error = future.exception()
    if isinstance(error, NmtError):
        failed[cell.name] = str(error)
        log.error("%s failed: %s", cell.name, error)
    elif error is not None:
        raise error
    else:
        scores = read_json(cell.result)["measures"]
        log.info("%s: BLEU %.2f, chrF %.2f", cell.name, scores["bleu"], scores["chrf"])


def halt(pool: ThreadPoolExecutor, steps: Steps, number: int) -> None:
    """Pass a signal on and wait until everything is saved; a second Ctrl-C does not wait."""
    log.info("stopping: each training saves after its update")
    steps.stop(number)
    try:
        pool.shutdown(cancel_futures=True)
    except KeyboardInterrupt:
        steps.stop(signal.SIGKILL)
        raise


def interrupted(cells: Sequence[Cell], number: int) -> Interrupted:
    """Say how to go on."""
    finished = sum(cell.is_finished() for cell in cells)
    return Interrupted(
        f"stopped with {finished} of {len(cells)} cells finished; everything is saved; "
        "the same command goes on",
        number,
    )
