"""Which of many keys were seen before, in little memory.

Keys are kept as sorted runs of ever greater size: a batch is looked up in each run, becomes a run
itself, and runs of like size are merged, as in a log-structured merge tree.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

GROWTH = 2  # a run is merged into the one before unless that is so much larger


class Seen:
    """Keys of 64 bits, each with the number of the line where it came first; 12 bytes a key."""

    def __init__(self) -> None:
        self._runs: list[tuple[Array, Array]] = []

    def add(self, keys: Array, first: int) -> Array:
        """Remember the keys of lines that follow one another.

        Args:
            keys: (N) of type uint64.
            first: Number of the first line, at least 1.

        Returns:
            (N) number of the earlier line with the same key; 0 where there is none.
        """
        unique, places, inverse = np.unique(keys, return_index=True, return_inverse=True)
        earlier = self._find(unique)
        new = earlier == 0
        own = first + places
        found = np.where(new, own, earlier)[inverse]
        self._insert(unique[new], own[new].astype(np.uint32))
        found[found == first + np.arange(len(keys))] = 0
        return found

    def _find(self, keys: Array) -> Array:
        """Look up sorted keys."""
        found = np.zeros(len(keys), np.int64)
        for run, lines in self._runs:
            place = np.minimum(np.searchsorted(run, keys), len(run) - 1)
            hit = run[place] == keys
            found[hit] = lines[place[hit]]
        return found

    def _insert(self, keys: Array, lines: Array) -> None:
        """Add a sorted run, and merge what has become of like size."""
        if not len(keys):
            return
        self._runs.append((keys, lines))
        while len(self._runs) > 1 and len(self._runs[-2][0]) < GROWTH * len(self._runs[-1][0]):
            self._runs[-2:] = [merged(self._runs[-2], self._runs[-1])]


def merged(one: tuple[Array, Array], other: tuple[Array, Array]) -> tuple[Array, Array]:
    """Merge two sorted runs."""
    keys = np.concatenate([one[0], other[0]])
    order = np.argsort(keys, kind="stable")
    return keys[order], np.concatenate([one[1], other[1]])[order]


def hashes(values: list[Any]) -> Array:
    """Hash strings, or tuples of them, within this process: (N) of type uint64."""
    return np.fromiter(map(hash, values), np.int64, len(values)).view(np.uint64)
