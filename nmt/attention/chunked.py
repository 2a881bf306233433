"""Sums over visible keys, weighted by products of features: by definition, and in linear time.

B batch, H heads, T queries, S keys, R features, V width of values, N chunks of C positions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.attention.layout import Layout


def quadratic(queries: Tensor, keys: Tensor, values: Tensor, layout: Layout) -> Tensor:
    """Sum values weighted by materialised products: the definition, for any layout.

    Args:
        queries: (B, H, T, R).
        keys: (B, H, S, R).
        values: (B, H, S, V).

    Returns:
        (B, H, T, V).
    """
    weights = queries @ keys.mT  # (B, H, T, S)
    visible = layout.visible()
    if visible is not None:
        weights = weights.masked_fill(~visible, 0.0)
    return weights @ values


def chunked(queries: Tensor, keys: Tensor, values: Tensor, layout: Layout, chunk: int) -> Tensor:
    """Compute what `quadratic` defines, in time and memory linear in the length.

    Without causality one sum over all keys serves all queries. With it, each chunk of queries
    gets the sum over all chunks before, and its own keys by products inside the chunk.

    Source: Katharopoulos et al. (2020), https://arxiv.org/abs/2006.16236, section 3.3; chunks:
    Hua et al. (2022), https://arxiv.org/abs/2202.10447.
    """
    assert suits(layout), "hypotheses have no order to sum by"
    keys = without_padding(keys, layout.key_lengths)
    if not layout.causal or layout.offset >= layout.num_keys - 1:
        return queries @ (keys.mT @ values)
    past_keys, own_keys = split(keys, layout)
    past_values, own_values = split(values, layout)
    sums = causal(queries, own_keys, own_values, chunk)
    return sums + queries @ (past_keys.mT @ past_values) if layout.offset else sums


def suits(layout: Layout) -> bool:
    """Tell whether queries are positions in order, not hypotheses that each have their past."""
    return layout.ancestry is None and not (layout.causal and layout.hypotheses)


def without_padding(keys: Tensor, lengths: Tensor | None) -> Tensor:
    """Let the features of keys (B, H, S, R) vanish from `lengths` (B,) on."""
    if lengths is None:
        return keys
    places = torch.arange(keys.size(2), device=keys.device)
    hidden = places >= lengths.unsqueeze(-1)  # (B, S)
    return keys.masked_fill(hidden[:, None, :, None], 0.0)


def split(states: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """Part what all queries see from what stands beside them, the latter one for each query."""
    past = states[:, :, : layout.offset]
    own = states[:, :, layout.offset : layout.offset + layout.num_queries]
    missing = layout.num_queries - own.size(2)
    return past, F.pad(own, (0, 0, 0, missing)) if missing else own


def causal(queries: Tensor, keys: Tensor, values: Tensor, chunk: int) -> Tensor:
    """Sum over the keys up to each query's own, all of the same length T."""
    size = queries.size(2)
    chunk = min(chunk, max(size, 1))
    queries, keys, values = (in_chunks(each, chunk) for each in (queries, keys, values))
    sums = (queries @ keys.mT).tril() @ values  # (B, H, N, C, V)
    if size > chunk:
        own = keys[:, :, :-1].mT @ values[:, :, :-1]  # (B, H, N - 1, R, V)
        before = F.pad(own.cumsum(2), (0, 0, 0, 0, 1, 0))  # never its own: it lies ahead in part
        sums = sums + queries @ before
    return sums.flatten(2, 3)[:, :, :size]


def in_chunks(states: Tensor, chunk: int) -> Tensor:
    """Cut (B, H, T, R) into (B, H, N, C, R), the last filled up with zeros."""
    missing = -states.size(2) % chunk
    padded = F.pad(states, (0, 0, 0, missing)) if missing else states.contiguous()
    return padded.view(*padded.shape[:2], padded.size(2) // chunk, chunk, padded.size(3))
