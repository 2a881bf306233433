"""What search asks of whatever scores continuations; it knows no model.

B sentences, S source length, V vocabulary.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from nmt.model.compute import Compute
from nmt.model.contract import DecodingState, SequenceModel
from nmt.model.lowered import lowered

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

    @cached_property
    def _log_probs(self) -> Tensor:
        return self.scores.log_softmax(-1)

    def log_probs(self) -> Tensor:
        """Give the log-probability of every id."""
        return self._log_probs

    def top(self, width: int) -> tuple[Tensor, Tensor]:
        """Give the best."""
        # By score, since scores that differ may have log-probabilities that do not.
        ids = top_in_order(self.scores, min(width, self.scores.size(-1)))[1]
        return self._log_probs.gather(-1, ids), ids

    def bonus(self) -> None:
        """Give nothing."""


def top_in_order(scores: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Find the best along the last dimension, equal ones in the order of their index.

    `topk` promises no order among equals and may cut through them anywhere: one more than is
    wanted shows where it did.
    """
    best, index = scores.topk(min(width + 1, scores.size(-1)), dim=-1)
    if best.size(-1) > width:
        cut = best[..., width - 1] == best[..., width]
        index = index[..., :width]
        if bool(cut.any()):
            index[cut] = first_of_equals(scores[cut], best[cut][:, width - 1 : width], width)
    index, _ = index.sort(dim=-1)
    best, order = scores.gather(-1, index).sort(dim=-1, descending=True, stable=True)
    return best, index.gather(-1, order)


def first_of_equals(scores: Tensor, last: Tensor, width: int) -> Tensor:
    """Find all that are better than the last that has room, and the first of its equals.

    Args:
        scores: (rows, V)
        last: (rows, 1)

    Returns:
        (rows, width) in any order.
    """
    size = scores.size(-1)
    places = torch.arange(size, 0, -1, device=scores.device)
    ranks = places.masked_fill(scores < last, 0).masked_fill(scores > last, size + 1)
    return ranks.topk(width, dim=-1).indices


def exact(dtype: torch.dtype) -> torch.dtype:
    """Name the type that scores are computed in, at least float32.

    Rounded to bfloat16, scores of likely pieces lie so far apart that many are equal.
    """
    return torch.promote_types(dtype, torch.float32)


class ModelScorer:
    """Score continuations by a model."""

    def __init__(self, model: SequenceModel, compute: Compute) -> None:
        self.model = lowered(model, compute.dtype)
        self.compute = compute
        weight = model.output_weight().detach()
        self.output = weight.to(compute.dtype) if compute.dtype != torch.float32 else weight

    def start(self, source: Source, beam: int, limit: int) -> DecodingState:
        """Encode the sources, where the model has any."""
        with self.compute.autocast():
            return self.model.begin((source.ids, source.lengths), beam, limit)

    def step(
        self, state: DecodingState, ids: Tensor, parents: Tensor
    ) -> tuple[ScoreCandidates, DecodingState]:
        """Run the decoder on one position of every hypothesis, and score the vocabulary."""
        states, state = self.states(state, ids, parents)
        scores = states.to(self.output.dtype) @ self.output.mT
        return ScoreCandidates(scores.to(exact(scores.dtype))), state

    def states(
        self, state: DecodingState, ids: Tensor, parents: Tensor
    ) -> tuple[Tensor, DecodingState]:
        """Run the decoder on one position of every hypothesis, (B, beam, D)."""
        with self.compute.autocast():
            return self.model.step(state, ids, parents)

    def select(self, state: DecodingState, sentences: Tensor) -> DecodingState:
        """Keep some sentences."""
        return state.select(sentences)
