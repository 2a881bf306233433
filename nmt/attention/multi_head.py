"""Multi-head attention.

B batch, T queries, S keys, D model size, H heads, K head size.
"""

import torch
from torch import Tensor, nn

from nmt.attention.caches import FixedKeyValues, GrowingKeyValues
from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Attended, Attention, Cache
from nmt.attention.kernels import Request, attend
from nmt.attention.layout import Layout


class MultiHeadAttention(Attention):
    """Attend with several heads at once, each in its own projection of the model.

    The projections of one input are packed into one matrix, since one wide product is faster
    than several narrow ones.

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, section 3.2.2.
    """

    def __init__(self, model_size: int, num_heads: int, role: str, config: AttentionConfig) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.config = config
        self.is_cross = role == "cross"
        if self.is_cross:
            self.query = packed_linear(model_size, 1)
            self.key_value = packed_linear(model_size, 2)
        else:
            self.query_key_value = packed_linear(model_size, 3)
        self.output = packed_linear(model_size, 1)

    def forward(
        self,
        query: Tensor,
        memory: Tensor | None,
        layout: Layout,
        *,
        cache: Cache | None = None,
        need_weights: bool = False,
    ) -> Attended:
        """Attend; see the contract."""
        queries, keys, values, cache = self._project(query, memory, cache)
        request = Request(
            device=query.device.type,
            num_keys=keys.size(2),
            needs_weights=need_weights,
            needs_gradient=queries.requires_grad,
            dropout=self.config.dropout if self.training else 0.0,
            forced=self.config.kernel,
        )
        context, weights = attend(queries, keys, values, layout, request)
        output = self.output(context.transpose(1, 2).flatten(2))  # (B, T, D)
        return Attended(output, cache, weights if need_weights else None)

    def start(self, batch_size: int, beam: int, limit: int) -> GrowingKeyValues:
        """Make the empty cache of self-attention."""
        weight = self.output.weight
        head_size = weight.size(0) // self.num_heads
        shape = (batch_size, self.num_heads, limit, beam, head_size)
        return GrowingKeyValues.empty(shape, working_type(weight), weight.device)

    def remember(self, memory: Tensor) -> FixedKeyValues:
        """Project the source once for all steps and hypotheses."""
        keys, values = self._heads(self.key_value(memory), 2)
        return FixedKeyValues(keys, values)

    def _project(
        self, query: Tensor, memory: Tensor | None, cache: Cache | None
    ) -> tuple[Tensor, Tensor, Tensor, Cache | None]:
        """Make queries, keys and values, (B, H, T or S, K), and the cache that follows."""
        if self.is_cross:
            (queries,) = self._heads(self.query(query), 1)
            if cache is None:
                assert memory is not None, "cross-attention needs a memory or a cache"
                cache = self.remember(memory)
            assert isinstance(cache, FixedKeyValues)
            return queries, cache.keys, cache.values, cache
        assert memory is query, "self-attention attends to its own input"
        queries, keys, values = self._heads(self.query_key_value(query), 3)
        if cache is None:
            return queries, keys, values, None
        assert isinstance(cache, GrowingKeyValues)
        cache = cache.append(keys, values)
        return queries, *cache.past(), cache

    def _heads(self, packed: Tensor, count: int) -> tuple[Tensor, ...]:
        """Cut (B, T, count * D) into `count` tensors of (B, H, T, K)."""
        split = packed.view(*packed.shape[:2], count, self.num_heads, -1)  # (B, T, count, H, K)
        return tuple(split.permute(2, 0, 3, 1, 4).unbind(0))


def working_type(weight: Tensor) -> torch.dtype:
    """Give the type that keys come in: autocast's where it is on."""
    device = weight.device.type
    on = torch.is_autocast_enabled(device)
    return torch.get_autocast_dtype(device) if on else weight.dtype


def packed_linear(model_size: int, count: int) -> nn.Linear:
    """Stack `count` square projections; each starts as it would alone."""
    linear = nn.Linear(model_size, count * model_size)
    for part in torch.split(linear.weight.data, model_size):
        nn.init.xavier_uniform_(part)
    nn.init.zeros_(linear.bias)
    return linear
