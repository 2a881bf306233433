"""Works timed by turns: whatever slows the machine slows all, and their ratios hold."""

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
    first, second = in_turns((one, two), turns)
    ratios = [each / other for each, other in zip(first, second, strict=True)]
    return statistics.median(first), statistics.median(ratios)


def in_turns(works: Sequence[Work], turns: int, warm_up: int = WARM_UP) -> list[list[float]]:
    """Do works by turns, each of which begins with another work.

    Returns:
        For each work its speed in every turn, those to warm up left out.
    """
    for number in range(warm_up):
        for work in works:
            work(number)
    speeds: list[list[float]] = [[] for _ in works]
    for number in range(turns):
        for place in range(number + 1, number + 1 + len(works)):
            index = place % len(works)
            speeds[index].append(speed(works[index], number))
    return speeds


def speed(work: Work, number: int) -> float:
    """Give what a turn does in a second."""
    start = time.perf_counter()
    done = work(number)
    return done / (time.perf_counter() - start)
