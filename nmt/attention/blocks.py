"""Blocks of keys and the summaries that stand for them where they are far.

A node is a key (level 0) or the summary of b nodes of the level below.

B batch, H heads, K head size, L levels, b block, N nodes, P blocks of queries, W nodes that the
queries of a block may reach.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.attention.normalisers import normalised
from nmt.attention.precision import exact_type


@dataclass(frozen=True)
class Nodes:
    """Keys or summaries, in order.

    Attributes:
        keys, values: (B, H, N, K).
        counts: (B or 1, N) the real keys that each stands for; 0: it is not there.
    """

    keys: Tensor
    values: Tensor
    counts: Tensor

    def summary(self, pool: Tensor, block: int) -> "Nodes":
        """Summarise each block of nodes; the last may be short.

        A summary is the mean of the block's keys, and of its values, weighted by a softmax of
        the keys' products with a pooling query (H, K). A node weighs as the keys it stands for.
        """
        short = -self.keys.size(2) % block
        keys, values = (
            F.pad(each, (0, 0, 0, short)).unflatten(2, (-1, block))  # (B, H, N/b, b, K)
            for each in (self.keys, self.values)
        )
        counts = F.pad(self.counts, (0, short)).unflatten(1, (-1, block))  # (B, N/b, b)
        scores = keys @ (pool * pool.size(-1) ** -0.5)[:, None, :, None]  # (B, H, N/b, b, 1)
        scores = scores.squeeze(-1) + log_counts(counts, scores.dtype).unsqueeze(1)
        weights = normalised(scores, (counts > 0).unsqueeze(1)).to(values.dtype).unsqueeze(-2)
        return Nodes((weights @ keys).squeeze(-2), (weights @ values).squeeze(-2), counts.sum(-1))


@dataclass(frozen=True)
class Blocks:
    """How a sequence is cut, and which nodes stand for the keys that a query attends to.

    A query attends exactly to the keys of its own block and of the neighbouring ones: the left,
    and the right too where the future may be seen, since the last of a block would know the
    very next key by a summary only. All else it sees by summaries of blocks. With several
    levels, those of blocks in its own and the neighbouring blocks of blocks only, and so on:
    a node is seen where its block is near, but the node itself is not. So each key is seen
    once, by itself or by one summary, and a causal query sees only what is complete before it.

    Attributes:
        block: b.
        levels: L.
        causal: Whether a query may not look at keys that stand after it.
    """

    block: int
    levels: int
    causal: bool

    def within(self, size: int) -> "Blocks":
        """Cut a sequence into no more than it holds: one block may be all of it."""
        return replace(self, block=max(1, min(self.block, size)))

    def sizes(self, size: int) -> list[int]:
        """Count the nodes of each level, keys first; levels that are near as a whole are none.

        There is always one level of summaries, so that the pooling query always has a gradient.
        """
        sizes = [size, -(-size // self.block)]
        while len(sizes) <= self.levels and sizes[-1] > 2:
            sizes.append(-(-sizes[-1] // self.block))
        return sizes

    def width(self, level: int) -> int:
        """Count the keys that a full node of a level stands for."""
        return int(self.block**level)

    def sees(self, queries: Tensor, nodes: Tensor, level: int, is_top: bool) -> Tensor:
        """Tell whether queries attend to nodes of a level, both given by index, broadcasting.

        It is the same for all queries of a block; that a causal one sees no key that stands
        after it is left to be said.
        """
        own = queries // self.width(level)
        near_above = (own // self.block - nodes // self.block).abs() <= 1
        if level == 0:
            return near_above
        far = own - nodes > 1 if self.causal else (own - nodes).abs() > 1
        return far if is_top else far & near_above

    def reach(self, level: int, num_blocks: int | None, size: int, device: torch.device) -> Tensor:
        """Index the nodes of a level that blocks of queries may attend to, (P or 1, W).

        Args:
            num_blocks: P; None for the top level, which all may attend to.
            size: Nodes of the level; an index out of range stands for one that is not there.
        """
        num_near = 2 if self.causal else 3
        if num_blocks is None or size <= num_near * self.block:
            return torch.arange(size, device=device).unsqueeze(0)
        own = torch.arange(num_blocks, device=device).unsqueeze(-1) // self.width(level)
        return (own - 1) * self.block + torch.arange(num_near * self.block, device=device)


def log_counts(counts: Tensor, dtype: torch.dtype) -> Tensor:
    """Give what the score of a node gains because it stands for several keys."""
    return counts.clamp(min=1).double().log().to(exact_type(dtype))
