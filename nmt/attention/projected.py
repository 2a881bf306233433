"""From states to what the kernels of attention are given: projections, positions, caches.

B batch, T queries, S keys, D model size, H heads, G key/value heads, K head size.
"""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from torch import Tensor

from nmt.attention.caches import FixedKeyValues, GrowingKeyValues, Nothing
from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Attention, Cache, Lent, Place, working_type
from nmt.attention.dense import Composition, pattern_of
from nmt.attention.layout import Layout
from nmt.attention.projections import PackedLinear, parts_of
from nmt.attention.rotary import rotated, turn_of
from nmt.errors import ConfigError


class Operands(NamedTuple):
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


class ProjectedAttention(Attention):
    """Project queries, keys and values, or borrow them, and remember them between steps.

    The projections of one input are packed into one matrix, since one wide product is faster
    than several narrow ones.
    """

    def __init__(self, place: Place, config: AttentionConfig) -> None:
        super().__init__()
        self.place = place
        self.config = config
        self.num_heads = heads_of(place, config)
        self.borrows = config.share != "none" and place.layer % config.share_block > 0
        self.takes_context = self.borrows and config.share == "weights" and place.is_cross
        if not self.takes_context:
            self._project_from(place)
        if not (self.borrows and config.share == "weights"):
            self.composition = Composition(place, self.num_heads, config)
        size = self.num_heads * place.head_size
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

    def operands(
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
        turns = self.config.positions == "rotary" and "query" in self.query_key_value.parts
        place = partial(turned, layout=layout) if turns else None
        made = self.query_key_value.heads(query, layout.rows, place)
        queries, keys, values = self._transformed(made)
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

    def _transformed(self, made: dict[str, Tensor]) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """Turn projections into queries, keys and values as the kernels want them."""
        query, key = made.get("query"), made.get("key")
        value = made.get("value", key)
        if self.config.tied == "query-key":
            key = query
        if query is None:
            assert value is not None
            return None, None, value
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
        queries = self.composition.score.of_query(self.query.heads(query, layout.rows)["query"])
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


def turned(heads: Tensor, layout: Layout) -> Tensor:
    """Turn queries and keys (B, n, T, K) of self-attention, which stand at the same positions."""
    size, dtype = heads.size(-1), heads.dtype
    by = layout.once(("turn", size, dtype), lambda: turn_of(layout.positions()[0], size, dtype))
    return rotated(heads, by)


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
