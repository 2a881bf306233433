"""What search asks of whatever scores continuations; it knows no model.

B sentences, S source length, V vocabulary.
"""

from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from nmt.model.compute import Compute
from nmt.model.contract import DecodingState, SequenceModel

State = TypeVar("State")


@dataclass(frozen=True)
class Source:
    """Sentences to translate.

    Attributes:
        ids: (B, S), padded with anything.
        lengths: (B,)
    """

    ids: Tensor
    lengths: Tensor


class Candidates(Protocol):
    """The possible next ids of every hypothesis."""

    def log_probs(self) -> Tensor:
        """Give the log-probability of every id, (B, beam, V), in at least float32."""

    def top(self, width: int) -> tuple[Tensor, Tensor]:
        """Give the log-probabilities and ids of the best, both (B, beam, width).

        Equal ones stand in the order of their ids.
        """

    def bonus(self) -> Tensor | None:
        """Give what a hypothesis' score gains if it ends now, (B, beam), at most 0, if anything."""


class Scorer(Protocol[State]):
    """Score continuations of hypotheses, step by step; a state is consumed by its step."""

    def start(self, source: Source, beam: int, limit: int) -> State:
        """Begin `beam` hypotheses, of at most `limit` ids, of each sentence."""

    def step(self, state: State, ids: Tensor, parents: Tensor) -> tuple[Candidates, State]:
        """Extend each hypothesis' parent by an id, both (B, beam)."""

    def select(self, state: State, sentences: Tensor) -> State:
        """Keep some sentences, given by index."""


@dataclass(frozen=True)
class ScoreCandidates:
    """Candidates given by a score for each id, (B, beam, V); softmax makes them probabilities."""

    scores: Tensor

    def log_probs(self) -> Tensor:
        """Give the log-probability of every id."""
        return self.scores.log_softmax(-1)

    def top(self, width: int) -> tuple[Tensor, Tensor]:
        """Give the best; only they are normalised."""
        best, ids = top_in_order(self.scores, min(width, self.scores.size(-1)))
        return best - self.scores.logsumexp(-1, keepdim=True), ids

    def bonus(self) -> None:
        """Give nothing."""


def top_in_order(scores: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Find the best along the last dimension, equal ones in the order of their index.

    `topk` promises no order among equals and may cut through them anywhere.
    """
    best, index = scores.topk(width, dim=-1)
    crossing = (scores >= best[..., -1:]).sum(-1) > width
    if bool(crossing.any()):  # rare: equals stand on both sides of the cut
        best, index = scores.sort(dim=-1, descending=True, stable=True)
        return best[..., :width], index[..., :width]
    index, order = index.sort(dim=-1)
    best, order = best.gather(-1, order).sort(dim=-1, descending=True, stable=True)
    return best, index.gather(-1, order)


class ModelScorer:
    """Score continuations by a model."""

    def __init__(self, model: SequenceModel, compute: Compute) -> None:
        self.model = model
        self.compute = compute
        self.output = model.output_weight().detach().to(compute.dtype)

    def start(self, source: Source, beam: int, limit: int) -> DecodingState:
        """Encode the sources, where the model has any."""
        with self.compute.autocast():
            return self.model.begin((source.ids, source.lengths), beam, limit)

    def step(
        self, state: DecodingState, ids: Tensor, parents: Tensor
    ) -> tuple[ScoreCandidates, DecodingState]:
        """Run the decoder on one position of every hypothesis."""
        with self.compute.autocast():
            states, state = self.model.step(state, ids, parents)
            scores = states.to(self.output.dtype) @ self.output.mT
        exact = torch.promote_types(scores.dtype, torch.float32)
        return ScoreCandidates(scores.to(exact)), state

    def select(self, state: DecodingState, sentences: Tensor) -> DecodingState:
        """Keep some sentences."""
        return state.select(sentences)
