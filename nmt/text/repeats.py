"""How much of a text says again what stands just before it."""

from collections.abc import Sequence

LONGEST = 32


def repeated(items: Sequence[str]) -> tuple[int, int, int]:
    """Find the run in which most items repeat those just before them.

    Runs of more than LONGEST items each time are not looked for, so that time is linear.

    Returns:
        How many do so, where the run begins, and how many items it says again and again: of
        a b a b a b four do, and it says two.
    """
    best = 0, 0, 0
    for size in range(1, min(LONGEST, len(items) // 2) + 1):
        same = 0
        for place in range(size, len(items) + 1):
            if place < len(items) and items[place] == items[place - size]:
                same += 1
                continue
            whole = same - same % size
            if whole > best[0]:
                best = whole, place - same - size, size
            same = 0
    return best
