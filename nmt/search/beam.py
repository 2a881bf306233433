"""Beam search; greedy search is a beam of one, diverse beam search has several groups.

B sentences, k beam, G groups of w = k / G hypotheses, V vocabulary.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic

import torch
from torch import Tensor

from nmt.model.contract import Rows
from nmt.search.config import SearchConfig
from nmt.search.expansion import (
    Choice,
    Expansion,
    Group,
    add_cost,
    end_all,
    expand,
    keep_going,
)
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.search.scorer import Candidates, Scorer, Source, State

PAYS_FROM = 8  # one sentence in so many is done: copying the others costs less than its rows

Done = list[list[list[Hypothesis]]]  # by sentence and group


@dataclass(frozen=True)
class Live(Generic[State]):
    """Hypotheses that go on, of the sentences that are not done.

    Attributes:
        state: The scorer's.
        sentences: (B,) number of each sentence in the batch that was asked for.
        limits: (B,) most ids of each, end included.
        history: (B, k, steps + 1) ids so far, the start included.
        parents: (B, k) the row that each continues.
        totals: (B, k) log-probability so far; -inf in a row that nothing fills.
    """

    state: State
    sentences: Tensor
    limits: Tensor
    history: Tensor
    parents: Tensor
    totals: Tensor


@torch.inference_mode()
def beam_search(
    scorer: Scorer[State],
    source: Source,
    ends: Ends,
    limits: Sequence[int],
    config: SearchConfig,
    choice: Choice = expand,
) -> list[list[Hypothesis]]:
    """Search for the best translations of each sentence.

    A hypothesis ends when its end ranks among the best `beam` continuations of its sentence. A
    sentence is done when `beam` hypotheses have ended, or at its limit, where all must end. With
    `stop = "bound"` it is done when `nbest` have ended and none that goes on could reach the score
    of the last of them, which gives what never stopping before the limit gives.

    With `stop = "ctranslate2"` everything is as in that library: hypotheses at the limit are cut
    off, not ended; those that end in the same step are all kept; without a length penalty a
    sentence is done as with "bound".

    Groups are searches of their own, each `beam / groups` wide, that take their steps in turn. A
    group prefers ids that earlier ones do not go on with in the same step; that decides what it
    keeps, and enters neither log-probability nor score.

    With `prune` a group gives up hypotheses that are so much less probable than its best, be that
    one that goes on or one that has ended; then fewer than `beam` may end, and a sentence is done
    when none goes on. What goes on is all that is computed.

    Args:
        limits: For each sentence the most ids of a translation, its end included.
        choice: What finds the continuations of a group.

    Returns:
        For each sentence up to `nbest` distinct hypotheses, best first.

    Source: Vijayakumar et al. (2018), https://arxiv.org/abs/1610.02424, section 4, for groups;
    Freitag and Al-Onaizan (2017), https://arxiv.org/abs/1702.01806, section 3, for pruning;
    OpenNMT/CTranslate2, src/decoding.cc, `BeamSearch::search`, for its rules.
    """
    done: Done = [[[] for _ in range(config.groups)] for _ in limits]
    live = begin(scorer, source, ends, limits, config)
    while len(live.sentences):
        rows = rows_to_compute(live, config)
        candidates, state = scorer.step(live.state, live.history[:, :, -1], live.parents, rows)
        live = advance(replace(live, state=state), candidates, ends.end, done, config, choice)
        live = drop_done(scorer, prune(live, done, config), done, config)
    return [pool(groups)[: config.nbest] for groups in done]


def begin(
    scorer: Scorer[State],
    source: Source,
    ends: Ends,
    limits: Sequence[int],
    config: SearchConfig,
) -> Live[State]:
    """Start every group with one hypothesis; the other rows are impossible until they fill."""
    size, beam, device = len(limits), config.beam, source.ids.device
    totals = torch.full((size, beam), -torch.inf, device=device)
    totals[:, :: beam // config.groups] = 0.0
    return Live(
        state=scorer.start(source, beam, max(limits, default=0)),
        sentences=torch.arange(size, device=device),
        limits=torch.tensor(limits, dtype=torch.long, device=device),
        history=torch.full((size, beam, 1), ends.start, device=device),
        parents=torch.zeros((size, beam), dtype=torch.long, device=device),
        totals=totals,
    )


def rows_to_compute(live: Live[State], config: SearchConfig) -> Rows | None:
    """Name the hypotheses that go on, where many do not: in the first step, and when pruned.

    Otherwise a row or two of a batch go nowhere, and the digits of others would depend on it.
    """
    is_first = live.history.size(2) == 1
    return Rows.of(live.totals.isfinite()) if is_first or config.prune else None


def advance(
    live: Live[State],
    candidates: Candidates,
    end: int,
    done: Done,
    config: SearchConfig,
    choice: Choice,
) -> Live[State]:
    """Take one step with every group, and put aside the hypotheses that end."""
    at_limit, width = live.limits <= live.history.size(2), config.beam // config.groups
    grown: list[Expansion] = []
    cost: Tensor | None = None
    for number in range(config.groups):
        group = Group(number, width)
        best = choice(live.totals, candidates, group, cost)
        if not config.cuts:
            best = end_all(best, live.totals, candidates, at_limit, group, end)
        for sentence, hypothesis in ended(live, best, candidates, group, end, config):
            if len(done[sentence][number]) < width or config.stop != "beam":
                done[sentence][number].append(hypothesis)
        grown.append(keep_going(best, end, width))
        if number + 1 < config.groups:
            cost = add_cost(cost, grown[-1], candidates, config.diversity)
    return follow(live, grown)


def ended(
    live: Live[State],
    best: Expansion,
    candidates: Candidates,
    group: Group,
    end: int,
    config: SearchConfig,
) -> list[tuple[int, Hypothesis]]:
    """List what ends among the best continuations of a group, with its sentence's number."""
    width, length = group.width, live.history.size(2)  # the end counts, the start does not
    ends = best.ids[:, :width] == end
    if config.cuts:
        ends |= (live.limits <= length).unsqueeze(-1)
    index, rank = (ends & best.totals[:, :width].isfinite()).nonzero(as_tuple=True)
    if not len(index):
        return []
    parents, bonus = best.parents[index, rank], candidates.bonus()
    columns = [
        live.sentences[index],
        best.totals[index, rank],
        best.ids[index, rank],
        live.history[index, parents, 1:],
        torch.zeros_like(index) if bonus is None else bonus[index, parents],
    ]
    found = []
    for sentence, total, last, past, gain in zip(*(each.tolist() for each in columns), strict=True):
        ids = (*past, *([] if last == end else [last]))
        found.append((sentence, Hypothesis(ids, total, config.score(total, length) + gain)))
    return found


def follow(live: Live[State], grown: Sequence[Expansion]) -> Live[State]:
    """Go on with what every group has kept."""
    totals, parents, ids = (
        torch.cat(each, dim=1) if len(each) > 1 else each[0]
        for each in zip(*((one.totals, one.parents, one.ids) for one in grown), strict=True)
    )
    past = live.history.gather(1, parents.unsqueeze(-1).expand(-1, -1, live.history.size(2)))
    history = torch.cat([past, ids.unsqueeze(-1)], dim=-1)
    return replace(live, history=history, parents=parents, totals=totals)


def prune(live: Live[State], done: Done, config: SearchConfig) -> Live[State]:
    """Give up what lies too far below the best of its group."""
    if not config.prune:
        return live
    totals = live.totals.unflatten(1, (config.groups, -1))  # (B, G, w)
    ended = [
        [max((each.log_prob for each in group), default=-math.inf) for group in done[number]]
        for number in live.sentences.tolist()
    ]
    best = torch.maximum(totals.amax(-1), totals.new_tensor(ended)).unsqueeze(-1)
    hopeless = totals < best - config.prune
    return replace(live, totals=totals.masked_fill(hopeless, -torch.inf).flatten(1))


def drop_done(
    scorer: Scorer[State], live: Live[State], done: Done, config: SearchConfig
) -> Live[State]:
    """Leave groups that have what they need, must end or cannot go on; then empty sentences."""
    totals = live.totals.unflatten(1, (config.groups, -1))  # (B, G, w)
    hopes, least = totals.amax(-1), live.history.size(2)
    facts = zip(live.sentences.tolist(), live.limits.tolist(), hopes.tolist(), strict=True)
    enough = [
        [
            least > limit
            or not math.isfinite(hope)
            or is_enough(group, (hope, least, limit), config)
            for group, hope in zip(done[number], mine, strict=True)
        ]
        for number, limit, mine in facts
    ]
    if not any(map(any, enough)):
        return live
    over = torch.tensor(enough, device=totals.device)  # (B, G)
    live = replace(live, totals=totals.masked_fill(over.unsqueeze(-1), -torch.inf).flatten(1))
    kept = (~over.all(-1)).nonzero().squeeze(-1)
    return select(scorer, live, kept) if pays_to_drop(live, kept) else live


def pays_to_drop(live: Live[State], kept: Tensor) -> bool:
    """Tell whether enough sentences are done for the others to be copied together.

    One that is done and stays behaves as if nothing could follow. None stays past its limit, where
    it would be asked to end in every step.
    """
    num_done = len(live.sentences) - len(kept)
    if num_done * PAYS_FROM >= len(live.sentences):
        return True
    nearest = int(live.limits.min()) if num_done else live.history.size(2) + 1
    return nearest <= live.history.size(2)


def is_enough(
    group: Sequence[Hypothesis], hope: tuple[float, int, int], config: SearchConfig
) -> bool:
    """Tell whether a group has ended all the hypotheses that its stopping rule asks for.

    Args:
        hope: The log-probability of the best that goes on; the fewest and the most ids with
            which it can end.
    """
    width = config.beam // config.groups
    if config.stop == "beam" or (config.cuts and config.length_alpha):
        return len(group) >= width
    needed = min(config.nbest, width)
    if len(group) < needed:
        return False
    # Log-probabilities only fall, a bonus is at most 0, and the penalty is monotonous in length.
    bound = max(config.score(hope[0], length) for length in hope[1:])
    return sorted((each.score for each in group), reverse=True)[needed - 1] >= bound


def select(scorer: Scorer[State], live: Live[State], kept: Tensor) -> Live[State]:
    """Keep some sentences, given by index."""
    return Live(
        state=scorer.select(live.state, kept),
        sentences=live.sentences[kept],
        limits=live.limits[kept],
        history=live.history[kept],
        parents=live.parents[kept],
        totals=live.totals[kept],
    )


def pool(groups: Sequence[Sequence[Hypothesis]]) -> list[Hypothesis]:
    """Sort what groups have found, each translation once; the earlier wins a tie."""
    found: dict[tuple[int, ...], Hypothesis] = {}
    for group in groups:
        for each in group:
            found.setdefault(each.ids, each)
    return sorted(found.values(), key=lambda hypothesis: -hypothesis.score)
