"""What search asks of whatever scores continuations; it knows no model.

B sentences, S source length, V vocabulary.
"""

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from nmt.model.compiled import NativeTransformer
from nmt.model.compiled_for import refuse_unserved, why_not
from nmt.model.compute import Compute, why_not_compiled
from nmt.model.contract import DecodingState, Rows, SequenceModel
from nmt.model.lowered import lowered, quantised
from nmt.model.matrices import Matrix, PlainMatrix
from nmt.model.transformer import Transformer
from nmt.native.best import find_best, is_served, log_probs_of
from nmt.native.matrix import NativeMatrix

State = TypeVar("State")

COLUMNS = 256  # a multiple of what processors compare at once
MANY = 2**17  # scores; below, `topk` alone is faster


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

    def step(
        self, state: State, ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[Candidates, State]:
        """Extend each hypothesis' parent by an id, both (B, beam).

        Nothing is asked about hypotheses that are not among `rows`, where that is given: their
        log-probabilities may be anything but NaN.
        """

    def select(self, state: State, sentences: Tensor) -> State:
        """Keep some sentences, given by index."""


@dataclass(frozen=True)
class ScoreCandidates:
    """Candidates given by a score for each id; softmax makes them probabilities.

    Attributes:
        scores: (B, beam, V), or (1, R, V) of some rows: the others have no possible id.
    """

    scores: Tensor
    rows: Rows | None = None

    @cached_property
    def _log_probs(self) -> Tensor:
        return normalised(self.scores)

    def log_probs(self) -> Tensor:
        """Give the log-probability of every id."""
        return self._log_probs if self.rows is None else impossible(self._log_probs, self.rows)

    def top(self, width: int) -> tuple[Tensor, Tensor]:
        """Give the best."""
        best, ids = most_probable(self.scores, width)
        return (best, ids) if self.rows is None else spread_best(best, ids, self.rows)

    def bonus(self) -> None:
        """Give nothing."""


def most_probable(scores: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Find the best of scores (..., V): log-probabilities and places, equals in order."""
    width = min(width, scores.size(-1))
    if is_served(scores):
        return find_best(scores, width)
    # By score, since scores that differ may have log-probabilities that do not.
    places = top_in_order(scores, width)[1]
    return scores.log_softmax(-1).gather(-1, places), places


def normalised(scores: Tensor) -> Tensor:
    """Make scores (..., V) log-probabilities."""
    return log_probs_of(scores) if is_served(scores) else scores.log_softmax(-1)


def impossible(log_probs: Tensor, rows: Rows) -> Tensor:
    """Put log-probabilities (1, R, ...) where they belong, and nothing possible elsewhere."""
    return rows.spread(log_probs, -torch.inf)


def spread_best(best: Tensor, ids: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
    """Put the best of some rows, (1, R, width), where they belong, (B, beam, width)."""
    return impossible(best, rows), rows.spread(ids, 0)


def top_in_order(scores: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Find the best along the last dimension, equal ones in the order of their index.

    `topk` promises no order among equals and may cut through them anywhere: one more than is
    wanted shows where it did.
    """
    best, index = largest(scores, min(width + 1, scores.size(-1)))
    if not bool((best[..., 1:] == best[..., :-1]).any()):
        return best[..., :width], index[..., :width]
    if best.size(-1) > width:
        cut = best[..., width - 1] == best[..., width]
        index = index[..., :width]
        if bool(cut.any()):
            index[cut] = first_of_equals(scores[cut], best[cut][:, width - 1 : width], width)
    index, _ = index.sort(dim=-1)
    best, order = scores.gather(-1, index).sort(dim=-1, descending=True, stable=True)
    return best, index.gather(-1, order)


def largest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Find as many of the largest along the last dimension, in any order of equals.

    Of many scores first those columns are found, when they are written row by row, whose largest
    are the largest: nothing that counts stands in another, and maxima take a tenth of the time.
    """
    height, is_many = scores.size(-1) // COLUMNS, scores.numel() >= MANY
    if not is_many or scores.device.type != "cpu" or min(height, COLUMNS // count) < 4:
        return scores.topk(count, dim=-1)
    body, rest = scores.split((height * COLUMNS, scores.size(-1) - height * COLUMNS), dim=-1)
    columns = body.unflatten(-1, (height, COLUMNS)).amax(-2).topk(count, dim=-1).indices
    starts = torch.arange(0, body.size(-1), COLUMNS, device=scores.device)
    places = (columns.unsqueeze(-1) + starts).flatten(-2)  # (..., count * height)
    last = torch.arange(body.size(-1), scores.size(-1), device=scores.device)
    places = torch.cat([places, last.expand_as(rest)], dim=-1)
    best, order = scores.gather(-1, places).topk(count, dim=-1)
    return best, places.gather(-1, order)


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


class Engine(Protocol):
    """What takes the steps of a model, or the model itself."""

    def begin(self, source: tuple[Tensor, Tensor], beam: int, limit: int) -> DecodingState:
        """Encode the sources, where the model has any."""

    def step(
        self, state: DecodingState, ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[Tensor, DecodingState]:
        """Run the decoder on one position."""


def engine_of(model: SequenceModel, compute: Compute) -> Engine | None:
    """Make what takes a model's steps in the C library; None where that does not serve it."""
    if why_not(model, compute):
        return None
    assert isinstance(model, Transformer), "it serves no other"
    return NativeTransformer(model, int8=compute.int8)


class ModelScorer:
    """Score continuations by a model, and by the C library where it serves the model.

    Attributes:
        output: (V, D) the output projection.
        projection: The same as what multiplies.
    """

    def __init__(self, model: SequenceModel, compute: Compute) -> None:
        self.compute = compute
        self._whole = model
        weight = model.output_weight().detach()
        self.output = weight.to(compute.dtype) if compute.dtype != torch.float32 else weight
        self.projection = self._projection(weight)
        refuse_unserved(model, compute)

    @property
    def is_invariant(self) -> bool:
        """Tell whether a row gives the same, to the last digit, whatever stands beside it."""
        return isinstance(self._engine, NativeTransformer)

    def of_modules(self) -> "ModelScorer":
        """Give one whose steps are taken by the model's modules, which may be listened to."""
        model, other = self.model, copy.copy(self)  # of a lowered model there is one copy
        other._engine = model
        return other

    @cached_property
    def _engine(self) -> Engine:
        return engine_of(self._whole, self.compute) or self.model

    def _projection(self, weight: Tensor) -> Matrix:
        if self.compute.int8:
            return quantised(weight, self.compute)
        if weight.dtype == torch.float32 and not why_not_compiled(self.compute):
            return NativeMatrix.of(weight)
        return PlainMatrix(self.output)

    @cached_property
    def model(self) -> SequenceModel:
        """Give the model, its products in the type asked for."""
        return lowered(self._whole, self.compute)

    def start(self, source: Source, beam: int, limit: int) -> DecodingState:
        """Encode the sources, where the model has any."""
        with self.compute.autocast():
            return self._engine.begin((source.ids, source.lengths), beam, limit)

    def step(
        self, state: DecodingState, ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[ScoreCandidates, DecodingState]:
        """Run the decoder on one position of the hypotheses, and score the vocabulary."""
        states, state = self.states(state, ids, parents, rows)
        return ScoreCandidates(self.projection.times(states), rows), state

    def states(
        self, state: DecodingState, ids: Tensor, parents: Tensor, rows: Rows | None
    ) -> tuple[Tensor, DecodingState]:
        """Run the decoder on one position, as (B, beam, D), or (1, R, D) of some rows."""
        with self.compute.autocast():
            return self._engine.step(state, ids, parents, rows)

    def select(self, state: DecodingState, sentences: Tensor) -> DecodingState:
        """Keep some sentences."""
        return state.select(sentences)
