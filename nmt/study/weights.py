"""How wide attention spreads: entropy and support of its weights under forced decoding.

H heads, T queries, S keys; one sentence at a time, so that there is no padding to leave out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nmt.attention.config import ROLES
from nmt.corpus.batches import Batch, make_batch
from nmt.launch.development import boundaries
from nmt.model.compute import Compute
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import Segmenters
from nmt.model.weights import attention_weights

SUPPORT_FROM = 1e-3  # a weight above it counts as support


@dataclass
class Spread:
    """Sums over rows of weights: one row for each head and query."""

    entropy: float = 0.0
    support: float = 0.0
    rows: int = 0

    def add(self, weights: Tensor) -> None:
        """Add weights (B, H, T, S), each row scaled to sum to 1; a row of zeros is left out."""
        rows = weights.detach().double().flatten(0, -2).clamp(min=0.0)
        totals = rows.sum(-1)
        rows = rows[totals > 0] / totals[totals > 0].unsqueeze(-1)
        self.entropy += float(torch.special.entr(rows).sum())
        self.support += float((rows > SUPPORT_FROM).sum())
        self.rows += len(rows)

    def means(self) -> tuple[float | None, float | None]:
        """Give mean entropy in nats and mean number of supporting keys; None without rows."""
        if not self.rows:
            return None, None
        return self.entropy / self.rows, self.support / self.rows


def measure_weights(
    model: EncoderDecoder,
    segmenters: Segmenters,
    pairs: Sequence[tuple[str, str]],
    compute: Compute,
) -> dict[str, float | None]:
    """Measure how wide attention spreads in each role while references are decoded by force.

    Returns:
        `entropy_ROLE` in nats and `support_ROLE` in keys, means over layers, heads and queries;
        None where a mechanism gives no weights.
    """
    spreads = {role: Spread() for role in ROLES}
    with compute.autocast():
        for batch in single_batches(model, segmenters, pairs):
            for each in attention_weights(model, *forced(batch, compute.device)).values():
                if each.weights is not None:
                    spreads[each.role].add(each.weights)
    means = {role: spreads[role].means() for role in ROLES}
    return {f"entropy_{role}": means[role][0] for role in ROLES} | {
        f"support_{role}": means[role][1] for role in ROLES
    }


def forced(
    batch: Batch, device: torch.device
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Give ids and lengths of what is read on both sides: of a target, all but its end."""
    source, source_lengths, target, target_lengths = (
        torch.from_numpy(each).to(device)
        for each in (
            batch.source, batch.source_lengths, batch.target[:, :-1], batch.target_lengths
        )
    )  # fmt: skip
    return (source, source_lengths), (target, target_lengths)


def single_batches(
    model: EncoderDecoder, segmenters: Segmenters, pairs: Sequence[tuple[str, str]]
) -> Iterator[Batch]:
    """Encode each pair alone, as far as the model can read; one with an empty side is left out."""
    ends, room = boundaries(segmenters), model.max_length - 1
    sources = segmenters.source.encode_lines([source for source, _ in pairs])
    targets = segmenters.target.encode_lines([target for _, target in pairs])
    for source, target in zip(sources, targets, strict=True):
        if source and target:
            sides = (np.array(ids[:room], np.int64) for ids in (source, target))
            yield make_batch([next(sides)], [next(sides)], ends)
