"""One step of a beam: which continuations are best, which end, which go on.

B sentences, k beam, w rows of a group, V vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.search.scorer import Candidates, top_in_order


@dataclass(frozen=True)
class Group:
    """Rows of the beam that are searched together."""

    number: int
    width: int

    @property
    def rows(self) -> slice:
        """Give its rows."""
        first = self.number * self.width
        return slice(first, first + self.width)


@dataclass(frozen=True)
class Expansion:
    """Continuations of each sentence by a group, best first, all (B, width).

    Attributes:
        totals: Log-probability.
        parents: The rows that they continue, of all the beam.
        ids: What is added.
    """

    totals: Tensor
    parents: Tensor
    ids: Tensor


# As `expand`: totals, candidates, group and cost in, continuations out.
Choice = Callable[[Tensor, Candidates, Group, Tensor | None], Expansion]


def expand(
    totals: Tensor, candidates: Candidates, group: Group, cost: Tensor | None = None
) -> Expansion:
    """Find the best continuations of a group; ties go to the lower row, then the lower id.

    As many as two for each row, since one of each may end. Only the best so many of each row can
    be among the best so many of the group.

    Args:
        totals: (B, k) log-probability of each hypothesis so far.
        cost: (B, V) what is taken off an id's log-probability for the comparison alone.
    """
    width, rows = 2 * group.width, group.rows
    if cost is None:
        log_probs, ids = (each[:, rows] for each in candidates.top(width))  # (B, w, width or V)
    else:
        costly = candidates.log_probs()[:, rows] - cost.unsqueeze(1)
        log_probs, ids = top_in_order(costly, min(width, costly.size(-1)))
    scores = (totals[:, rows].unsqueeze(-1) + log_probs).flatten(1)
    # Within a row the better stands first and equals by id, so a stable sort breaks ties.
    best, order = scores.sort(dim=-1, descending=True, stable=True)
    best, order = best[:, :width], order[:, :width]
    parents = order.div(ids.size(-1), rounding_mode="floor") + rows.start
    ids = ids.flatten(1).gather(1, order)
    if cost is not None:
        best = totals.gather(1, parents) + picked(candidates.log_probs(), parents, ids)
    return Expansion(best, parents, ids)


def picked(log_probs: Tensor, parents: Tensor, ids: Tensor) -> Tensor:
    """Look up in (B, k, V) what rows give ids, both (B, width)."""
    return log_probs.flatten(1).gather(1, parents * log_probs.size(-1) + ids)


def end_all(
    best: Expansion, totals: Tensor, candidates: Candidates, at_limit: Tensor, group: Group,
    end: int,
) -> Expansion:  # fmt: skip
    """Where a sentence is at its limit, (B,), let every hypothesis end and nothing else happen."""
    if not bool(at_limit.any()):
        return best
    rows, width = group.rows, group.width
    ended = totals[:, rows] + candidates.log_probs()[:, rows, end]  # (B, w)
    sorted_totals, order = ended.sort(dim=-1, descending=True, stable=True)
    where = at_limit.unsqueeze(-1)
    forced = torch.full_like(best.totals, -torch.inf)
    forced[:, :width] = sorted_totals
    parents = torch.full_like(best.parents, rows.start)
    parents[:, :width] = order + rows.start
    return Expansion(
        torch.where(where, forced, best.totals),
        torch.where(where, parents, best.parents),
        best.ids.masked_fill(where, end),
    )


def keep_going(best: Expansion, end: int, width: int) -> Expansion:
    """Keep the best `width` continuations that do not end; each row can end only once."""
    ends = best.ids == end
    if not bool(ends.any()):
        return Expansion(*(each[:, :width] for each in (best.totals, best.parents, best.ids)))
    # Moves ends behind all others without changing the order of either.
    order = ends.to(torch.int8).sort(dim=-1, stable=True).indices[:, :width]
    totals, parents, ids = (
        values.gather(1, order) for values in (best.totals, best.parents, best.ids)
    )
    return Expansion(totals.masked_fill(ids == end, -torch.inf), parents, ids)


def add_cost(
    cost: Tensor | None, grown: Expansion, candidates: Candidates, diversity: float
) -> Tensor:
    """Add what the ids that a group goes on with cost the groups after it, (B, V)."""
    if cost is None:
        cost = torch.zeros_like(candidates.log_probs()[:, 0])
    return cost.scatter_add(1, grown.ids, grown.totals.isfinite().to(cost.dtype) * diversity)
