"""Runs of lines that are not the translations of one another: where the two sides have slipped.

Each pair gets a log-likelihood ratio, *evidence*: how much likelier its lengths and the likeness of
its words are for a pair than for two lines that are none. What is usual for either is learnt from
the text. Beside each pair stands the evidence for the targets shortly before and after. A run is a
stretch of lines whose evidence for being shifted, or for being no pairs at all, adds up
(a maximal scoring segment).

N lines, K shifts.

Source: Ruzzo and Tompa (1999), A Linear Time Algorithm for Finding All Maximal Scoring
Subsequences, section 1, for the model; the segments here also end where the score has fallen by
the threshold.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nmt.text.chunk import SIDES, Chunk
from nmt.text.lengths import Lengths, sizes
from nmt.text.likeness import Likeness
from nmt.text.seen import Array

SHIFTS = tuple(shift for shift in range(-5, 6) if shift)
LEAST_LINES = 400  # to learn what is usual
BLOCK = 32_768
OVERLAP = 512
THRESHOLD = 25.0  # evidence that a run takes; one in exp(25) stretches has it by chance
SHORTEST = 12  # lines; runs of 20 are sought, and their ends may be good pairs by chance
CLIP = 4.0  # one pair says no more than this
APART = 3.0  # how much more than its neighbours' the evidence of a pair should be
LEAST_SEPARATION = 1.0  # between the mean evidence of pairs and of others, for it to mean anything
LIKENESS_BINS = np.linspace(-0.3, 0.9, 25)
COUNT_BINS = np.array([1, 2, 4, 8, 16])
LENGTH_BINS = np.array([-8.0, -5, -3.5, -2.5, -1.8, -1.2, -0.6, 0, 0.6, 1.2, 1.8, 2.5, 3.5, 5, 8])
DOUBT = 2.0  # added to each count, so that none is 0


class Run(NamedTuple):
    """Lines that are not each other's translations.

    Attributes:
        first, last: Numbers of lines.
        shift: How many lines later the right targets are; 0 where there is no such shift.
        score: The evidence.
    """

    first: int
    last: int
    shift: int
    score: float


@dataclass(frozen=True)
class Features:
    """What evidence is taken from.

    Attributes:
        vectors: (N, R) for each side.
        counts: (N) words that each vector rests on, for each side.
        sizes: (N) characters, for each side.
    """

    vectors: tuple[Array, Array]
    counts: tuple[Array, Array]
    sizes: tuple[Array, Array]

    def __len__(self) -> int:
        return len(self.sizes[0])

    def __add__(self, other: "Features") -> "Features":
        return Features(
            *(
                tuple(np.concatenate(each) for each in zip(mine, theirs, strict=True))
                for mine, theirs in zip(self.parts(), other.parts(), strict=True)
            )  # type: ignore[arg-type]
        )

    def parts(self) -> tuple[tuple[Array, Array], ...]:
        """Give all features."""
        return self.vectors, self.counts, self.sizes

    def cut(self, begin: int | None, end: int | None = None) -> "Features":
        """Give those of some lines."""
        return Features(*((mine[begin:end], his[begin:end]) for mine, his in self.parts()))


class Evidence:
    """What is usual for pairs and for lines that are none.

    Attributes:
        separation: Mean evidence of pairs, less that of others.
    """

    def __init__(self, chunk: Chunk) -> None:
        """Learn from pairs, most of them right; three in four give vectors, the rest the usual."""
        sides = [chunk.words[side] for side in SIDES]
        held = np.arange(len(chunk.pairs)) % 4 == 3
        kept = [[line for line, out in zip(each, held, strict=True) if not out] for each in sides]
        self.likeness = Likeness.learn(*kept)
        self.lengths = Lengths.learn(
            [pair for pair in chunk.pairs if pair[0].strip() and pair[1].strip()]
        )
        features = self.features(chunk)
        paired = self._bins(features, 0)[:, held]
        others = np.concatenate([self._bins(features, shift) for shift in (1, 3, 50)], 1)
        self._tables = [log_ratio(*each) for each in zip(paired, others, strict=True)]
        self.separation = float(self._look_up(paired).mean() - self._look_up(others).mean())

    def features(self, chunk: Chunk) -> Features:
        """Work out what evidence is taken from."""
        (left, few), (right, many) = (
            self.likeness.read(chunk.words[side], place) for place, side in enumerate(SIDES)
        )
        lengths = sizes(chunk.lines["source"]), sizes(chunk.lines["target"])
        return Features((left, right), (few, many), lengths)

    def of(self, features: Features, shift: int) -> Array:
        """Give (N) evidence that each source and the target `shift` lines later are a pair."""
        return self._look_up(self._bins(features, shift))

    def _bins(self, features: Features, shift: int) -> Array:
        """Sort pairs by their likeness and by their lengths: (2, N)."""
        left, right = features.vectors[0], np.roll(features.vectors[1], -shift, axis=0)
        alike = np.digitize(np.einsum("nr,nr->n", left, right), LIKENESS_BINS)
        fewest = np.minimum(features.counts[0], np.roll(features.counts[1], -shift))
        count = np.digitize(fewest, COUNT_BINS)
        targets = np.roll(features.sizes[1], -shift)
        length = np.digitize(self.lengths.distances(features.sizes[0], targets), LENGTH_BINS)
        return np.stack([count * (len(LIKENESS_BINS) + 1) + alike, length])

    def _look_up(self, bins: Array) -> Array:
        total = sum(table[each] for table, each in zip(self._tables, bins, strict=True))
        evidence: Array = np.clip(np.asarray(total), -CLIP, CLIP)
        return evidence


def log_ratio(pairs: Array, others: Array) -> Array:
    """Give for each bin how much likelier it is for pairs, as a logarithm."""
    size = (len(COUNT_BINS) + 1) * (len(LIKENESS_BINS) + 1)
    one, other = (np.bincount(each, minlength=size) + DOUBT for each in (pairs, others))
    ratio: Array = np.log(one / one.sum()) - np.log(other / other.sum())
    return ratio


class DriftFinder:
    """Look for runs in a text that comes in chunks."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._waiting: Features | None = None
        self._first = 1  # number of the first line that waits
        self._last: Run | None = None

    def add(self, chunk: Chunk) -> Iterator[Run]:
        """Take some lines, and give the runs that have come to an end."""
        features = self._evidence.features(chunk)
        self._waiting = self._waiting + features if self._waiting else features
        if len(self._waiting) >= BLOCK:
            yield from self._look()
            keep = len(self._waiting) - OVERLAP
            self._first += keep
            self._waiting = self._waiting.cut(keep)

    def finish(self) -> Iterator[Run]:
        """Give the remaining runs."""
        if self._waiting is not None:
            yield from self._look()
        if self._last is not None:
            yield self._last

    def _look(self) -> Iterator[Run]:
        """Join the runs of a block to those of the one before."""
        assert self._waiting is not None
        for run in find_runs(self._evidence, self._waiting):
            here = run._replace(first=run.first + self._first, last=run.last + self._first)
            if self._last is None or here.first > self._last.last + 1:
                yield from (self._last,) if self._last else ()
                self._last = here
            elif here.last >= self._last.first:  # else given before: blocks overlap
                self._last = joined(self._last, here)


def find_runs(evidence: Evidence, features: Features) -> list[Run]:
    """Find runs in one block, in order; lines are counted from 0."""
    pairs = evidence.of(features, 0)
    shifted = {shift: evidence.of(features, shift) for shift in SHIFTS}
    around = np.mean(list(shifted.values()), axis=0)
    # No pairs at all, and no better than lines near by: free translations are better than those.
    scores = {0: np.minimum(-pairs, APART - (pairs - around))}
    scores |= {shift: values - pairs for shift, values in shifted.items()}
    found = [
        Run(first, last, shift, total)
        for shift, values in scores.items()
        for first, last, total in segments(values)
    ]
    runs: list[Run] = []
    for run in sorted(found, key=lambda run: -run.score):  # the best account of each stretch
        if all(run.last < other.first or other.last < run.first for other in runs):
            runs.append(run)
    runs = [widened(run, [other for other in found if not other.shift]) for run in runs]
    return sorted(run for run in runs if run.last - run.first + 1 >= SHORTEST)


def widened(run: Run, others: list[Run]) -> Run:
    """Take in lines at the ends of a shifted run whose targets are beyond it, and so nowhere."""
    for other in others:
        if other.first <= run.last and run.first <= other.last:
            first = min(run.first, max(other.first, run.first - abs(run.shift)))
            last = max(run.last, min(other.last, run.last + abs(run.shift)))
            run = run._replace(first=first, last=last)
    return run


def joined(one: Run, other: Run) -> Run:
    """Make one run of two parts in blocks that overlap; the better says the shift."""
    best = max(one, other, key=lambda run: run.score)
    return Run(min(one.first, other.first), max(one.last, other.last), best.shift, best.score)


def segments(scores: Array) -> list[tuple[int, int, float]]:
    """Find stretches whose scores add up to the threshold: first, last, sum."""
    total = np.cumsum(scores)
    if np.max(total - np.minimum.accumulate(np.minimum(total, 0)), initial=0.0) < THRESHOLD:
        return []
    return list(scan(scores.tolist()))


def scan(scores: Sequence[float]) -> Iterator[tuple[int, int, float]]:
    """Walk along scores, for `segments`."""
    total = best = 0.0
    first = last = 0
    for place, score in enumerate([*scores, -np.inf]):
        total += score
        if total > best:
            best, last = total, place
        elif total <= 0 or best - total > THRESHOLD:
            if best >= THRESHOLD:
                yield first, last, best
            total, best, first = 0.0, 0.0, place + 1
