"""Shallow fusion: a language model has a say in which ids follow.

B sentences, V vocabulary.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from torch import Tensor

from nmt.errors import ConfigError
from nmt.model.compute import Compute
from nmt.model.contract import Rows
from nmt.model.language import LanguageModel
from nmt.search.scorer import Candidates, ModelScorer, Scorer, Source, State, top_in_order

Other = TypeVar("Other")


@dataclass(frozen=True)
class LanguagePrior:
    """A language model, and how much it has to say in a search: 0 is nothing."""

    model: LanguageModel
    weight: float

    def __post_init__(self) -> None:
        if not 0 <= self.weight < math.inf:
            raise ConfigError(f"--lm-weight must be at least 0, not {self.weight}")

    def over(self, scorer: Scorer[Any], compute: Compute) -> Scorer[Any]:
        """Give a scorer in which it has its say."""
        if not self.weight:
            return scorer
        return FusedScorer(scorer, ModelScorer(self.model, compute), self.weight)

    def most(self, max_length: int) -> int:
        """Give the most ids of a target, of which another model writes at most so many."""
        return min(max_length, self.model.max_length) if self.weight else max_length


@dataclass(frozen=True)
class FusedState(Generic[State, Other]):
    """The states of both scorers."""

    state: State
    other: Other


@dataclass(frozen=True)
class FusedCandidates:
    """Candidates by the weighted sum of two scorers' log-probabilities."""

    candidates: Candidates
    others: Candidates
    weight: float

    @cached_property
    def _sums(self) -> Tensor:
        return self.candidates.log_probs() + self.weight * self.others.log_probs()

    def log_probs(self) -> Tensor:
        """Give the sum for every id; the exponentials of all do not sum to 1."""
        return self._sums

    def top(self, width: int) -> tuple[Tensor, Tensor]:
        """Give the best."""
        return top_in_order(self._sums, min(width, self._sums.size(-1)))

    def bonus(self) -> Tensor | None:
        """Give what the first scorer's candidates give."""
        return self.candidates.bonus()


class FusedScorer(Generic[State, Other]):
    """Score by log p(target | source) + weight * log p(target), id by id.

    Source: Gülçehre et al. (2015), https://arxiv.org/abs/1503.03535, section 4.1.
    """

    def __init__(self, scorer: Scorer[State], other: Scorer[Other], weight: float) -> None:
        self.scorer = scorer
        self.other = other
        self.weight = weight

    def start(self, source: Source, beam: int, limit: int) -> FusedState[State, Other]:
        """Begin with both."""
        return FusedState(
            self.scorer.start(source, beam, limit), self.other.start(source, beam, limit)
        )

    def step(
        self,
        state: FusedState[State, Other],
        ids: Tensor,
        parents: Tensor,
        rows: Rows | None = None,
    ) -> tuple[FusedCandidates, FusedState[State, Other]]:
        """Ask both what may follow."""
        candidates, own = self.scorer.step(state.state, ids, parents, rows)
        others, other = self.other.step(state.other, ids, parents, rows)
        return FusedCandidates(candidates, others, self.weight), FusedState(own, other)

    def select(
        self, state: FusedState[State, Other], sentences: Tensor
    ) -> FusedState[State, Other]:
        """Keep some sentences."""
        return FusedState(
            self.scorer.select(state.state, sentences), self.other.select(state.other, sentences)
        )
