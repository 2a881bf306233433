"""Attention that must see its weights, some queries at a time, recomputed for the gradient.

B batch, H heads, G key/value heads, T queries, S keys, K head size, c queries of a block.
"""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from nmt.attention.dense import Composition
from nmt.attention.layout import Layout, Tile


def blocked(
    composition: Composition, query: Tensor, key: Tensor, value: Tensor, layout: Layout
) -> Tensor:
    """Compute what `Composition` defines with the weights of c queries at a time in memory.

    The backward pass computes each block once more, so that nothing of size T x S is kept.
    """
    size, needs_gradient = composition.config.chunk, torch.is_grad_enabled()

    def block(rows: Tensor, keys: Tensor, values: Tensor, tile: Tile) -> Tensor:
        context, _ = composition(rows, keys, values, layout, tile)
        return context  # type: ignore[no-any-return]

    outputs = []
    for start in range(0, query.size(2), size):
        stop = min(start + size, query.size(2))
        seen = min(stop + layout.offset, key.size(2)) if layout.causal else key.size(2)
        tile = Tile(index(start, stop, query), index(0, seen, query))
        operands = query[:, :, start:stop], key[:, :, :seen], value[:, :, :seen], tile
        if needs_gradient:
            outputs.append(checkpoint(block, *operands, use_reentrant=False))
        else:
            outputs.append(block(*operands))
    return torch.cat(outputs, dim=2) if outputs else query


def index(start: int, stop: int, like: Tensor) -> Tensor:
    """Number places, (1, stop - start)."""
    return torch.arange(start, stop, device=like.device).unsqueeze(0)
