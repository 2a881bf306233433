"""Scaled dot-product attention by PyTorch's fused kernel: weights are never materialised."""

import torch.nn.functional as F
from torch import Tensor

from nmt.attention.dense import Composition
from nmt.attention.layout import Layout
from nmt.attention.products import repeated


def fused(
    composition: Composition, query: Tensor, key: Tensor, value: Tensor, layout: Layout
) -> Tensor:
    """Compute what `Composition` defines, in memory linear in the length.

    Args:
        query: (B, H, T, K).
        key, value: (B, G, S, K).

    Returns:
        The weighted values, (B, H, T, K).
    """
    num_heads = query.size(1)
    if key.size(1) != num_heads:
        if layout.is_step:
            return in_groups(composition, query, key, value, layout)
        key, value = repeated(key, num_heads), repeated(value, num_heads)
    causal, scale = is_plainly_causal(layout), composition.score.scale
    hidden = None if causal else mask_of(layout, query)
    output = F.scaled_dot_product_attention(
        query, key, value, attn_mask=hidden, is_causal=causal, scale=scale
    )
    blind = None if hidden is None else layout.blind()
    return output if blind is None else output.masked_fill(blind, 0.0)


def mask_of(layout: Layout, query: Tensor) -> Tensor | None:
    """Render a layout for the kernel, which on a processor would render booleans in every layer."""
    if layout.is_step and query.device.type == "cpu":
        return layout.addend(query.dtype)
    return layout.visible()


def is_plainly_causal(layout: Layout) -> bool:
    """Tell whether the kernel's own causality, aligned to the top left, says all."""
    if not layout.causal or layout.offset or layout.num_queries != layout.num_keys:
        return False
    return layout.key_lengths is None and layout.ancestry is None and layout.is_full


def in_groups(
    composition: Composition, query: Tensor, key: Tensor, value: Tensor, layout: Layout
) -> Tensor:
    """Attend with the queries of a group below each other, so that no key is stored twice."""
    groups, visible = key.size(1), mask_of(layout, query)
    size, length = query.size(1) // groups, query.size(2)
    folded = query.unflatten(1, (groups, size)).flatten(2, 3)  # (B, G, R * T, K)
    if visible is not None:
        visible = visible.repeat(1, 1, size if visible.size(2) > 1 else 1, 1)
    scale = composition.score.scale
    output = F.scaled_dot_product_attention(folded, key, value, attn_mask=visible, scale=scale)
    apart: Tensor = output.unflatten(2, (size, length))
    context, blind = apart.flatten(1, 2), layout.blind()
    return context if blind is None else context.masked_fill(blind, 0.0)
