"""Lines as they arrive: many at once from a file, at once from a person or a program."""

import queue
import threading
from collections.abc import Iterable, Iterator

from nmt.errors import NmtError

PAUSE_SECONDS = 0.02  # without a line for so long, what has come is handed on

Item = str | BaseException | None


def arriving(lines: Iterable[str], most: int) -> Iterator[list[str]]:
    """Group lines by arrival, at most so many at once; nothing waits for a line to come.

    Raises:
        NmtError: Whatever reading raises, after the lines before it were handed on.
    """
    waiting: queue.Queue[Item] = queue.Queue(maxsize=2 * most)
    threading.Thread(target=fill, args=(waiting, lines), daemon=True).start()
    while True:
        group, last = take(waiting, most)
        if group:
            yield group
        if isinstance(last, BaseException):
            raise last
        if last is None:
            return


def fill(waiting: "queue.Queue[Item]", lines: Iterable[str]) -> None:
    """Read lines into the queue; then an error, or None at the end."""
    try:
        for line in lines:
            waiting.put(line)
    except (NmtError, OSError) as error:
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
