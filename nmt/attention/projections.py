"""Projections from the model to heads, packed: one wide product is faster than narrow ones.

B batch, T positions, D model size, H heads, K head size.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from nmt.attention.config import AttentionConfig
from nmt.attention.rows import Rows

PLACED = ("query", "key")  # what positions change; they stand before all else


class PackedLinear(nn.Linear):
    """Several projections of one input as one matrix, by name.

    Attributes:
        parts: Heads that each projection makes.
    """

    def __init__(self, model_size: int, head_size: int, parts: Mapping[str, int]) -> None:
        super().__init__(model_size, head_size * sum(parts.values()))
        self.parts = dict(parts)
        self.counts = list(parts.values())
        self.num_heads = sum(self.counts)
        self.head_size = head_size
        for part in torch.split(self.weight.data, [head_size * n for n in parts.values()]):
            if part.numel():
                nn.init.xavier_uniform_(part)  # each starts as it would alone
        nn.init.zeros_(self.bias)

    def reset_parameters(self) -> None:
        """Start as a linear layer does, where there is anything: pruning may leave no head."""
        if self.weight.numel():
            super().reset_parameters()

    def heads(
        self,
        states: Tensor,
        rows: Rows | None = None,
        place: Callable[[Tensor], Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Project (B, T, D), or the rows (1, R, D) of a step, to (B, H, T, K) by name.

        Args:
            place: What changes queries and keys by where they stand, all of them in one go; keys
                that are the values as well are given as "value" without it.
        """
        packed: Tensor = self(states)
        if rows is not None:
            packed = rows.spread(packed)
        batch_size, length, _ = packed.shape
        cut = packed.view(batch_size, length, self.num_heads, self.head_size).transpose(1, 2)
        if place is not None:
            return self._placed(cut, place)
        return dict(zip(self.parts, cut.split_with_sizes(self.counts, 1), strict=True))

    def _placed(self, cut: Tensor, place: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        names = [name for name in self.parts if name in PLACED]
        counts, others = self.counts[: len(names)], self.counts[len(names) :]
        first, rest = cut.split_with_sizes([sum(counts), sum(others)], 1)
        made = dict(zip(names, place(first).split_with_sizes(counts, 1), strict=True))
        made |= zip(list(self.parts)[len(names) :], rest.split_with_sizes(others, 1), strict=True)
        if "key" in made and "value" not in made:
            made["value"] = first.split_with_sizes(counts, 1)[names.index("key")]
        return made

    def by_head(self, packed: Tensor) -> dict[str, Tensor]:
        """Cut the weight (H K, D), or the bias (H K,), into heads (H, K, ...) by name."""
        cut = packed.unflatten(0, (-1, self.head_size))
        return dict(zip(self.parts, cut.split(list(self.parts.values())), strict=True))


def parts_of(config: AttentionConfig, num_heads: int, follows: bool) -> dict[str, int]:
    """Say which projections a mechanism has, and how many heads each makes.

    Args:
        follows: Whether another layer lends what is shared.
    """
    groups = config.key_value_heads or num_heads
    parts = {"query": num_heads, "key": groups, "value": groups}
    if follows and config.share == "key-value":
        return {"query": num_heads}
    if follows and config.share == "weights":
        return {"value": groups}
    if config.tied == "query-key":
        del parts["key"]
    if config.tied == "key-value":
        del parts["value"]
    return parts
