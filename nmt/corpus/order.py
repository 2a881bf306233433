"""The order in which pairs come, a window at a time, so that memory does not grow with a corpus.

An epoch is as many pairs as all corpora hold. It is cut into windows of WINDOW pairs or fewer;
what a window holds depends on the seed, the epoch and the window alone. N pairs.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Protocol

import numpy as np

from nmt.corpus.config import StageConfig
from nmt.corpus.store import Array

WINDOW = 2**20  # pairs whose batches are planned at once
BLOCK = 2**12  # pairs that stay neighbours until their window is shuffled


class Order(Protocol):
    """Which pairs come when."""

    repeats: bool  # whether a pair may come several times in an epoch

    def num_windows(self, epoch: int) -> int:
        """Count the windows of an epoch."""

    def window(self, epoch: int, number: int) -> Array:
        """Give the pairs (N,) of a window, which its user shuffles."""


class InTurn:
    """Every pair once an epoch."""

    repeats = False

    def __init__(self, size: int, seed: int, window: int = WINDOW) -> None:
        self._size = size
        self._count = math.ceil(size / window)
        self._pairs = EndlessPairs(size, seed, 0, window)

    def num_windows(self, epoch: int) -> int:
        """Count the windows of an epoch."""
        return self._count

    def window(self, epoch: int, number: int) -> Array:
        """Give the pairs (N,) of a window."""
        start, end = (self._size * place // self._count for place in (number, number + 1))
        return self._pairs.between(epoch * self._size + start, epoch * self._size + end)


class Mixed:
    """Corpora in given shares, each in an order of its own that begins anew at its end.

    Args:
        sizes: Pairs of each corpus.
        stages: Shares, one after the other.
    """

    repeats = True

    def __init__(
        self, sizes: Sequence[int], stages: Sequence[StageConfig], seed: int, window: int = WINDOW
    ) -> None:
        self._size = sum(sizes)
        self._most = window
        self._starts = [0, *accumulate(stage.pairs for stage in stages[:-1])]
        self._shares = [shares_of(stage, sizes) for stage in stages]
        self._corpora = [
            EndlessPairs(size, seed, place, window) for place, size in enumerate(sizes)
        ]
        self._offsets = [0, *accumulate(sizes)]

    def num_windows(self, epoch: int) -> int:
        """Count the windows of an epoch."""
        return len(self._cuts(epoch)) - 1

    def window(self, epoch: int, number: int) -> Array:
        """Give the pairs (N,) of a window."""
        start, end = self._cuts(epoch)[number : number + 2]
        counts = zip(self._drawn(start), self._drawn(end), strict=True)
        return np.concatenate(
            [
                corpus.between(before, after) + (np.int64(offset) if offset else 0)
                for corpus, (before, after), offset in zip(
                    self._corpora, counts, self._offsets[:-1], strict=True
                )
            ]
        )

    def _cuts(self, epoch: int) -> list[int]:
        """Give where windows begin and the last one ends; no window has two stages."""
        count, first = math.ceil(self._size / self._most), epoch * self._size
        cuts = {first + self._size * place // count for place in range(count + 1)}
        return sorted(cuts | {each for each in self._starts if first < each < first + self._size})

    def _drawn(self, pairs: int) -> list[int]:
        """Count the pairs of each corpus among the first so many of all."""
        stage = bisect_right(self._starts, pairs) - 1
        bounds = [*self._starts[: stage + 1], pairs]
        lengths = [end - start for start, end in pairwise(bounds)]
        return [
            sum(
                math.floor(share[place] * length)
                for share, length in zip(self._shares, lengths, strict=False)
            )
            for place in range(len(self._corpora))
        ]


def shares_of(stage: StageConfig, sizes: Sequence[int]) -> list[Fraction]:
    """Give the share of each corpus in a stage, exactly, so that counts never drift.

    Source: Arivazhagan et al. (2019), https://arxiv.org/abs/1907.05019, section 4.2
    (temperature).
    """
    exponent = 1 / stage.temperature if stage.temperature else 1.0
    largest = max(sizes)
    by_size = sizes if exponent == 1 else [(size / largest) ** exponent for size in sizes]
    weights = [Fraction(each) for each in stage.weights or by_size]
    return [weight / sum(weights) for weight in weights]


class EndlessPairs:
    """The pairs of one corpus over and over, in another order each time, read at any place."""

    def __init__(self, size: int, seed: int, corpus: int, window: int) -> None:
        self._size, self._key = size, (seed, corpus)
        self._dtype = np.int32 if size < 2**31 else np.int64
        self._block = 1 if size <= window else max(1, min(BLOCK, window // 64))

    def between(self, start: int, end: int) -> Array:
        """Give what comes from one place to another; which of a window's pairs is first is moot."""
        if start == end:
            return np.empty(0, self._dtype)
        first, last = start // self._size, (end - 1) // self._size
        parts = []
        for turn in {first: None, last: None}:  # whole turns between them hold every pair
            begin = max(start, turn * self._size) - turn * self._size
            stop = min(end, (turn + 1) * self._size) - turn * self._size
            parts.append(self._part(turn, begin, stop))
        whole = max(0, last - first - 1)
        return np.concatenate([*parts, np.tile(np.arange(self._size, dtype=self._dtype), whole)])

    def _part(self, turn: int, begin: int, stop: int) -> Array:
        """Give a part of one turn: blocks of neighbours, shuffled."""
        if stop - begin == self._size:
            return np.arange(self._size, dtype=self._dtype)
        seed, corpus = self._key
        random = np.random.default_rng((seed, turn, corpus, 1))  # 1: no window's own numbers
        starts = random.permutation(math.ceil(self._size / self._block)) * self._block
        if self._block == 1:
            return starts[begin:stop].astype(self._dtype)
        sizes = np.minimum(self._block, self._size - starts)
        ends = np.cumsum(sizes)
        low, high = (int(np.searchsorted(ends, at, side="right")) for at in (begin, stop - 1))
        blocks = [
            np.arange(starts[each], starts[each] + sizes[each], dtype=self._dtype)
            for each in range(low, high + 1)
        ]
        before = begin - int(ends[low] - sizes[low])
        return np.concatenate(blocks)[before : before + stop - begin]
