"""What block-hierarchical attention remembers between decoding steps.

B batch, H heads, K head size, T hypotheses of a sentence (the beam), b block, N nodes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nmt.attention.blocks import Blocks, Nodes
from nmt.attention.contract import Cache
from nmt.attention.layout import Layout
from nmt.attention.normalisers import normalised
from nmt.attention.precision import exact_type

Summaries = tuple[tuple[Tensor, Tensor], ...]


@dataclass(frozen=True)
class BlockCache(Cache):
    """The keys of the last two blocks, and summaries of the complete ones.

    Keys stay where the row that wrote them put them, and ancestry finds them. A summary is of
    one hypothesis' own path through its block, so summaries follow their hypotheses.

    Attributes:
        blocks: How the past is cut.
        keys, values: (B, H, 2b, T, K) of positions, the oldest held first.
        summaries: For each level from 1 the keys and values, (B, H, T, N, K), of its last nodes:
            all at the top, below it those that are near at the next level.
        length: Positions written.
    """

    blocks: Blocks
    keys: Tensor
    values: Tensor
    summaries: Summaries
    length: int

    @classmethod
    def empty(
        cls,
        blocks: Blocks,
        shape: tuple[int, int, int, int, int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> "BlockCache":
        """Allocate (B, H, 2b, T, K) and no summaries."""
        batch_size, heads, _, beam, head_size = shape
        keys, values = (torch.empty(shape, dtype=dtype, device=device) for _ in range(2))
        none = keys.new_empty((batch_size, heads, beam, 0, head_size))
        return cls(blocks, keys, values, ((none, none),) * blocks.levels, 0)

    @property
    def first(self) -> int:
        """Give the position of the oldest key that is held."""
        block = self.blocks.block
        return max(0, ((self.length - 1) // block - 1) * block)

    def append(self, key: Tensor, value: Tensor) -> "BlockCache":
        """Write one position, (B, H, T, K); what is left of the left neighbour is forgotten."""
        block, after = self.blocks.block, replace(self, length=self.length + 1)
        slot = self.length - after.first
        for buffer, new in ((self.keys, key), (self.values, value)):
            if after.first > self.first:
                buffer[:, :, :block] = buffer[:, :, block:]
            buffer[:, :, slot] = new
        return after

    def attend(self, query: Tensor, layout: Layout) -> Tensor:
        """Attend from the position just written, (B, H, T, K)."""
        held = torch.arange(self.first, self.length, device=query.device)
        keys, values = (each[:, :, : len(held)].flatten(2, 3) for each in (self.keys, self.values))
        far, gains = self._far(query.dtype)
        query = query * query.size(-1) ** -0.5
        scores = query @ keys.mT  # (B, H, T, steps * T)
        far_scores = (far[0] @ query.unsqueeze(-1)).squeeze(-1) + gains  # (B, H, T, N)
        visible = layout.holding(held).visible()
        if visible is not None:
            seen = visible.new_ones(()).expand(*visible.shape[:-1], len(gains))
            visible = torch.cat([visible, seen], -1)
        weights = normalised(torch.cat([scores, far_scores], -1), visible).to(values.dtype)
        near_weights, far_weights = weights.split([scores.size(-1), len(gains)], -1)
        context: Tensor = near_weights @ values + (far_weights.unsqueeze(-2) @ far[1]).squeeze(-2)
        return context

    def complete(self, pools: Tensor, layout: Layout) -> "BlockCache":
        """Summarise what the position just written has completed, by pools (L, H, K)."""
        summaries: list[tuple[Tensor, Tensor]] = []
        for level, kept in enumerate(self.summaries, start=1):
            if self.length % self.blocks.width(level):
                summaries += self.summaries[level - 1 :]
                break
            parts = summaries[-1] if summaries else self._own_block(layout)
            new = self._summary(parts, level, pools[level - 1])
            summaries.append((torch.cat([kept[0], new[0]], 3), torch.cat([kept[1], new[1]], 3)))
        return replace(self, summaries=self._near(summaries))

    def reorder(self, parents: Tensor) -> "BlockCache":
        """Let summaries follow their hypotheses; ancestry finds the keys."""
        if parents.size(1) == 1:
            return self
        index = parents[:, None, :, None, None]
        return self._each(lambda kept: kept.gather(2, index.expand_as(kept)))

    def select(self, sentences: Tensor) -> "BlockCache":
        """Keep some sentences; only what was written is copied."""
        after, written = self._each(lambda kept: kept[sentences]), self.length - self.first
        buffers = []
        for buffer in (self.keys, self.values):
            buffers.append(buffer.new_empty((len(sentences), *buffer.shape[1:])))
            buffers[-1][:, :, :written] = buffer[:, :, :written].index_select(0, sentences)
        return replace(after, keys=buffers[0], values=buffers[1])

    def num_bytes(self) -> int:
        """Count the memory of keys that are held and of summaries."""
        held = 2 * self.keys[:, :, : self.length - self.first].nbytes
        return held + sum(kept.nbytes for pair in self.summaries for kept in pair)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "BlockCache":
        pairs = tuple((change(keys), change(values)) for keys, values in self.summaries)
        return replace(self, summaries=pairs)

    def _far(self, dtype: torch.dtype) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """List the summaries that the last position sees, (B, H, T, N, K), and their gains (N,).

        The last of each level stands for the left neighbour, which is seen in more detail.
        """
        exact = exact_type(dtype)
        seen = [(keys[:, :, :, :-1], values[:, :, :, :-1]) for keys, values in self.summaries]
        gains = [
            keys.new_full((keys.size(3),), level * math.log(self.blocks.block), dtype=exact)
            for level, (keys, _) in enumerate(seen, start=1)
        ]
        far = torch.cat([keys for keys, _ in seen], 3), torch.cat([values for _, values in seen], 3)
        return far, torch.cat(gains)

    def _own_block(self, layout: Layout) -> tuple[Tensor, Tensor]:
        """Find the keys and values of the block just completed on each hypothesis' own path.

        Returns:
            (B, H, T, b, K) each.
        """
        assert layout.ancestry is not None, "steps know who wrote their past"
        begin = self.length - self.blocks.block
        rows = layout.ancestry[:, None, :, begin:, None]  # (B, 1, T, b, 1)
        block = slice(begin - self.first, self.length - self.first)
        keys, values = (each[:, :, block].transpose(2, 3) for each in (self.keys, self.values))
        index = rows.expand(keys.shape)
        return keys.gather(2, index), values.gather(2, index)

    def _summary(
        self, parts: tuple[Tensor, Tensor], level: int, pool: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Summarise the last b nodes of the level below, (B, H, T, N, K), as (B, H, T, 1, K)."""
        block = self.blocks.block
        keys, values = (each[:, :, :, -block:].flatten(2, 3) for each in parts)
        width = self.blocks.width(level - 1)
        counts = torch.full((1, keys.size(2)), width, device=keys.device)
        summary = Nodes(keys, values, counts).summary(pool, block)
        return summary.keys.unsqueeze(3), summary.values.unsqueeze(3)

    def _near(self, summaries: list[tuple[Tensor, Tensor]]) -> Summaries:
        """Forget below the top what the next position sees by summaries of the next level."""
        near = list(summaries)
        for level, (keys, values) in enumerate(summaries[:-1], start=1):
            above = self.length // self.blocks.width(level + 1)
            oldest = max(0, (above - 1) * self.blocks.block)
            kept = self.length // self.blocks.width(level) - oldest
            drop = keys.size(3) - kept
            near[level - 1] = keys[:, :, :, drop:], values[:, :, :, drop:]
        return tuple(near)
