"""How much of a text says again what stands just before it."""

from collections.abc import Sequence


def repeated(items: Sequence[str]) -> tuple[int, int, int]:
    """Find the run in which most items repeat those just before them.

    Returns:
        How many do so, where the run begins, and how many items it says again and again: of
        a b a b a b four do, and it says two.
    """
    best, size = (0, 0, 0), 1
    # Most of a run of units is one unit less than all of it.
    while size <= len(items) // 2 and size <= len(items) - best[0]:
        same = 0
        for place in range(size, len(items) + 1):
            if place < len(items) and items[place] == items[place - size]:
                same += 1
                continue
            whole = same - same % size
            if whole > best[0]:
                best = whole, place - same - size, size
            same = 0
        size += 1
    return best
