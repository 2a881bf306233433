"""Linear attention: weights that are products of features, so that the past is a sum.

B batch, T queries, S keys, D model size, H heads, K head size, R features.
"""

import torch
from torch import Tensor

from nmt.attention.chunked import chunked, quadratic, suits, without_padding
from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Attended, Attention, Cache, Lent, Place, working_type
from nmt.attention.features import make_features
from nmt.attention.kernels import Choice, Request
from nmt.attention.layout import Layout
from nmt.attention.multi_head import packed_linear
from nmt.attention.running import FixedSums, RunningSums, counted, exactly, ratio


class LinearAttention(Attention):
    """Weight values by products of the features of queries and keys, divided by their sum.

    With a sum over keys of features times values, and of features alone, attention costs the
    same for every query, however many keys there are; a decoder remembers nothing else. Both
    stand in one matrix here, since each value is given a last coordinate of one. All of it runs
    in at least float32, whatever the type of the rest.

    Source: Katharopoulos et al. (2020), https://arxiv.org/abs/2006.16236.
    """

    gives_weights = False

    def __init__(self, place: Place, config: AttentionConfig) -> None:
        super().__init__()
        self.place = place
        self.config = config
        if place.is_cross:
            self.query = packed_linear(place.model_size, 1)
            self.key_value = packed_linear(place.model_size, 2)
        else:
            self.query_key_value = packed_linear(place.model_size, 3)
        self.output = packed_linear(place.model_size, 1)
        self.features = make_features(place, config)

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
        queries, keys, values = self._project(query, memory)
        with torch.autocast(query.device.type, enabled=False):
            if cache is not None:
                sums, cache = self._step(queries, keys, values, cache)
            else:
                assert keys is not None, "attention needs a memory or a cache"
                assert values is not None, "keys come with values"
                sums = self._sums(queries, keys, values, layout)
            context = ratio(sums, self.features.least).to(queries.dtype)  # (B, H, T, K)
        return Attended(self.output(context.transpose(1, 2).flatten(2)), cache)

    def start(self, batch_size: int, beam: int, limit: int) -> RunningSums:
        """Make sums over nothing; they need no limit."""
        size, weight = self.place.head_size, self.output.weight
        shape = (batch_size, beam, self.place.num_heads, self.features.num_features, size + 1)
        exact = torch.promote_types(working_type(weight), torch.float32)
        return RunningSums(torch.zeros(shape, dtype=exact, device=weight.device))

    def remember(self, memory: Tensor, lengths: Tensor) -> FixedSums:
        """Sum over the source once for all steps and hypotheses, (B, H, R, K + 1)."""
        keys, values = self._heads(self.key_value(memory), 2)
        with torch.autocast(memory.device.type, enabled=False):
            keys = without_padding(self.features.keys(exactly(keys)), lengths)
            return FixedSums(keys.mT @ counted(values))

    def choose(self, request: Request) -> Choice:
        """Say which kernel serves a request, and why."""
        if request.forced == "dense":
            return Choice("dense", "asked for by name")
        return Choice("chunked", "in time and memory linear in the length")

    def _sums(self, queries: Tensor, keys: Tensor, values: Tensor, layout: Layout) -> Tensor:
        """Sum over the keys that each query sees, (B, H, T, K + 1)."""
        queries, keys = self.features.queries(exactly(queries)), self.features.keys(exactly(keys))
        if self.config.kernel == "dense" or not suits(layout):
            return quadratic(queries, keys, counted(values), layout)
        return chunked(queries, keys, counted(values), layout, self.config.chunk)

    def _step(
        self, queries: Tensor, keys: Tensor | None, values: Tensor | None, cache: Cache
    ) -> tuple[Tensor, Cache]:
        """Give the sums that hypotheses see, (B, H, beam, K + 1), and the cache that follows."""
        queries = self.features.queries(exactly(queries))  # (B, H, beam, R)
        if isinstance(cache, FixedSums):
            return queries @ cache.sums, cache
        assert isinstance(cache, RunningSums)
        assert keys is not None, "a step adds its own key"
        assert values is not None, "and its value"
        keys, values = self.features.keys(exactly(keys)), counted(values)
        new = keys.transpose(1, 2).unsqueeze(-1), values.transpose(1, 2).unsqueeze(-2)
        sums = torch.addcmul(cache.sums, *new)  # (B, beam, H, R, K + 1)
        seen = queries.transpose(1, 2).unsqueeze(-2) @ sums  # (B, beam, H, 1, K + 1)
        return seen.squeeze(-2).transpose(1, 2), RunningSums(sums)

    def _project(
        self, query: Tensor, memory: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Make queries, keys and values, (B, H, T or S, K); no keys where they are remembered."""
        if not self.place.is_cross:
            assert memory is query, "self-attention attends to its own input"
            queries, keys, values = self._heads(self.query_key_value(query), 3)
            return queries, keys, values
        (queries,) = self._heads(self.query(query), 1)
        if memory is None:
            return queries, None, None
        keys, values = self._heads(self.key_value(memory), 2)
        return queries, keys, values

    def _heads(self, packed: Tensor, count: int) -> tuple[Tensor, ...]:
        """Cut (B, T, count * D) into `count` tensors of (B, H, T, K)."""
        heads = (count, self.place.num_heads, self.place.head_size)
        split = packed.view(*packed.shape[:2], *heads)  # (B, T, count, H, K)
        return tuple(split.permute(2, 0, 3, 1, 4).unbind(0))
