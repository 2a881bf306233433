"""Two works timed by turns: whatever slows the machine slows both, and their ratio holds."""

import statistics
import time
from collections.abc import Callable, Sequence

WARM_UP = 2

Work = Callable[[int], float]  # does turn number n, and gives what was done: tokens or lines


def by_turns(one: Work, two: Work, turns: int) -> tuple[float, float]:
    """Do two works by turns, each first in every other turn.

    Returns:
        The median speed of the first, and the median of its ratio to the second's.
    """
    for number in range(WARM_UP):
        one(number), two(number)
    speeds, ratios = [], []
    for number in range(turns):
        order: Sequence[Work] = (one, two) if number % 2 else (two, one)
        found = {work: speed(work, number) for work in order}
        speeds.append(found[one])
        ratios.append(found[one] / found[two])
    return statistics.median(speeds), statistics.median(ratios)


def speed(work: Work, number: int) -> float:
    """Give what a turn does in a second."""
    start = time.perf_counter()
    done = work(number)
    return done / (time.perf_counter() - start)
