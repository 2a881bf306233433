"""Search among the pieces that a source suggests, in place of the whole vocabulary.

B sentences, k beam, V vocabulary, U pieces that any sentence of the batch may need, D model size.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nmt.model.contract import DecodingState, Rows
from nmt.model.matrices import Matrix
from nmt.model.shortlist import Shortlist
from nmt.search.scorer import (
    ModelScorer,
    Source,
    impossible,
    most_probable,
    normalised,
    spread_best,
)


@dataclass(frozen=True)
class ShortState:
    """A state of decoding, and what its sentences may be translated with.

    Attributes:
        pieces: (U,) ids in order.
        projection: The output projection of these pieces.
        closed: (B, 1, U) -inf where a sentence may not use a piece, else 0.
    """

    decoding: DecodingState
    pieces: Tensor
    projection: Matrix
    closed: Tensor


@dataclass(frozen=True)
class ShortCandidates:
    """Candidates among some pieces: all others are impossible.

    Attributes:
        scores: (B, k, U), or (1, R, U) of some rows: the others have no possible id.
        pieces: (U,) ids in order.
        vocab_size: V.
    """

    scores: Tensor
    pieces: Tensor
    vocab_size: int
    rows: Rows | None = None

    def log_probs(self) -> Tensor:
        """Give the log-probability of every id."""
        shape = (*self.scores.shape[:-1], self.vocab_size)
        full = self.scores.new_full(shape, -torch.inf)
        full.index_copy_(-1, self.pieces, normalised(self.scores))
        return full if self.rows is None else impossible(full, self.rows)

    def top(self, width: int) -> tuple[Tensor, Tensor]:
        """Give the best."""
        best, places = most_probable(self.scores, width)
        ids = self.pieces[places]
        return (best, ids) if self.rows is None else spread_best(best, ids, self.rows)

    def bonus(self) -> None:
        """Give nothing."""


class ShortlistScorer:
    """Score only what the sources of a batch suggest."""

    def __init__(self, scorer: ModelScorer, shortlist: Shortlist) -> None:
        self.scorer = scorer
        self.shortlist = shortlist.to(scorer.output.device)

    def start(self, source: Source, beam: int, limit: int) -> ShortState:
        """Encode the sources and look up what they suggest."""
        output = self.scorer.output
        allowed = self.shortlist.allowed(source.ids, source.lengths, len(output))
        pieces = allowed.any(0).nonzero().squeeze(-1)
        closed = torch.zeros((len(allowed), 1, len(pieces)), device=output.device)
        closed.masked_fill_(~allowed[:, None, pieces], -torch.inf)
        decoding = self.scorer.start(source, beam, limit)
        return ShortState(decoding, pieces, self.scorer.projection.columns(pieces), closed)

    def step(
        self, state: ShortState, ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[ShortCandidates, ShortState]:
        """Run the decoder on one position of the hypotheses."""
        states, decoding = self.scorer.states(state.decoding, ids, parents, rows)
        closed = state.closed
        if rows is not None:
            closed = rows.pack(closed.expand(*rows.size, -1))
        scores = state.projection.times(states).add_(closed)
        found = ShortCandidates(scores, state.pieces, len(self.scorer.output), rows)
        return found, replace(state, decoding=decoding)

    def select(self, state: ShortState, sentences: Tensor) -> ShortState:
        """Keep some sentences."""
        decoding = self.scorer.select(state.decoding, sentences)
        return replace(state, decoding=decoding, closed=state.closed[sentences])
