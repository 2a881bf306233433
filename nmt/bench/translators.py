"""Translators to be timed: as users have them, but for what a benchmark changes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmt.bench.fixed_length import FixedLengthScorer
from nmt.errors import ConfigError
from nmt.model.compute import Compute
from nmt.model.directory import TranslationPackage
from nmt.search.config import SearchConfig
from nmt.search.hypothesis import Hypothesis
from nmt.search.scorer import Scorer
from nmt.sources import Sentence
from nmt.text.demand import Demand
from nmt.translate import Translator


@dataclass(frozen=True)
class Way:
    """How lines are translated, apart from settings.

    Attributes:
        length: Pieces of every hypothesis, its end not counted; 0: as search finds them.
        side_by_side: Several searches at once, each by one thread; else one, by all threads.
        by_length: Batches hold sentences of like length; else they follow the text.
    """

    length: int = 0
    side_by_side: bool = True
    by_length: bool = True


class TimedTranslator(Translator):
    """Translate by a model of ours in a given way."""

    def __init__(
        self, package: TranslationPackage, search: SearchConfig, compute: Compute, way: Way
    ) -> None:
        self._way = way
        super().__init__(package.model, package.segmenters, search, compute)

    def _prepare(self, search: SearchConfig) -> None:
        super()._prepare(search)
        if self._way.length:
            fixed = self._way.length, self._ends.end
            self._scorer = FixedLengthScorer(self._scorer, *fixed)
            if self._short is not None:
                self._short = FixedLengthScorer(self._short, *fixed)

    def _limit(self, sentence: Sentence, demand: Demand | None) -> int:
        if self._way.length:
            return self._way.length + (0 if self._search.cuts else 1)  # the end
        return super()._limit(sentence, demand)

    def _side_by_side(
        self, groups: Sequence[Sequence[Sentence]], scorer: Scorer[Any]
    ) -> list[list[list[Hypothesis]]]:
        if self._way.side_by_side:
            return super()._side_by_side(groups, scorer)
        return [self._search_batch(group, scorer) for group in groups]

    def _batches(
        self, lengths: NDArray[np.int64], *, alone: bool = False
    ) -> Iterator[NDArray[np.int64]]:
        if self._way.by_length:
            return super()._batches(lengths, alone=alone)
        return in_order(lengths, max(self._search.batch_tokens, int(lengths.max(initial=1))))


def in_order(lengths: NDArray[np.int64], batch_tokens: int) -> Iterator[NDArray[np.int64]]:
    """Cut a text into batches of at most so many tokens, padding included, as it comes."""
    start = 0
    while start < len(lengths):
        end = start + 1
        longest = int(lengths[start])
        while end < len(lengths):
            longest = max(longest, int(lengths[end]))
            if longest * (end + 1 - start) > batch_tokens:
                break
            end += 1
        yield np.arange(start, end)
        start = end


def refuse_length(length: int, max_length: int) -> None:
    """Refuse a fixed length that a model cannot write.

    Raises:
        ConfigError: It is too long.
    """
    if length >= max_length:
        raise ConfigError(
            f"--length must be at most {max_length - 1}, all that the model can write beside the "
            f"end (model.max_length), not {length}"
        )
