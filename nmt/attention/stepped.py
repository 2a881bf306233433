"""Scaled dot-product attention of a decoding step on a processor: few queries, many sentences.

PyTorch's fused kernel prepares a product for each head of each sentence, which takes longer than
the products of a step do.

B batch, H heads, G key/value heads, T hypotheses, S keys, K head size.
"""

from torch import Tensor

from nmt.attention.dense import Composition
from nmt.attention.layout import Layout
from nmt.attention.precision import exactly
from nmt.attention.products import grouped


def stepped(
    composition: Composition, query: Tensor, key: Tensor, value: Tensor, layout: Layout
) -> Tensor:
    """Compute what `Composition` defines: the values (B, G, S, K), weighted, as (B, H, T, K)."""
    scores = exactly(composition.score(query, key))
    hidden = layout.addend(scores.dtype)
    if hidden is not None:
        scores = scores.add_(hidden)
    context = grouped(scores.softmax(-1).to(value.dtype), value)
    blind = None if hidden is None else layout.blind()
    return context if blind is None else context.masked_fill(blind, 0.0)
