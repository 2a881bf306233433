"""Attention in a band by PyTorch's flex attention, which skips blocks that nothing sees.

B batch, H heads, G key/value heads, T queries, S keys, K head size.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from nmt.attention.dense import Composition
from nmt.attention.layout import Layout

Predicate = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def flex(
    composition: Composition, query: Tensor, key: Tensor, value: Tensor, layout: Layout
) -> Tensor:
    """Compute what `Composition` defines; compiled on a GPU, a plain definition elsewhere."""
    predicate = predicate_of(layout, query.size(0))
    compiled = query.device.type == "cuda"
    describe = compiled_description() if compiled else create_block_mask
    block_mask = describe(
        predicate, query.size(0), None, query.size(2), key.size(2), device=query.device.type
    )
    output: Tensor = (compiled_attention() if compiled else flex_attention)(
        query, key, value,
        block_mask=block_mask,
        scale=composition.score.scale,
        enable_gqa=key.size(1) != query.size(1),
    )  # fmt: skip
    return output


@functools.cache
def compiled_attention() -> Any:
    """Compile the kernel once."""
    return torch.compile(flex_attention, dynamic=True)


@functools.cache
def compiled_description() -> Any:
    """Compile the description of blocks, which would otherwise render all pairs."""
    return torch.compile(create_block_mask)


def predicate_of(layout: Layout, batch_size: int) -> Predicate:
    """Say for one pair what `Layout.visible` says for all."""
    device = layout.device
    lengths = layout.key_lengths
    if lengths is None:
        lengths = torch.full((batch_size,), layout.num_keys, device=device)
    rows, columns = layout.query_sentences, layout.key_sentences

    def sees(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        place = query + layout.offset
        seen = key < lengths[batch]
        if layout.causal:
            seen = seen & (key <= place)
        allowed = layout.pattern.allows(place, key)
        if allowed is not None:
            seen = seen & allowed
        if layout.pattern.sentences and rows is not None and columns is not None:
            seen = seen & (rows[batch, query] == columns[batch, key])
        return seen

    return sees
