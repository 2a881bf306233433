"""Lines as they arrive: many at once from a file, at once from a person or a program."""

import queue
import sys
import threading
from collections.abc import Iterable, Iterator

PAUSE_SECONDS = 0.02  # without a line for so long, what has come is handed on

Item = str | BaseException | None


def arriving(lines: Iterable[str], most: int) -> Iterator[list[str]]:
    """Group lines by arrival, at most so many at once; nothing waits for a line to come.

    Raises:
        Exception: Whatever reading raises, after the lines before it were handed on.
    """
    waiting: queue.Queue[Item] = queue.Queue(maxsize=2 * most)
    # Python aborts if standard input is freed at its end while a thread waits for a line of it;
    # a thread that was given it keeps it.
    given = (waiting, lines, sys.stdin)
    threading.Thread(target=fill, args=given, daemon=True).start()
    while True:
        group, last = take(waiting, most)
        if group:
            yield group
        if isinstance(last, BaseException):
            raise last
        if last is None:
            return


def fill(waiting: "queue.Queue[Item]", lines: Iterable[str], _kept: object) -> None:
    """Read lines into the queue; then an error, or None at the end."""
    try:
        for line in lines:
            waiting.put(line)
    except BaseException as error:  # whatever it is, the reader of the queue must not wait on
        waiting.put(error)
        return
    waiting.put(None)


def take(waiting: "queue.Queue[Item]", most: int) -> tuple[list[str], Item]:
    """Take what is there, having waited for a first line.

    Returns:
        The lines, and what ended them: an error, None at the end of input, or "" for a pause.
    """
    group: list[str] = []
    item = waiting.get()
    while isinstance(item, str):
        group.append(item)
        if len(group) == most:
            return group, ""
        try:
            item = waiting.get(timeout=PAUSE_SECONDS)
        except queue.Empty:
            return group, ""
    return group, item
