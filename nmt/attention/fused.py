"""Scaled dot-product attention by PyTorch's fused kernel: weights are never materialised."""

import torch.nn.functional as F
from torch import Tensor

from nmt.attention.layout import Layout


def fused(query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> Tensor:
    """Compute what `dense` defines, in memory linear in the length.

    Args:
        query: (B, H, T, K).
        key, value: (B, H, S, K).

    Returns:
        The weighted values, (B, H, T, K).
    """
    # `is_causal` is aligned to the top left, so it is only right when nothing precedes.
    causal = layout.causal and layout.offset == 0 and layout.num_queries == layout.num_keys
    if causal and layout.key_lengths is None and layout.ancestry is None:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    visible = layout.visible()
    output = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
    if visible is None:
        return output
    return output.masked_fill(~visible.any(-1, keepdim=True), 0.0)  # kernels differ on such rows
