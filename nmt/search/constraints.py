"""Lexical constraints: what breaks them is banned, and hypotheses that near them keep their places.

B sentences, k beam, w rows of a group, V vocabulary.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmt.search.expansion import Expansion, Group, expand, picked
from nmt.search.rules import Past, RuledCandidates
from nmt.search.scorer import Candidates, top_in_order

Ids = NDArray[np.int16]  # numbers of them
WORST = -1e30  # no sum of log-probabilities comes near it


class Demand(Protocol):
    """What is asked of one translation, followed id by id.

    Attributes:
        start: The state where nothing is written.
        has_goal: Whether something must appear.
    """

    start: int
    has_goal: bool

    def follow(self, state: int, id_: int) -> int:
        """Give the state after one more id, which must be possible."""

    def after(self, state: int) -> tuple[Ids, Ids]:
        """Tell of each id, (V,), how many it takes to end behind it: at least, and usually."""


class Constrained:
    """Ban ids after which the demand could not be met any more within the limit.

    As each id that is left leads to the end in time, every hypothesis satisfies its demand when it
    ends, whatever the search. Where other rules have banned all of those, theirs do not count.

    Args:
        demands: Of each sentence; None where nothing is asked for.
        limits: The most ids of each translation, its end included; enough for its demand.
    """

    def __init__(
        self, demands: Sequence[Demand | None], limits: Sequence[int], device: torch.device
    ) -> None:
        self.demands = demands
        self.limits = torch.tensor(limits, device=device)
        goals = [each is not None and each.has_goal for each in demands]
        self.goals = torch.tensor(goals, device=device)
        self._states: dict[tuple[int, tuple[int, ...]], int] = {}

    def __call__(self, banned: Tensor, past: Past) -> Tensor:
        """Ban what cannot be."""
        remaining = self.limits[past.sentences] - past.ids.size(2)
        barred = self._look_up(past, 0, banned) >= remaining[:, None, None]
        both = banned | barred
        return torch.where(both.all(-1, keepdim=True), barred, both)

    def progress(self, past: Past, like: Tensor) -> Tensor:
        """Tell how many ids usually end a text behind each, at least 1, (B, k, V)."""
        return self._look_up(past, 1, like).clamp(min=1)

    def _look_up(self, past: Past, which: int, like: Tensor) -> Tensor:
        """Ask demands, (B, k, V); the end of a sentence without one is always near."""
        table = np.zeros(like.shape, np.int16)
        numbers, written = past.sentences.tolist(), past.ids.tolist()
        for mine, number, rows in zip(table, numbers, written, strict=True):
            if demand := self.demands[number]:
                for row, ids in zip(mine, rows, strict=True):
                    state = self._state(demand, number, tuple(ids))
                    row[:] = demand.after(state)[which] if state >= 0 else np.int16(0)
        return torch.from_numpy(table).to(like.device)

    def _state(self, demand: Demand, number: int, ids: tuple[int, ...]) -> int:
        """Follow a hypothesis; rows that nothing fills may hold anything."""
        if not ids:
            return demand.start
        if (number, ids) not in self._states:
            before = self._state(demand, number, ids[:-1])
            self._states[number, ids] = -1 if before < 0 else demand.follow(before, ids[-1])
        return self._states[number, ids]


class Banks:
    """Share the places of a beam among hypotheses that are equally far from their demand.

    The best continuation of each bank comes first, the nearest bank before the others; then the
    second best of each, and so on until all places are taken. A bank with too few leaves its
    places to the others. Sentences from which nothing must appear are searched as ever.

    Source: Post and Vilar (2018), https://arxiv.org/abs/1804.06609, section 3, for banks; Hu et al.
    (2019), https://aclanthology.org/N19-1090, section 4, for taking turns. Unlike there, all
    continuations are candidates, and what counts is the text, not its pieces.
    """

    def __init__(self, rule: Constrained) -> None:
        self.rule = rule

    def __call__(
        self, totals: Tensor, candidates: Candidates, group: Group, cost: Tensor | None = None
    ) -> Expansion:
        """Find continuations of a group, as `expand` does."""
        plain = expand(totals, candidates, group, cost)
        assert isinstance(candidates, RuledCandidates)
        has_goal = self.rule.goals[candidates.past.sentences].unsqueeze(-1)  # (B, 1)
        if not bool(has_goal.any()):
            return plain
        shared = self._share(totals, candidates, group, cost)
        return Expansion(
            *(
                torch.where(has_goal, mine[:, : theirs.size(1)], theirs)
                for mine, theirs in (
                    (shared.totals, plain.totals),
                    (shared.parents, plain.parents),
                    (shared.ids, plain.ids),
                )
            )
        )

    def _share(
        self, totals: Tensor, candidates: RuledCandidates, group: Group, cost: Tensor | None
    ) -> Expansion:
        """Let banks take turns."""
        log_probs, rows = candidates.log_probs(), group.rows
        scores = totals[:, rows].unsqueeze(-1) + log_probs[:, rows]
        if cost is not None:
            scores = scores - cost.unsqueeze(1)
        banks = self.rule.progress(candidates.past, log_probs)[:, rows]
        possible, flat = in_turn(scores.flatten(1), banks.flatten(1), 2 * group.width)
        size = log_probs.size(-1)
        parents, ids = flat // size + rows.start, flat % size
        best = totals.gather(1, parents) + picked(log_probs, parents, ids)
        return Expansion(best.masked_fill(~possible, -torch.inf), parents, ids)


def in_turn(scores: Tensor, banks: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Choose by turns among banks, the lowest first; within one the best first.

    Args:
        scores: (B, N); what is -inf cannot be chosen.
        banks: (B, N) the bank of each.

    Returns:
        Whether there is something to choose, and its index, both (B, width or fewer).
    """
    finite, size = scores.isfinite(), scores.size(1)
    levels, most = banks[finite].unique().tolist() or [1], min(width, size)
    never, places = most * len(levels), torch.arange(most, device=scores.device)
    # Below all scores and no two the same, so that ties need not be broken among them.
    others = WORST * (1 + torch.arange(size, device=scores.device) / size).to(scores.dtype)
    turns, chosen = [], []
    for number, level in enumerate(levels):
        best, index = top_in_order(scores.where(finite & (banks == level), others), most)
        turns.append((places * len(levels) + number).where(best > WORST, never))
        chosen.append(index)
    turn, order = torch.cat(turns, dim=1).sort(dim=1, stable=True)
    index = torch.cat(chosen, dim=1).gather(1, order)
    return (turn < never)[:, :width], index[:, :width]
