"""Which lines of a text are also in texts that are held out, exactly or nearly.

Two lines are nearly the same where their words and pairs of adjacent words have a Jaccard
similarity of at least NEAR. Every such line is found: it must share two of the rarest elements of
the line that it is like, so that only these are indexed.

Source: Chaudhuri et al. (2006), A Primitive Operator for Similarity Joins in Data Cleaning,
section 4.2 (prefix filter).
"""

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nmt.errors import DataError
from nmt.text.chunk import SIDES
from nmt.text.folding import fold_lines, key_of, words_of
from nmt.text.lines import read_lines, shown_path
from nmt.text.seen import Array, hashes

NEAR = 0.6
FEWEST_WORDS = 4  # of shorter lines, half of all are nearly some other
SHARED = 2  # rare elements that two near lines have in common
STEP = np.uint64(0x9E3779B97F4A7C15)  # odd, so that the two words of a pair do not commute

Words = Sequence[str]
Shingles = frozenset[str | tuple[str, str]]


class Place(NamedTuple):
    """A line of a text that is held out."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name}, line {self.number}"


class HeldOutLines:
    """Lines of one language that training must not see."""

    def __init__(self) -> None:
        self._exact: dict[str, Place] = {}
        self._near: dict[Place, Shingles] = {}
        self._words: dict[Place, list[str]] = {}
        self._places: list[Place] = []
        self._keys = np.empty(0, np.uint64)
        self._lists: list[list[int]] = []

    def __len__(self) -> int:
        return len(self._exact)

    def add(self, lines: Iterable[str], name: str) -> Counter[str]:
        """Take the lines of a text; of equal ones the first is named.

        Returns:
            How many lines are also in each of the texts before.
        """
        shared: Counter[str] = Counter()
        for number, line in enumerate(lines, start=1):
            key, place = key_of(line), Place(name, number)
            if key in self._exact:
                shared[self._exact[key].name] += 1
            if not key or key in self._exact:
                continue
            self._exact[key] = place
            words = words_of(fold_lines([line])[0])
            if len(words) >= FEWEST_WORDS:
                self._near[place] = shingles(words)
                self._words[place] = words
        del shared[name]
        return shared

    def find(self, key: str) -> Place | None:
        """Find a line by its key."""
        return self._exact.get(key)

    def index(self, sample: Sequence[Words]) -> None:
        """Make near lines findable, once all are added.

        Args:
            sample: Words of some lines of the text that is looked through: they say what is rare.
        """
        self._places = list(self._near)
        words = [self._words[place] for place in self._places]
        counts = Counter(elements([*words, *sample])[0].tolist())
        lists: dict[int, list[int]] = defaultdict(list)
        for number, line in enumerate(words):
            ranked = sorted(
                set(elements([line])[0].tolist()), key=lambda each: (counts[each], each)
            )
            for element in ranked[: len(ranked) - math.ceil(NEAR * len(ranked)) + SHARED]:
                lists[element].append(number)
        keys = sorted(lists)
        self._keys = np.array(keys, np.uint64)
        self._lists = [lists[key] for key in keys]

    def near(self, lines: Sequence[Words]) -> Iterator[tuple[int, Place, float]]:
        """Find for each line the one most like it, if near: its place, that place, likeness."""
        if not len(self._keys):
            return
        keys, rows = elements(lines)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        hits = np.flatnonzero(self._keys[place] == keys)
        candidates: dict[int, list[int]] = defaultdict(list)
        for row, found in zip(rows[hits].tolist(), place[hits].tolist(), strict=True):
            candidates[row] += self._lists[found]
        for row, numbers in sorted(candidates.items()):
            if len(numbers) >= SHARED and (best := self._best(lines[row], numbers)):
                yield row, *best

    def _best(self, words: Words, numbers: list[int]) -> tuple[Place, float] | None:
        """Find the line most like some words among those that share enough with them."""
        likely = [number for number, count in Counter(numbers).items() if count >= SHARED]
        if not likely:
            return None
        own = shingles(words)
        near = ((similarity(own, self._near[self._places[each]]), -each) for each in likely)
        alike, number = max(near)
        return (self._places[-number], alike) if alike >= NEAR else None


def shingles(words: Words) -> Shingles:
    """Give the words of a line and its pairs of adjacent words."""
    return frozenset(words) | frozenset(itertools.pairwise(words))


def similarity(one: Shingles, other: Shingles) -> float:
    """Give the Jaccard similarity of two sets; 0 at once where their sizes rule NEAR out."""
    if not NEAR * len(one) <= len(other) <= len(one) / NEAR:
        return 0.0
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def elements(lines: Sequence[Words]) -> tuple[Array, Array]:
    """Hash the words of lines and their pairs of adjacent words: (N) hashes, (N) lines."""
    words = hashes(list(itertools.chain.from_iterable(lines)))
    rows = np.repeat(np.arange(len(lines)), np.fromiter(map(len, lines), np.int64, len(lines)))
    inside = rows[:-1] == rows[1:]
    pairs = (words[:-1] * STEP + words[1:])[inside]
    return np.concatenate([words, pairs]), np.concatenate([rows, rows[:-1][inside]])


def read_test_set(path: str) -> list[tuple[tuple[str, ...], list[str]]]:
    """Read a test set that is named by one file.

    Returns:
        Lines, and the sides that they may be on: a file of two columns with a tab between holds
        source and target, another one lines that may be either.

    Raises:
        DataError: The file cannot be read, or some of its lines have two columns, others not.
    """
    rows = [line.split("\t") for line in read_lines(path, strict=False)]
    widths = {len(row) for row in rows}
    if widths <= {1}:
        return [(SIDES, [row[0] for row in rows])]
    if widths == {2}:
        return [((side,), [row[place] for row in rows]) for place, side in enumerate(SIDES)]
    raise DataError(
        f"{shown_path(path)} has lines with and without a tab, or with several; a test set is raw "
        "lines of one language, or source and target with a tab between"
    )
