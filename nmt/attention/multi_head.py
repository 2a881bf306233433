"""Multi-head attention, composed of a score, a normaliser, a pattern, a layout of heads.

B batch, T queries, S keys, D model size, H heads, G key/value heads, K head size.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.attention.banded import banded
from nmt.attention.blocked import blocked
from nmt.attention.caches import FixedKeyValues, GrowingKeyValues, Nothing
from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Attended, Attention, Cache, Lent, Place, working_type
from nmt.attention.dense import Composition, pattern_of
from nmt.attention.flex import flex
from nmt.attention.fused import fused
from nmt.attention.gates import ContextGate, HeadGates
from nmt.attention.kernels import Abilities, Choice, Request, choose
from nmt.attention.layout import Layout
from nmt.attention.products import grouped
from nmt.attention.projections import PackedLinear, parts_of
from nmt.attention.rotary import rotated
from nmt.errors import ConfigError

Kernel = Callable[[Composition, Tensor, Tensor, Tensor, Layout], Tensor]
KERNELS: dict[str, Kernel] = {"fused": fused, "banded": banded, "blocked": blocked, "flex": flex}


@dataclass(frozen=True)
class Operands:
    """What a kernel is given.

    Attributes:
        query: (B, H, T, K); None where another layer lends the weights.
        key: (B, G, S, K), or None as well.
        value: (B, G, S, K).
        layout: That fits them.
        cache: For the next step.
    """

    query: Tensor | None
    key: Tensor | None
    value: Tensor
    layout: Layout
    cache: Cache | None


class MultiHeadAttention(Attention):
    """Attend with several heads at once, each in its own projection of the model.

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, section 3.2.2; each choice
    of the settings names its own.
    """

    def __init__(self, place: Place, config: AttentionConfig) -> None:
        super().__init__()
        self.place = place
        self.config = config
        self.num_heads = heads_of(place, config)
        self.borrows = config.share != "none" and place.layer % config.share_block > 0
        self.takes_context = self.borrows and config.share == "weights" and place.is_cross
        size = self.num_heads * place.head_size
        if not self.takes_context:
            self._project_from(place)
        if not (self.borrows and config.share == "weights"):
            self.composition = Composition(place, self.num_heads, config)
        own_gates = config.gates and not self.takes_context  # lent context is gated already
        self.gates = HeadGates(self.num_heads, config.penalty) if own_gates else None
        gated = config.context_gate
        self.context_gate = ContextGate(self.num_heads, place.head_size) if gated else None
        self.output = PackedLinear(size, place.model_size, {"output": 1})

    def _project_from(self, place: Place) -> None:
        parts = parts_of(self.config, self.num_heads, self.borrows)
        size = place.model_size, place.head_size
        if not place.is_cross:
            self.query_key_value = PackedLinear(*size, parts)
            return
        self.query = PackedLinear(*size, {"query": parts.pop("query")})
        if parts:
            self.key_value = PackedLinear(*size, parts)

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
        assert self.borrows == (lent is not None), "one borrows what another lends"
        if self.takes_context:
            assert lent is not None
            assert lent.context is not None, "the owner lends its context"
            weights = lent.weights if need_weights else None
            return Attended(self.output(lent.context), cache, weights, lent)
        operands = self._operands(query, memory, layout, cache, lent)
        context, weights = self._attend(operands, lent, need_weights)
        if self.context_gate is not None:
            assert operands.query is not None, "a gate asks the query"
            context = self.context_gate(operands.query, context)
        if self.gates is not None:
            context = self.gates(context)
        joined = context.transpose(1, 2).flatten(2)  # (B, T, H * K)
        shared = self._lent(operands, lent, weights, joined)
        return Attended(
            self.output(joined), operands.cache, weights if need_weights else None, shared
        )

    def start(self, batch_size: int, beam: int, limit: int) -> Cache:
        """Make the empty cache of self-attention, a ring where a window forgets."""
        if self.borrows and self.config.share == "key-value":
            return Nothing()
        heads, size = self.query_key_value.parts, self.place.head_size
        weight, groups = self.output.weight, heads.get("value", heads.get("key", 0))
        slots, kept = self._slots(limit)
        shape = (batch_size, groups, slots, beam, size)
        cache = GrowingKeyValues.empty(shape, working_type(weight), weight.device)
        if self.borrows:  # only values are its own
            cache = replace(cache, keys=cache.keys.new_empty((*shape[:-1], 0)))
        elif self._keys_are_values():
            cache = replace(cache, values=cache.keys)
        return replace(cache, kept=kept, forgets=slots < limit)

    def remember(self, memory: Tensor, lengths: Tensor) -> Cache:
        """Project the source once for all steps and hypotheses."""
        if self.borrows:
            return Nothing()
        heads = self.query.heads(memory) if self.config.tied == "query-key" else {}
        heads |= self.key_value.heads(memory)
        unscored = heads["query"] if self.config.tied == "query-key" else heads["key"]
        key = self.composition.score.of_key(unscored)
        if self._keys_are_values():
            return FixedKeyValues(key, key)
        value = heads.get("value", unscored)
        return FixedKeyValues(key.contiguous(), value.contiguous())  # read by every step

    def choose(self, request: Request) -> Choice:
        """Say which kernel serves a request, and why."""
        return choose(self._abilities(), request)

    def penalty(self) -> Tensor | None:
        """Sum what gates and spans cost."""
        parts = [each.penalty() for each in self._learners()]
        present = [part for part in parts if part is not None]
        return torch.stack(present).sum() if present else None

    def regulators(self) -> Iterable[nn.Parameter]:
        """Name what sets spans, alphas and gates."""
        gates = [] if self.gates is None else [self.gates.logit]
        composed = self.composition.regulators() if hasattr(self, "composition") else ()
        return [*composed, *gates]

    def statistics(self) -> dict[str, float]:
        """Tell what was learnt."""
        told: dict[str, float] = {}
        for each in self._learners():
            told |= each.statistics()
        return told

    def _learners(self) -> list[Composition | HeadGates]:
        learners: list[Composition | HeadGates] = []
        if hasattr(self, "composition"):
            learners.append(self.composition)
        return learners if self.gates is None else [*learners, self.gates]

    def _operands(
        self,
        query: Tensor,
        memory: Tensor | None,
        layout: Layout,
        cache: Cache | None,
        lent: Lent | None,
    ) -> Operands:
        """Project, remember, and fit the layout to what is remembered."""
        if self.place.is_cross:
            return self._across(query, memory, layout, cache, lent)
        assert memory is query, "self-attention attends to its own input"
        made = self.query_key_value.heads(query)
        queries, keys, values = self._transformed(made, layout)
        if self.borrows and self.config.share == "key-value":
            assert lent is not None
            assert lent.layout is not None, "lent keys come with their layout"
            assert lent.values is not None
            return Operands(queries, lent.keys, lent.values, lent.layout, cache)
        layout = layout if self.borrows else layout.restricted(self.composition.pattern())
        if cache is None:
            return Operands(queries, keys, values, layout, None)
        assert isinstance(cache, GrowingKeyValues)
        empty = values[..., :0] if keys is None else keys
        cache = cache.append(empty, values)
        held = cache.held()
        if held is not None and not self.borrows:
            layout = layout.holding(held)
        return Operands(queries, *cache.past(), layout, cache)

    def _transformed(
        self, made: dict[str, Tensor], layout: Layout
    ) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """Turn projections into queries, keys and values as the kernels want them."""
        query, key = made.get("query"), made.get("key")
        value = made.get("value", key)
        if self.config.tied == "query-key":
            key = query
        if query is None:
            assert value is not None
            return None, None, value
        if self.config.positions == "rotary":
            positions = layout.positions()
            now = positions[0]
            query = rotated(query, now)
            key = None if key is None else rotated(key, now if layout.is_step else positions[1])
        query = self.composition.score.of_query(query)
        key = None if key is None else self.composition.score.of_key(key)
        assert value is not None or key is None
        return query, key, value if value is not None else query

    def _across(
        self,
        query: Tensor,
        memory: Tensor | None,
        layout: Layout,
        cache: Cache | None,
        lent: Lent | None,
    ) -> Operands:
        queries = self.composition.score.of_query(self.query.heads(query)["query"])
        layout = layout.restricted(self.composition.pattern())
        if self.borrows:
            assert lent is not None
            assert lent.values is not None
            return Operands(queries, lent.keys, lent.values, layout, cache)
        if cache is None:
            assert memory is not None, "cross-attention needs a memory or a cache"
            cache = self.remember(memory, memory.new_empty(0))
        assert isinstance(cache, FixedKeyValues)
        return Operands(queries, cache.keys, cache.values, layout, cache)

    def _attend(
        self, operands: Operands, lent: Lent | None, need_weights: bool
    ) -> tuple[Tensor, Tensor | None]:
        if operands.query is None:
            assert lent is not None
            assert lent.weights is not None, "the owner lends its weights"
            dropout = self.config.dropout if self.training else 0.0
            weights = F.dropout(lent.weights, dropout) if dropout else lent.weights
            return grouped(weights.to(operands.value.dtype), operands.value), lent.weights
        query, key, value = operands.query, operands.key, operands.value
        assert key is not None
        request = Request(
            device=query.device.type,
            num_queries=query.size(2),
            num_keys=key.size(2),
            needs_weights=need_weights,
            needs_gradient=query.requires_grad,
            is_step=operands.layout.is_step,
            dropout=self.config.dropout if self.training else 0.0,
            forced=self.config.kernel,
        )
        kernel = self.choose(request).kernel
        if kernel == "dense":
            context, weights = self.composition(query, key, value, operands.layout)
            return context, weights
        return KERNELS[kernel](self.composition, query, key, value, operands.layout), None

    def _lent(
        self, operands: Operands, lent: Lent | None, weights: Tensor | None, joined: Tensor
    ) -> Lent | None:
        if self.borrows:
            return lent
        if self.config.share == "key-value":
            return Lent(keys=operands.key, values=operands.value, layout=operands.layout)
        if self.config.share == "weights":
            return Lent(weights=weights, context=joined)
        return None

    def _slots(self, limit: int) -> tuple[int, int]:
        """Give the positions that a cache needs room for, and the first that it always keeps."""
        if self.config.pattern == "span" and self.config.share == "weights":
            return limit, 0  # who borrows weights does not know how far they reach
        pattern = pattern_of(self.config) if self.borrows else self.composition.pattern()
        if pattern.window is None:
            return limit, 0
        kept = pattern.num_globals
        return min(limit, kept + pattern.window * pattern.dilation + 1), kept

    def _keys_are_values(self) -> bool:
        tied = self.config.tied == "key-value" and self.config.positions != "rotary"
        return tied and self.composition.score.keeps_keys

    def _abilities(self) -> Abilities:
        config = self.config
        shares = config.share == "weights"
        reach = None
        if not (self.borrows and shares):
            pattern = self.composition.pattern()
            reach = None if pattern.window is None else pattern.window * pattern.dilation
        return Abilities(
            unfused="" if self.borrows and shares else unfused(self.composition),
            reach=reach,
            by_sentence=config.pattern == "sentence",
            shares_weights=shares,
        )


def unfused(composition: Composition) -> str:
    """Say why the fused kernel does not serve a composition; nothing where it does."""
    config = composition.config
    if not composition.score.is_product:
        return f"{type(composition.score).__name__} is no product of a query and a key"
    if config.normaliser != "softmax":
        return f"{config.normaliser} needs the scores of all keys"
    if config.positions in ("bucketed", "shaw", "alibi"):
        return f"{config.positions} positions change the scores of pairs"
    if config.pattern in ("local-p", "span"):
        return f"{config.pattern} changes the scores of pairs"
    return "talking heads mix the scores of all heads" if config.talking else ""


def heads_of(place: Place, config: AttentionConfig) -> int:
    """Count the heads of a layer, which pruning may have taken some of.

    Raises:
        ConfigError: The settings do not say how many are left in this layer.
    """
    if not config.heads:
        return place.num_heads
    if place.layer >= len(config.heads):
        raise ConfigError(
            f"attention.{place.role}.heads names {len(config.heads)} layers, but there are more"
        )
    left = int(config.heads[place.layer])
    if left > place.num_heads:
        raise ConfigError(
            f"attention.{place.role}.heads leaves {left} heads in layer {place.layer}, but "
            f"model.num_heads = {place.num_heads}"
        )
    return left
