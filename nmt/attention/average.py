"""Average attention: every position before weighs the same.

B batch, T queries, S keys, D model size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.attention.chunked import suits
from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Attended, Attention, Cache, Lent, Place, working_type
from nmt.attention.kernels import Choice, Request
from nmt.attention.layout import Layout
from nmt.attention.precision import exact_type, exactly
from nmt.attention.running import RunningSums, counted, ratio


class AverageAttention(Attention):
    """Average the past, transform it, and let gates mix it with the present.

    The gate on the present lets some of the input itself through, whatever the keys.

    Source: Zhang et al. (2018), https://arxiv.org/abs/1805.00631, section 3. The width inside
    the feed-forward block is D here; the paper speaks of the Transformer's own block, which has
    four times that, and leaves the width open.
    """

    roles = frozenset({"decoder"})
    gives_weights = False

    def __init__(self, place: Place, config: AttentionConfig) -> None:
        super().__init__()
        self.config = config
        size = place.model_size
        self.inner, self.outer = nn.Linear(size, size), nn.Linear(size, size)
        self.gates = nn.Linear(2 * size, 2 * size)
        for linear in (self.inner, self.outer, self.gates):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

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
        assert memory is not None, "self-attention attends to its own input"
        if cache is not None:
            assert isinstance(cache, RunningSums)
            cache = RunningSums(cache.sums + counted(memory))
            mean = ratio(cache.sums)
        elif self.config.kernel == "dense" or not suits(layout):
            mean = mean_by_matrix(memory, layout)
        else:
            mean = mean_by_sum(memory, layout)
        return Attended(self._mixed(query, mean.to(query.dtype)), cache)

    def start(self, batch_size: int, beam: int, limit: int) -> RunningSums:
        """Make sums over nothing, (B, beam, D + 1); they need no limit."""
        weight = self.outer.weight
        exact = exact_type(working_type(weight))
        shape = (batch_size, beam, weight.size(0) + 1)
        return RunningSums(torch.zeros(shape, dtype=exact, device=weight.device))

    def remember(self, memory: Tensor, lengths: Tensor) -> Cache:
        """Fail: an average is no attention to a source."""
        raise AssertionError("settings refuse average attention to a source")

    def choose(self, request: Request) -> Choice:
        """Say which kernel serves a request, and why."""
        if request.is_step:
            return Choice("chunked", "a step only adds to a sum")
        if request.forced == "dense":
            return Choice("dense", "asked for by name")
        return Choice("chunked", "one cumulative sum")

    def _mixed(self, present: Tensor, mean: Tensor) -> Tensor:
        """Transform the average and gate it with the present, all (B, T, D)."""
        past = self.outer(F.relu(self.inner(mean)))
        gates = self.gates(torch.cat((present, past), dim=-1)).sigmoid()
        on_present, on_past = gates.chunk(2, dim=-1)
        return on_present * present + on_past * past  # type: ignore[no-any-return]


def mean_by_matrix(memory: Tensor, layout: Layout) -> Tensor:
    """Average what each query sees by a matrix of shares: the definition, (B, T, D)."""
    exact = exactly(memory)
    seen = exact.new_ones((1, layout.num_queries, layout.num_keys))
    visible = layout.visible()
    if visible is not None:
        seen = seen * visible[:, 0]  # (B or 1, T, S)
    with torch.autocast(memory.device.type, enabled=False):
        return seen / seen.sum(-1, keepdim=True).clamp(min=1.0) @ exact


def mean_by_sum(memory: Tensor, layout: Layout) -> Tensor:
    """Compute the same from one cumulative sum."""
    states = counted(memory)  # (B, S, D + 1)
    places = torch.arange(layout.num_keys, device=memory.device)
    if layout.key_lengths is not None:
        hidden = places >= layout.key_lengths.unsqueeze(-1)
        states = states.masked_fill(hidden.unsqueeze(-1), 0.0)
    sums = states.cumsum(1)
    if not layout.causal:
        return ratio(sums[:, -1:]).expand(-1, layout.num_queries, -1)
    ends = torch.arange(layout.num_queries, device=memory.device) + layout.offset
    return ratio(sums[:, ends.clamp(max=max(layout.num_keys - 1, 0))])
