"""Beam search; greedy search is a beam of one.

B sentences, k beam, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic

import torch
from torch import Tensor

from nmt.search.config import SearchConfig
from nmt.search.scorer import Candidates, Scorer, Source, State


@dataclass(frozen=True)
class Hypothesis:
    """A complete translation.

    Attributes:
        ids: Without the ids that open and close it.
        log_prob: Of the ids and of the end.
        score: What hypotheses are ranked by: log_prob / (len(ids) + 1) ** length_alpha.
    """

    ids: tuple[int, ...]
    log_prob: float
    score: float


@dataclass(frozen=True)
class Ends:
    """The ids that open and close a target."""

    start: int
    end: int


@dataclass(frozen=True)
class Live(Generic[State]):
    """Hypotheses that go on, of the sentences that are not done.

    Attributes:
        state: The scorer's.
        sentences: (B,) number of each sentence in the batch that was asked for.
        limits: (B,) most ids of each, end included.
        history: (B, k, steps + 1) ids so far, the start included.
        parents: (B, k) the row that each continues.
        totals: (B, k) log-probability so far.
    """

    state: State
    sentences: Tensor
    limits: Tensor
    history: Tensor
    parents: Tensor
    totals: Tensor


@dataclass(frozen=True)
class Expansion:
    """The best continuations of each sentence, best first, all (B, width)."""

    totals: Tensor
    parents: Tensor
    ids: Tensor


@torch.inference_mode()
def beam_search(
    scorer: Scorer[State], source: Source, ends: Ends, limits: Sequence[int], config: SearchConfig
) -> list[list[Hypothesis]]:
    """Search for the best translations of each sentence.

    A hypothesis ends when its end ranks among the best `beam` continuations of its sentence. A
    sentence is done when `beam` hypotheses have ended, or at its limit, where all must end.

    Args:
        limits: For each sentence the most ids of a translation, its end included.

    Returns:
        For each sentence up to `nbest` hypotheses, best first.
    """
    done: list[list[Hypothesis]] = [[] for _ in limits]
    live = begin(scorer, source, ends, limits, config.beam)
    while len(live.sentences):
        candidates, state = scorer.step(live.state, live.history[:, :, -1], live.parents)
        live = replace(live, state=state)
        at_limit = live.limits <= live.history.size(2)  # (B,)
        best = expand(live.totals, candidates, 2 * config.beam)
        best = end_all(best, live.totals, candidates, at_limit, ends.end)
        collect(done, live, best, ends.end, config)
        live = proceed(live, best, ends.end)
        live = drop_done(scorer, live, done, at_limit, config.beam)
    for hypotheses in done:
        hypotheses.sort(key=lambda hypothesis: -hypothesis.score)  # stable: the earlier wins a tie
    return [hypotheses[: config.nbest] for hypotheses in done]


def begin(
    scorer: Scorer[State], source: Source, ends: Ends, limits: Sequence[int], beam: int
) -> Live[State]:
    """Start every sentence with one hypothesis; the other rows are impossible until they fill."""
    size, device = len(limits), source.ids.device
    totals = torch.full((size, beam), -torch.inf, device=device)
    totals[:, 0] = 0.0
    return Live(
        state=scorer.start(source, beam, max(limits, default=0)),
        sentences=torch.arange(size, device=device),
        limits=torch.tensor(limits, dtype=torch.long, device=device),
        history=torch.full((size, beam, 1), ends.start, device=device),
        parents=torch.zeros((size, beam), dtype=torch.long, device=device),
        totals=totals,
    )


def expand(totals: Tensor, candidates: Candidates, width: int) -> Expansion:
    """Find the best continuations of each sentence; ties go to the lower row, then the lower id.

    Only the best `width` of each row can be among the best `width` of the sentence.
    """
    log_probs, ids = candidates.top(width)  # (B, k, width or V)
    scores = (totals.unsqueeze(-1) + log_probs).flatten(1)
    rows = torch.arange(totals.size(1), device=totals.device)
    parents = rows[None, :, None].expand_as(ids).flatten(1)
    # Within a row the better stands first and equals by id, so a stable sort breaks ties.
    best, order = scores.sort(dim=-1, descending=True, stable=True)
    order = order[:, :width]
    return Expansion(best[:, :width], parents.gather(1, order), ids.flatten(1).gather(1, order))


def end_all(
    best: Expansion, totals: Tensor, candidates: Candidates, at_limit: Tensor, end: int
) -> Expansion:
    """Where a sentence is at its limit, let every hypothesis end and nothing else happen."""
    if not bool(at_limit.any()):
        return best
    ended = totals + candidates.log_probs()[:, :, end]  # (B, k)
    ranked, parents = ended.sort(dim=-1, descending=True, stable=True)
    beam, where = totals.size(1), at_limit.unsqueeze(-1)
    forced = torch.full_like(best.totals, -torch.inf)
    forced[:, :beam] = ranked
    rows = torch.zeros_like(best.parents)
    rows[:, :beam] = parents
    return Expansion(
        torch.where(where, forced, best.totals),
        torch.where(where, rows, best.parents),
        best.ids.masked_fill(where, end),
    )


def collect(
    done: list[list[Hypothesis]], live: Live[State], best: Expansion, end: int, config: SearchConfig
) -> None:
    """Put aside the hypotheses that end among the best `beam` of their sentence."""
    beam = config.beam
    ended = (best.ids[:, :beam] == end) & best.totals[:, :beam].isfinite()
    length = live.history.size(2)  # the end counts, the start does not
    for index, rank in ended.nonzero().tolist():
        total = float(best.totals[index, rank])
        past = live.history[index, int(best.parents[index, rank]), 1:]
        score = total / length**config.length_alpha
        number = int(live.sentences[index])
        if len(done[number]) < beam:
            done[number].append(Hypothesis(tuple(past.tolist()), total, score))


def proceed(live: Live[State], best: Expansion, end: int) -> Live[State]:
    """Keep the best `beam` continuations that do not end; each row can end only once."""
    beam = live.totals.size(1)
    # Moves ends behind all others without changing the order of either.
    order = (best.ids == end).to(torch.int8).sort(dim=-1, stable=True).indices[:, :beam]
    totals, parents, ids = (
        values.gather(1, order) for values in (best.totals, best.parents, best.ids)
    )
    totals = totals.masked_fill(ids == end, -torch.inf)
    past = live.history.gather(1, parents.unsqueeze(-1).expand(-1, -1, live.history.size(2)))
    history = torch.cat([past, ids.unsqueeze(-1)], dim=-1)
    return replace(live, history=history, parents=parents, totals=totals)


def drop_done(
    scorer: Scorer[State],
    live: Live[State],
    done: list[list[Hypothesis]],
    at_limit: Tensor,
    beam: int,
) -> Live[State]:
    """Leave sentences that have all their hypotheses, that must end, or that cannot go on."""
    enough = [len(done[number]) >= beam for number in live.sentences.tolist()]
    over = torch.tensor(enough, device=at_limit.device) | at_limit
    over |= ~live.totals.isfinite().any(-1)
    if not bool(over.any()):
        return live
    kept = (~over).nonzero().squeeze(-1)
    return Live(
        state=scorer.select(live.state, kept),
        sentences=live.sentences[kept],
        limits=live.limits[kept],
        history=live.history[kept],
        parents=live.parents[kept],
        totals=live.totals[kept],
    )
