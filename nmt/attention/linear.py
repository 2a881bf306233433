"""Linear attention: weights that are products of features, so that the past is a sum.

B batch, T queries, S keys, D model size, H heads, K head size, R features.
"""

import torch
from torch import Tensor, nn

from nmt.attention.chunked import chunked, quadratic, suits, without_padding
from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Attended, Attention, Cache, Lent, Place, working_type
from nmt.attention.features import make_features
from nmt.attention.kernels import Choice, Request
from nmt.attention.layout import Layout
from nmt.attention.precision import exact_type, exactly
from nmt.attention.projections import PackedLinear
from nmt.attention.running import FixedSums, RunningSums, counted, ratio


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
        self._project_from(place)
        self.output = nn.Linear(place.model_size, place.model_size)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.features = make_features(place, config)

    def _project_from(self, place: Place) -> None:
        size, heads = (place.model_size, place.head_size), place.num_heads
        if place.is_cross:
            self.query = PackedLinear(*size, {"query": heads})
            self.key_value = PackedLinear(*size, {"key": heads, "value": heads})
        else:
            parts = {"query": heads, "key": heads, "value": heads}
            self.query_key_value = PackedLinear(*size, parts)

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
        exact = exact_type(working_type(weight))
        return RunningSums(torch.zeros(shape, dtype=exact, device=weight.device))

    def remember(self, memory: Tensor, lengths: Tensor) -> FixedSums:
        """Sum over the source once for all steps and hypotheses, (B, H, R, K + 1)."""
        made = self.key_value.heads(memory)
        with torch.autocast(memory.device.type, enabled=False):
            keys = without_padding(self.features.keys(exactly(made["key"])), lengths)
            return FixedSums(keys.mT @ counted(made["value"]))

    def choose(self, request: Request) -> Choice:
        """Say which kernel serves a request, and why."""
        if request.is_step:
            return Choice("chunked", "a step only adds to sums")
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
            made = self.query_key_value.heads(query)
        else:
            made = self.query.heads(query)
            if memory is not None:
                made |= self.key_value.heads(memory)
        return made["query"], made.get("key"), made.get("value")
