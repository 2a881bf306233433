"""Attention within sentences: the sentences of a line side by side, each attending to itself.

B batch, H heads, G key/value heads, n, m lengths, K head size; N sentences of at most s tokens.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.attention.dense import Composition
from nmt.attention.layout import Layout, Tile


@dataclass(frozen=True)
class Sentences:
    """Where the sentences of each line stand.

    Attributes:
        places: (B, N, s) index of each token; -1 where there is none.
        inverse: (B, n) place of each token among N * s.
    """

    places: Tensor
    inverse: Tensor

    @classmethod
    def find(cls, numbers: Tensor, count: int) -> "Sentences":
        """Find sentences by the number of each token's, (B, n), in any order."""
        batch_size, size = numbers.shape
        sizes = numbers.new_zeros((batch_size, count))
        sizes = sizes.scatter_add(1, numbers, torch.ones_like(numbers))  # (B, N)
        starts = sizes.cumsum(1) - sizes
        longest = int(sizes.max()) if sizes.numel() else 0
        inner = torch.arange(longest, device=numbers.device)
        order = numbers.argsort(dim=1, stable=True)  # padding may have any number
        sorted_places = (starts.unsqueeze(-1) + inner).clamp(max=size - 1).flatten(1)
        places = order.gather(1, sorted_places).view(batch_size, count, longest)
        places = places.masked_fill(inner >= sizes.unsqueeze(-1), -1)
        rank = torch.empty_like(order)
        rank.scatter_(1, order, torch.arange(size, device=order.device).expand_as(order))
        inverse = numbers * longest + rank - starts.gather(1, numbers)
        return cls(places, inverse)

    def apart(self, heads: Tensor) -> Tensor:
        """Put (B, H, n, K) side by side, (B, H, N, s, K)."""
        flat = self.places.clamp(min=0).flatten(1)[:, None, :, None]
        taken = heads.gather(2, flat.expand(-1, heads.size(1), -1, heads.size(-1)))
        apart: Tensor = taken.unflatten(2, self.places.shape[1:])
        return apart

    def join(self, heads: Tensor) -> Tensor:
        """Undo `apart`."""
        flat = self.inverse[:, None, :, None]
        index = flat.expand(-1, heads.size(1), -1, heads.size(-1))
        return heads.flatten(2, 3).gather(2, index)


def by_sentence(
    composition: Composition, query: Tensor, key: Tensor, value: Tensor, layout: Layout
) -> Tensor:
    """Compute what `Composition` defines where only one's own sentence is seen.

    Args:
        query: (B, H, n, K).
        key, value: (B, G, m, K).
    """
    rows = sentence_numbers(layout.query_sentences, query)
    columns = sentence_numbers(layout.key_sentences, key)
    if not rows.numel() or not columns.numel():
        return torch.zeros_like(query)
    count = int(torch.maximum(rows.max(), columns.max())) + 1
    queries, keys = Sentences.find(rows, count), Sentences.find(columns, count)
    context, _ = composition(
        queries.apart(query), keys.apart(key), keys.apart(value), layout,
        Tile(queries.places, keys.places),
    )  # fmt: skip
    return queries.join(context)


def sentence_numbers(numbers: Tensor | None, heads: Tensor) -> Tensor:
    """Take a line without numbers for one sentence."""
    if numbers is not None:
        return numbers
    return torch.zeros(heads.size(0), heads.size(2), dtype=torch.long, device=heads.device)
