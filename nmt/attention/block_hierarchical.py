"""Block-hierarchical attention: near keys exactly, far blocks of keys by their summaries.

B batch, T queries, S keys, D model size, H heads, K head size, L levels, b block, N nodes,
P blocks of queries, W nodes that the queries of a block may reach.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.attention.block_cache import BlockCache
from nmt.attention.blocks import Blocks, Nodes, log_counts
from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Attended, Attention, Cache, Lent, Place, working_type
from nmt.attention.kernels import Choice, Request
from nmt.attention.layout import Layout
from nmt.attention.normalisers import HIDDEN, normalised
from nmt.attention.projections import PackedLinear


class BlockHierarchicalAttention(Attention):
    """Attend to the keys of near blocks, and to one summary of each far block.

    Near are the query's own block and its left neighbour, in an encoder the right one too; see
    `Blocks` for what is near with several levels. One softmax runs over keys and summaries.
    The score of a summary gains the logarithm of the number of its keys, so that a block of
    copies of one key weighs as all of its copies would. The pooling queries start at zero,
    where a summary is the mean of its block. Padding is left out of summaries, and a block of
    nothing else has none. A decoder sees summaries of complete earlier blocks only.

    Source: in the spirit of Yang et al. (2016), https://aclanthology.org/N16-1174, section 2.2
    (pooling by a learned query), and Zhu and Soricut (2021), https://arxiv.org/abs/2107.11906
    (near exactly, far by levels). The latter summarises queries as well, and takes means only.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"encoder", "decoder"})
    gives_weights: ClassVar[bool] = False

    def __init__(self, place: Place, config: AttentionConfig) -> None:
        super().__init__()
        self.num_heads = place.num_heads
        self.kernel = config.kernel
        self.blocks = Blocks(config.block, config.levels, causal=place.role == "decoder")
        parts = dict.fromkeys(("query", "key", "value"), place.num_heads)
        self.query_key_value = PackedLinear(place.model_size, place.head_size, parts)
        self.output = PackedLinear(place.model_size, place.model_size, {"output": 1})
        self.pool = nn.Parameter(torch.zeros(config.levels, place.num_heads, place.head_size))

    def forward(
        self,
        query: Tensor,
        memory: Tensor | None,
        layout: Layout,
        *,
        cache: Cache | None = None,
        need_weights: bool = False,
        lent: Lent | None = None,
    ) -> Attended:
        """Attend; see the contract."""
        assert memory is query, "self-attention attends to its own input"
        assert not need_weights, "weights of summaries are no weights of keys"
        queries, keys, values = self.query_key_value.heads(query).values()  # (B, H, T, K) each
        if cache is not None:
            assert isinstance(cache, BlockCache)
            cache = cache.append(keys, values)
            context = cache.attend(queries, layout)
            cache = cache.complete(self.pool, layout)
        else:
            context = self._attend(queries, keys, values, layout)
        return Attended(self.output(context.transpose(1, 2).flatten(2)), cache)

    def choose(self, request: Request) -> Choice:
        """Say which kernel serves a request, and why."""
        if request.forced != "auto":
            return Choice(request.forced, "asked for by name")
        if request.num_keys <= 2 * self.blocks.block:
            return Choice("dense", "two blocks or fewer are near each other as a whole")
        return Choice("banded", "its time and memory grow as n (b + n / b)")

    def start(self, batch_size: int, beam: int, limit: int) -> BlockCache:
        """Make the empty cache of self-attention."""
        weight = self.output.weight
        held = min(2 * self.blocks.block, limit)
        shape = (batch_size, self.num_heads, held, beam, weight.size(0) // self.num_heads)
        return BlockCache.empty(self.blocks, shape, working_type(weight), weight.device)

    def remember(self, memory: Tensor, lengths: Tensor) -> Cache:
        """Fail: there is no cross-attention by blocks."""
        raise NotImplementedError("block-hierarchical attention is self-attention")

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> Tensor:
        """Run a full pass, (B, H, T, K) each."""
        assert layout.offset == 0, "a full pass starts at the first key"
        assert layout.causal == self.blocks.causal, "its role says what it may see"
        request = Request(
            device=query.device.type,
            num_keys=key.size(2),
            needs_gradient=query.requires_grad,
            forced=self.kernel,
        )
        blocks = self.blocks.within(key.size(2))
        levels = [Nodes(key, value, count(layout))]
        for pool in self.pool[: len(blocks.sizes(key.size(2))) - 1]:
            levels.append(levels[-1].summary(pool, blocks.block))
        kernel = banded if self.choose(request).kernel == "banded" else dense
        return kernel(query, levels, blocks)


def count(layout: Layout) -> Tensor:
    """Tell which keys are real, 1 or 0, (B or 1, S)."""
    places = torch.arange(layout.num_keys, device=layout.device).unsqueeze(0)
    if layout.key_lengths is None:
        return torch.ones_like(places)
    return (places < layout.key_lengths.unsqueeze(-1)).long()


def dense(query: Tensor, levels: Sequence[Nodes], blocks: Blocks) -> Tensor:
    """Define the weighted values, (B, H, T, K): all nodes of all levels are scored."""
    size = query.size(2)
    queries = torch.arange(size, device=query.device).unsqueeze(-1)
    seen = []
    for level, nodes in enumerate(levels):
        places = torch.arange(nodes.keys.size(2), device=query.device)
        sees = blocks.sees(queries, places, level, level == len(levels) - 1)
        if blocks.causal and level == 0:
            sees = sees & (places <= queries)
        seen.append(sees & (nodes.counts > 0).unsqueeze(1))  # (B, T, N)
    nodes = together(levels)
    scores = (query * query.size(-1) ** -0.5) @ nodes.keys.mT  # (B, H, T, N)
    scores = scores + log_counts(nodes.counts, scores.dtype)[:, None, None]
    weights = normalised(scores, torch.cat(seen, -1).unsqueeze(1))
    return weights.to(nodes.values.dtype) @ nodes.values


def banded(query: Tensor, levels: Sequence[Nodes], blocks: Blocks) -> Tensor:
    """Compute what `dense` defines, each block of queries with only the nodes it may reach."""
    size, block = query.size(2), blocks.block
    num_blocks = -(-size // block)
    nodes = together(levels)
    index, seen = reached(levels, blocks, num_blocks)
    keys, values = (
        each.transpose(1, 2)[:, index.flatten()]  # (B, P W, H, K)
        .unflatten(1, index.shape).flatten(0, 1).transpose(1, 2)  # (B P, H, W, K)
        for each in (nodes.keys, nodes.values)
    )  # fmt: skip
    gain = log_counts(nodes.counts, query.dtype)[:, index].unsqueeze(2)  # (B or 1, P, 1, W)
    bias = gain.to(query.dtype).masked_fill(~seen, max(HIDDEN, torch.finfo(query.dtype).min))
    bias = bias.expand(query.size(0), *bias.shape[1:]).flatten(0, 1).unsqueeze(1)
    queries = F.pad(query, (0, 0, 0, num_blocks * block - size))
    queries = queries.unflatten(2, (-1, block)).transpose(1, 2).flatten(0, 1)  # (B P, H, b, K)
    output = F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
    output = output.unflatten(0, (-1, num_blocks))  # (B, P, H, b, K)
    blind = ~seen.any(-1)[:, :, None, :, None]
    context: Tensor = output.masked_fill(blind, 0.0).transpose(1, 2).flatten(2, 3)
    return context[:, :, :size]


def together(levels: Sequence[Nodes]) -> Nodes:
    """Put the nodes of all levels in one row."""
    return Nodes(
        torch.cat([nodes.keys for nodes in levels], 2),
        torch.cat([nodes.values for nodes in levels], 2),
        torch.cat([nodes.counts for nodes in levels], 1),
    )


def reached(levels: Sequence[Nodes], blocks: Blocks, num_blocks: int) -> tuple[Tensor, Tensor]:
    """Find the nodes that each block of queries may reach, as if all stood in one row.

    Returns:
        Their index (P, W), and which of them a query sees, (B or 1, P, b or 1, W): all queries
        of a block see the same but for what is causal within the block.
    """
    device = levels[0].counts.device
    rows = torch.arange(blocks.block if blocks.causal else 1, device=device).unsqueeze(-1)
    starts = torch.arange(num_blocks, device=device)[:, None, None] * blocks.block  # (P, 1, 1)
    indices, seen, first = [], [], 0
    for level, nodes in enumerate(levels):
        size, is_top = nodes.counts.size(1), level == len(levels) - 1
        places = blocks.reach(level, None if is_top else num_blocks, size, device)
        index = places.clamp(0, size - 1).expand(num_blocks, -1)
        real = (places == index) & (nodes.counts[:, index] > 0)  # (B or 1, P, W)
        sees = blocks.sees(starts, places.unsqueeze(1), level, is_top) & real.unsqueeze(2)
        if blocks.causal and level == 0:
            sees = sees & (places.unsqueeze(1) <= starts + rows)
        seen.append(sees.expand(-1, -1, len(rows), -1))
        indices.append(index + first)
        first += size
    return torch.cat(indices, -1), torch.cat(seen, -1)
