"""Several encoded corpora read as one, their pairs numbered through."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from nmt.corpus.encoded import EncodedCorpus
from nmt.corpus.store import Array
from nmt.errors import DataError


class Pairs(Protocol):
    """What batches are made from: pairs by number."""

    def __len__(self) -> int:
        """Count the pairs."""

    def lengths_of(self, side: str, numbers: Array) -> Array:
        """Give the number of pieces in some lines of a side, end of sentence not counted."""

    def longest(self, side: str) -> int:
        """Give the most pieces of a line of a side."""

    def sequence(self, side: str, number: int) -> Array:
        """Give the ids of a line, end of sentence not among them."""

    def num_tags(self, side: str, number: int) -> int:
        """Count the tags that stand before a line's own pieces."""

    def line(self, side: str, number: int) -> str:
        """Give the raw text of a line."""


class Corpora:
    """Corpora of the same segmenters, one after the other.

    Raises:
        DataError: There is no complete corpus in a folder, or segmenters differ.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self.parts = [EncodedCorpus(folder) for folder in folders]
        self._ends = np.cumsum([len(part) for part in self.parts])
        self._starts = self._ends - [len(part) for part in self.parts]
        for part in self.parts[1:]:
            refuse_other_segmenters(part, self.parts[0])

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def first(self) -> EncodedCorpus:
        """Give the corpus that is named first; all have its segmenters."""
        return self.parts[0]

    @property
    def sizes(self) -> list[int]:
        """Count the pairs of each."""
        return [len(part) for part in self.parts]

    @property
    def dropped(self) -> Counter[str]:
        """Count the lines that encoding dropped, by reason."""
        return sum((Counter(part.record.dropped) for part in self.parts), Counter())

    @property
    def contents(self) -> list[str]:
        """Hash what each holds."""
        return [part.record.content for part in self.parts]

    @property
    def content(self) -> str:
        """Hash what all hold; of one alone, its own hash."""
        hashes = self.contents
        return (
            hashes[0]
            if len(hashes) == 1
            else hashlib.sha256("\n".join(hashes).encode()).hexdigest()
        )

    def lengths_of(self, side: str, numbers: Array) -> Array:
        """Give the number of pieces in some lines of a side, end of sentence not counted."""
        lengths = np.empty(len(numbers), np.int32)
        for part, chosen, own in self._shared_out(numbers):
            lengths[chosen] = part.lengths_of(side, own)
        return lengths

    def longest(self, side: str) -> int:
        """Give the most pieces of a line of a side."""
        return max(part.longest(side) for part in self.parts)

    def sequence(self, side: str, number: int) -> Array:
        """Give the ids of a line, end of sentence not among them."""
        part, own = self.locate(number)
        return part.sequence(side, own)

    def num_tags(self, side: str, number: int) -> int:
        """Count the tags that stand before a line's own pieces."""
        part, own = self.locate(number)
        return part.num_tags(side, own)

    def line(self, side: str, number: int) -> str:
        """Give the raw text of a line."""
        part, own = self.locate(number)
        return part.line(side, own)

    def locate(self, number: int) -> tuple[EncodedCorpus, int]:
        """Give the corpus that a pair is in, and its number there."""
        place = int(np.searchsorted(self._ends, number, side="right"))
        return self.parts[place], number - int(self._starts[place])

    def _shared_out(self, numbers: Array) -> Iterator[tuple[EncodedCorpus, Array, Array]]:
        """Give each corpus with what is its own among pairs: their places and their numbers."""
        for part, start, end in zip(self.parts, self._starts, self._ends, strict=True):
            chosen = np.flatnonzero((numbers >= start) & (numbers < end))
            yield part, chosen, numbers[chosen] - start


def refuse_other_segmenters(corpus: EncodedCorpus, first: EncodedCorpus) -> None:
    """Refuse to train on corpora whose ids mean different pieces."""
    if corpus.record.sides != first.record.sides:
        raise DataError(
            f"{corpus.folder} holds {' and '.join(corpus.record.sides)} text, but {first.folder} "
            f"{' and '.join(first.record.sides)}; train on corpora of one kind"
        )
    if corpus.record.segmenters != first.record.segmenters:
        raise DataError(
            f"{corpus.folder} was encoded with another segmenter than {first.folder}; encode it "
            f"with those in {first.folder}, or train on one of the two"
        )
