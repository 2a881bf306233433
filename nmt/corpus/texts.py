"""Encoded corpora as text alone, for models that have no source."""

import numpy as np

from nmt.corpus.corpora import Corpora
from nmt.corpus.encoded import EncodedCorpus
from nmt.corpus.store import Array


class Texts:
    """The text of corpora, each line as a pair whose source is empty.

    It is that of a monolingual corpus, or the target of a parallel one.
    """

    def __init__(self, corpora: Corpora) -> None:
        self._corpora, self._side = corpora, text_side(corpora.first)

    def __len__(self) -> int:
        return len(self._corpora)

    def lengths_of(self, side: str, numbers: Array) -> Array:
        """Give the number of pieces in some lines, end of sentence not counted."""
        if side == "source":
            return np.zeros(len(numbers), np.int32)
        return self._corpora.lengths_of(self._side, numbers)

    def longest(self, side: str) -> int:
        """Give the most pieces of a line."""
        return 0 if side == "source" else self._corpora.longest(self._side)

    def sequence(self, side: str, number: int) -> Array:
        """Give the ids of a line, end of sentence not among them."""
        if side == "source":
            return np.empty(0, np.int64)
        return self._corpora.sequence(self._side, number)

    def num_tags(self, side: str, number: int) -> int:
        """Count tags, of which text alone has none."""
        return 0

    def line(self, side: str, number: int) -> str:
        """Give the raw text of a line."""
        return "" if side == "source" else self._corpora.line(self._side, number)


def text_side(corpus: EncodedCorpus) -> str:
    """Name the side of a corpus that a model without a source learns."""
    return corpus.record.sides[-1]


def sides_learnt(corpus: EncodedCorpus, has_source: bool) -> list[str]:
    """Name the sides of a corpus that a model learns from."""
    return corpus.record.sides if has_source else [text_side(corpus)]
