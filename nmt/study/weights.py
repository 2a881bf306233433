"""How wide attention spreads: entropy and support of its weights under forced decoding.

H heads, T queries, S keys; one sentence at a time, so that there is no padding to leave out.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nmt.attention.config import ROLES
from nmt.attention.contract import Attended, Attention
from nmt.corpus.batches import Batch, make_batch
from nmt.launch.development import boundaries
from nmt.model.compute import Compute
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import Segmenters

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


@dataclass
class Recorder:
    """Ask every mechanism of a model for its weights, whatever calls it.

    Attributes:
        spreads: By role.
        encoding: Whether the model is reading the source.
    """

    spreads: dict[str, Spread] = field(default_factory=lambda: {role: Spread() for role in ROLES})
    encoding: bool = True

    @contextmanager
    def attached(self, model: nn.Module) -> Iterator[None]:
        """Listen to the mechanisms of a model."""
        with ExitStack() as stack:
            for mechanism in outermost(model):
                asking = mechanism.register_forward_pre_hook(ask, with_kwargs=True)
                hearing = mechanism.register_forward_hook(self._hear, with_kwargs=True)
                stack.callback(asking.remove)
                stack.callback(hearing.remove)
            yield

    def _hear(
        self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Attended
    ) -> None:
        if result.weights is not None:
            query, memory = (*args, kwargs.get("memory"))[:2]
            role = "encoder" if self.encoding else "decoder" if memory is query else "cross"
            self.spreads[role].add(result.weights)


def ask(
    _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Ask for weights in a call that did not."""
    return args, {**kwargs, "need_weights": True}


def outermost(model: nn.Module) -> Iterator[Attention]:
    """Find mechanisms that are no part of another."""
    for child in model.children():
        if isinstance(child, Attention):
            yield child
        else:
            yield from outermost(child)


@torch.inference_mode()
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
    recorder = Recorder()
    with recorder.attached(model), compute.autocast():
        for batch in single_batches(model, segmenters, pairs):
            source, lengths, target = (
                torch.from_numpy(each).to(compute.device)
                for each in (batch.source, batch.source_lengths, batch.target[:, :-1])
            )
            recorder.encoding = True
            memory = model.encode(source, lengths)
            recorder.encoding = False
            model.decode(memory, target, torch.from_numpy(batch.target_lengths).to(compute.device))
    means = {role: recorder.spreads[role].means() for role in ROLES}
    return {f"entropy_{role}": means[role][0] for role in ROLES} | {
        f"support_{role}": means[role][1] for role in ROLES
    }


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
