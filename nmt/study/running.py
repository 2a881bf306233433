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
from nmt.study.pace import PACE, pace_of
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
    pace: Callable[[Cell, Cell, int], None]


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

    def pace(cell: Cell, baseline: Cell, turns: int) -> None:
        messages = cell.folder / "messages.log"
        arguments = [str(cell.folder), str(baseline.folder), str(turns)]
        status, _ = processes.run(["nmt.study", *arguments], messages)
        checked(status, messages)

    return Steps(train, evaluate, processes.stop, pace)


def run_cells(cells: Sequence[Cell], steps: Steps, jobs: int) -> dict[str, str]:
    """Run what is not finished.

    Returns:
        Why cells failed, by their names.

    Raises:
        Interrupted: By a signal, with everything saved.
    """
    todo = [cell for cell in cells if not cell.is_finished()]
    work = Work("compare", lambda cell: run_cell(cell, steps), told_scores, len(cells))
    return run_all(todo, work, steps, jobs)


def pace_cells(cells: Sequence[Cell], baseline: Cell, steps: Steps, turns: int) -> dict[str, str]:
    """Measure how fast each cell is beside the baseline, one at a time.

    Returns:
        Why cells failed, by their names.

    Raises:
        Interrupted: By a signal, with everything saved.
    """
    if not baseline.is_finished():
        return {}
    finished = [cell for cell in cells if cell.is_finished()]
    todo = [cell for cell in finished if not pace_of(cell.folder, baseline.folder)]
    work = Work("pace", lambda cell: steps.pace(cell, baseline, turns), told_pace, len(cells))
    return run_all(todo, work, steps, 1)


@dataclass(frozen=True)
class Work:
    """What is done to each of some cells.

    Attributes:
        name: For the progress bar.
        do: Does it.
        tell: Says in one line what came out.
        total: Cells there are, done ones included.
    """

    name: str
    do: Callable[[Cell], None]
    tell: Callable[[Cell], str]
    total: int


def run_all(todo: Sequence[Cell], work: Work, steps: Steps, jobs: int) -> dict[str, str]:
    """Do what is to be done to cells, some at a time, and say why it failed where it did."""
    failed: dict[str, str] = {}
    with (
        StopRequest() as request,
        tqdm(
            total=work.total, initial=work.total - len(todo), desc=work.name, unit=" cells",
            disable=not (sys.stderr.isatty() and log.isEnabledFor(logging.INFO)),
        ) as bar,
        logging_redirect_tqdm(),
        ThreadPoolExecutor(jobs) as pool,
    ):  # fmt: skip
        waiting = {pool.submit(work.do, cell): cell for cell in todo}
        try:
            while waiting and request.signal_number is None:
                done, _ = wait(waiting, POLL_SECONDS, FIRST_COMPLETED)
                for future in [each for each in waiting if each in done]:  # in the cells' order
                    settle(waiting.pop(future), future, failed, work.tell)
                    bar.update()
        except BaseException:  # a fault of ours: leave nothing running behind its traceback
            halt(pool, steps, signal.SIGTERM)
            raise
        if request.signal_number is not None:
            halt(pool, steps, request.signal_number)
            raise interrupted(work, len(waiting), request.signal_number)
    return failed


def run_cell(cell: Cell, steps: Steps) -> None:
    """Bring one cell to its result; whatever an earlier call had finished is not done again."""
    steps.train(cell)
    steps.evaluate(cell)
    write_json(cell.result, gather(cell))


def settle(
    cell: Cell, future: Future[None], failed: dict[str, str], tell: Callable[[Cell], str]
) -> None:
    """Say how a cell ended, and note why if it failed."""
    error = future.exception()
    if isinstance(error, NmtError):
        failed[cell.name] = str(error)
        log.error("%s failed: %s", cell.name, error)
    elif error is not None:
        raise error
    else:
        log.info("%s: %s", cell.name, tell(cell))


def told_scores(cell: Cell) -> str:
    """Tell what a cell scored."""
    scores = read_json(cell.result)["measures"]
    return f"BLEU {scores['bleu']:.2f}, chrF {scores['chrf']:.2f}"


def told_pace(cell: Cell) -> str:
    """Tell how fast a cell is."""
    found = read_json(cell.folder / PACE)
    return (
        f"training at {found['training_ratio']:.2f} of the baseline's speed, "
        f"translating at {found['translation_ratio']:.2f}"
    )


def halt(pool: ThreadPoolExecutor, steps: Steps, number: int) -> None:
    """Pass a signal on and wait until everything is saved; a second Ctrl-C does not wait."""
    log.info("stopping: each training saves after its update")
    steps.stop(number)
    try:
        pool.shutdown(cancel_futures=True)
    except KeyboardInterrupt:
        steps.stop(signal.SIGKILL)
        raise


def interrupted(work: Work, left: int, number: int) -> Interrupted:
    """Say how to go on."""
    return Interrupted(
        f"stopped with {work.total - left} of {work.total} cells finished; everything is saved; "
        "the same command goes on",
        number,
    )
