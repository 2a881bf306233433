"""Several scorers as one: their probabilities are averaged at every step.

B sentences, S source length, V vocabulary.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from nmt.model.contract import Rows
from nmt.search.config import SPACES
from nmt.search.scorer import Candidates, Scorer, Source, top_in_order


@dataclass(frozen=True)
class Readings(Source):
    """The same sentences as each of several scorers reads them.

    Attributes:
        each: In the order of the scorers; `ids` and `lengths` are those of the first.
    """

    each: tuple[Source, ...] = ()


@dataclass(frozen=True)
class EnsembleState:
    """A state of each scorer."""

    states: tuple[Any, ...]


@dataclass(frozen=True)
class EnsembleCandidates:
    """Averages of what several give.

    Attributes:
        weights: One for each; they sum to 1.
        space: One of SPACES.
    """

    parts: Sequence[Candidates]
    weights: Sequence[float]
    space: str

    @cached_property
    def _average(self) -> Tensor:
        """Average in float64, so that the average of equals is what they are."""
        total: Tensor | None = None
        for part, weight in zip(self.parts, self.weights, strict=True):
            log_probs = part.log_probs()
            kind, exact = log_probs.dtype, log_probs.double()
            if self.space == "log":
                term = weight * exact
                total = term if total is None else total + term
            else:
                term = exact + math.log(weight)
                total = term if total is None else torch.logaddexp(total, term)
        assert total is not None
        return total.clamp(max=0.0).to(kind)  # logaddexp may round to above 0

    def log_probs(self) -> Tensor:
        """Give the log-probability of every id; in log space they need not sum to 1."""
        return self._average

    def top(self, width: int) -> tuple[Tensor, Tensor]:
        """Give the best."""
        return top_in_order(self._average, min(width, self._average.size(-1)))

    def bonus(self) -> Tensor | None:
        """Give the weighted mean of all bonuses."""
        bonuses = [part.bonus() for part in self.parts]
        present = [(w, each) for w, each in zip(self.weights, bonuses, strict=True)
                   if each is not None]  # fmt: skip
        return torch.stack([w * each for w, each in present]).sum(0) if present else None


class EnsembleScorer:
    """Score as the average of several does.

    Scorers may be of any kind that shares a vocabulary. In `prob` space the average is that of
    probabilities; in `log` space, of log-probabilities, not scaled to sum to 1: a hypothesis'
    log-probability is then the average of what its scorers say of it. Scorers of weight 0 are not
    asked.

    Args:
        weights: At least 0 and not all 0; they are scaled to sum to 1.
        space: One of SPACES.
    """

    def __init__(
        self, scorers: Sequence[Scorer[Any]], weights: Sequence[float], space: str
    ) -> None:
        assert len(scorers) == len(weights)
        self.places = [place for place, weight in enumerate(weights) if weight]
        self.scorers = [scorers[place] for place in self.places]
        self.weights = [weights[place] / math.fsum(weights) for place in self.places]
        assert space in SPACES
        self.space = space

    def start(self, source: Source, beam: int, limit: int) -> EnsembleState:
        """Let each begin with its own reading, or all with the one that there is."""
        each = source.each if isinstance(source, Readings) else None
        readings = [source if each is None else each[place] for place in self.places]
        pairs = zip(self.scorers, readings, strict=True)
        return EnsembleState(tuple(scorer.start(mine, beam, limit) for scorer, mine in pairs))

    def step(
        self, state: EnsembleState, ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[Candidates, EnsembleState]:
        """Let each take a step; one alone needs no average."""
        pairs = zip(self.scorers, state.states, strict=True)
        taken = [scorer.step(each, ids, parents, rows) for scorer, each in pairs]
        parts, following = [part for part, _ in taken], tuple(each for _, each in taken)
        if len(parts) == 1:
            return parts[0], EnsembleState(following)
        return EnsembleCandidates(parts, self.weights, self.space), EnsembleState(following)

    def select(self, state: EnsembleState, sentences: Tensor) -> EnsembleState:
        """Keep some sentences."""
        pairs = zip(self.scorers, state.states, strict=True)
        return EnsembleState(tuple(scorer.select(each, sentences) for scorer, each in pairs))
