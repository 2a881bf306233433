"""Translations of a fixed length: all of a text cost the same, whatever the weights are.

B sentences, k beam, V vocabulary.
"""

from dataclasses import dataclass, replace
from typing import Generic

import torch
from torch import Tensor

from nmt.attention.rows import Rows
from nmt.search.scorer import Candidates, Scorer, Source, State


@dataclass(frozen=True)
class FixedState(Generic[State]):
    """A scorer's state, and how many pieces hypotheses have yet to get before they may end."""

    state: State
    missing: int


@dataclass(frozen=True)
class Unending:
    """Candidates of which none ends; the others keep their log-probabilities."""

    candidates: Candidates
    end: int

    def log_probs(self) -> Tensor:
        """Give the log-probability of every id, (B, k, V)."""
        index = torch.tensor([self.end], device=(log_probs := self.candidates.log_probs()).device)
        return log_probs.index_fill(-1, index, -torch.inf)

    def top(self, width: int) -> tuple[Tensor, Tensor]:
        """Give the best, and one more in case the end is among them: (B, k, width + 1).

        The end keeps its place; search sorts what rows give before it chooses.
        """
        best, ids = self.candidates.top(width + 1)
        return best.masked_fill(ids == self.end, -torch.inf), ids

    def bonus(self) -> Tensor | None:
        """Give what the candidates give."""
        return self.candidates.bonus()


class FixedLengthScorer(Generic[State]):
    """Score as another does, but let nothing end before it has so many pieces.

    That everything ends then is what a limit of one id more sees to.
    """

    def __init__(self, scorer: Scorer[State], length: int, end: int) -> None:
        self.scorer = scorer
        self.length = length
        self.end = end

    def start(self, source: Source, beam: int, limit: int) -> FixedState[State]:
        """Begin with nothing written."""
        return FixedState(self.scorer.start(source, beam, limit), self.length)

    def step(
        self, state: FixedState[State], ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[Candidates, FixedState[State]]:
        """Score what may follow."""
        candidates, inner = self.scorer.step(state.state, ids, parents, rows)
        following = FixedState(inner, state.missing - 1)
        return Unending(candidates, self.end) if state.missing > 0 else candidates, following

    def select(self, state: FixedState[State], sentences: Tensor) -> FixedState[State]:
        """Keep some sentences."""
        return replace(state, state=self.scorer.select(state.state, sentences))
