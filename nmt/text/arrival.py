"""Lines as they arrive: many at once from a file, at once from a person or a program."""

import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

PAUSE_SECONDS = 0.002  # without a line for so long, what has come is handed on

Line = TypeVar("Line")  # or a pair of lines


@dataclass(frozen=True)
class Item(Generic[Line]):
    """What has come: a line, or the end of input, of which an error may be the reason."""

    lines: tuple[Line, ...] = ()
    error: BaseException | None = None


def arriving(lines: Iterable[Line], most: int) -> Iterator[list[Line]]:
    """Group lines by arrival, at most so many at once; nothing waits for a line to come.

    Raises:
        Exception: Whatever reading raises, after the lines before it were handed on.
    """
    waiting: queue.Queue[Item[Line]] = queue.Queue(maxsize=2 * most)
    # Python aborts if standard input is freed at its end while a thread waits for a line of it;
    # a thread that was given it keeps it.
    given = (waiting, lines, sys.stdin)
    threading.Thread(target=fill, args=given, daemon=True).start()
    while True:
        group, last = take(waiting, most)
        if group:
            yield group
        if last is not None and last.error is not None:
            raise last.error
        if last is not None:
            return


def fill(waiting: "queue.Queue[Item[Line]]", lines: Iterable[Line], _kept: object) -> None:
    """Read lines into the queue; then the end, or an error."""
    try:
        for line in lines:
            waiting.put(Item((line,)))
    except BaseException as error:  # whatever it is, the reader of the queue must not wait on
        waiting.put(Item(error=error))
        return
    waiting.put(Item())


def take(waiting: "queue.Queue[Item[Line]]", most: int) -> tuple[list[Line], Item[Line] | None]:
    """Take what is there, having waited for a first line.

    Returns:
        The lines, and the end of input if it ended them.
    """
    group: list[Line] = []
    item = waiting.get()
    while item.lines:
        group += item.lines
        if len(group) == most:
            return group, None
        try:
            item = waiting.get(timeout=PAUSE_SECONDS)
        except queue.Empty:
            return group, None
    return group, item
