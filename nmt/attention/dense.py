"""The definition of scaled dot-product attention: materialised, and obviously right.

B batch, H heads, T queries, S keys, K head size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.attention.layout import Layout

HIDDEN = -1e9  # finite, so that a row of nothing but hidden keys stays a number


def dense(
    query: Tensor, key: Tensor, value: Tensor, layout: Layout, dropout: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Weight values by the softmax of scaled dot products.

    Args:
        query: (B, H, T, K).
        key, value: (B, H, S, K).
        dropout: Share of the weights dropped.

    Returns:
        The weighted values (B, H, T, K) and the weights (B, H, T, S).

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, equation 1.
    """
    scores = (query * query.size(-1) ** -0.5) @ key.mT  # (B, H, T, S)
    weights = normalised(scores, layout.visible()).to(value.dtype)
    if dropout > 0.0:
        weights = F.dropout(weights, dropout)
    return weights @ value, weights


def normalised(scores: Tensor, visible: Tensor | None) -> Tensor:
    """Take the softmax over visible keys in at least float32; a row that sees none is zero."""
    exact = torch.promote_types(scores.dtype, torch.float32)  # float64 stays float64
    if visible is None:
        return scores.softmax(dim=-1, dtype=exact)
    hidden = max(HIDDEN, torch.finfo(scores.dtype).min)  # float16 ends at -65504
    weights = scores.masked_fill(~visible, hidden).softmax(dim=-1, dtype=exact)
    return weights.masked_fill(~visible, 0.0)  # not nan_to_num: that would hide real faults
