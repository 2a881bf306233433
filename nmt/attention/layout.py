"""Which keys a query may look at, described by lengths and positions, never by a tensor of pairs.

B batch, T queries, S keys, L blocks of a tile.
"""

import functools
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from nmt.attention.rows import Rows

Made = TypeVar("Made")


@dataclass(frozen=True)
class Pattern:
    """What a mechanism leaves visible of what the geometry allows.

    Attributes:
        window: Furthest key on each side of the query's own position; None: all.
        dilation: Only keys at a multiple of this distance.
        num_globals: First positions that see all and are seen by all in spite of a window.
        sentences: Only keys of the query's own sentence.
    """

    window: int | None = None
    dilation: int = 1
    num_globals: int = 0
    sentences: bool = False

    def allows(self, queries: Tensor, keys: Tensor) -> Tensor | None:
        """Tell which positions see which by distance; None where all do."""
        if self.window is None:
            return None
        distance = queries - keys
        near = distance.abs() <= self.window * self.dilation
        if self.dilation > 1:
            near &= distance % self.dilation == 0
        if self.num_globals:
            near = near | (queries < self.num_globals) | (keys < self.num_globals)
        return near


FULL = Pattern()


@dataclass(frozen=True)
class Tile:
    """A part of all pairs: some queries and some keys, by index, in L blocks side by side.

    An index out of range stands for a key that is not there.

    Attributes:
        queries: (B or 1, *L, T).
        keys: (B or 1, *L, S).
    """

    queries: Tensor
    keys: Tensor


@dataclass(frozen=True)
class Layout:
    """The geometry of one attention: what a kernel needs to know, and no mask.

    Attributes:
        num_queries: T.
        num_keys: S.
        key_lengths: (B,) keys of each sentence that are not padding; None when none is.
        causal: Whether a query may not look at keys that stand after it.
        offset: The position of the first query among the keys.
        hypotheses: Whether the T queries are hypotheses that all stand at `offset`.
        ancestry: (B, T, steps) while searching: the T queries are the hypotheses of a sentence,
            the S = steps * T keys are what each wrote at each step, position by position, and
            `ancestry` says which row wrote a hypothesis' own past.
        held: (kept,) the steps that a cache still holds, where it forgets: S = kept * T then.
        query_sentences: (B, T) number of each query's sentence within its line.
        key_sentences: (B, S), or (B, T, steps) while searching: of a hypothesis' own past.
        rows: The hypotheses that a step computes, where not all; T still counts all.
        pattern: What a mechanism leaves visible of all this.
        device: Where the attention runs.
    """

    num_queries: int
    num_keys: int
    key_lengths: Tensor | None = None
    causal: bool = False
    offset: int = 0
    hypotheses: bool = False
    ancestry: Tensor | None = None
    held: Tensor | None = None
    query_sentences: Tensor | None = None
    key_sentences: Tensor | None = None
    rows: Rows | None = None
    pattern: Pattern = FULL
    device: torch.device = torch.device("cpu")  # noqa: RUF009 (immutable)

    @property
    def is_step(self) -> bool:
        """Tell whether the queries are hypotheses in a decoding step."""
        return self.hypotheses or self.ancestry is not None

    @property
    def is_full(self) -> bool:
        """Tell whether the pattern hides nothing."""
        return self.pattern == FULL

    @functools.cached_property
    def of_all_rows(self) -> "Layout":
        """Describe the step for a mechanism that computes every row."""
        return replace(self, rows=None)

    def restricted(self, pattern: Pattern) -> "Layout":
        """Leave only a pattern visible; made once for all layers that ask for the same."""
        if pattern == self.pattern:
            return self
        if pattern not in self._by_pattern:
            self._by_pattern[pattern] = replace(self, pattern=pattern)
        return self._by_pattern[pattern]

    def holding(self, steps: Tensor) -> "Layout":
        """Describe a cache that still holds only some steps of the past."""
        return replace(self, num_keys=len(steps) * self.num_queries, held=steps)

    def visible(self, tile: Tile | None = None) -> Tensor | None:
        """Render as booleans, True where a query may look; None where all may look at all.

        Returns:
            A tensor that broadcasts to (B, heads, *L, T, S). That of all pairs is made once and
            shared by all layers that attend by this layout.
        """
        return self._visible if tile is None else self._render(tile)

    def addend(self, dtype: torch.dtype) -> Tensor | None:
        """Render as what is added to scores, -inf where a query may not look; made once."""
        visible = self.visible()
        if visible is not None and dtype not in self._addends:
            zeros = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
            self._addends[dtype] = zeros.masked_fill_(~visible, -torch.inf)
        return None if visible is None else self._addends[dtype]

    def blind(self) -> Tensor | None:
        """Tell which queries see nothing, (B or 1, 1, T, 1); None where each sees something.

        Kernels differ on such queries, and most layouts have none. It is found out once for all
        layers; on a GPU, where looking would wait, there may always be some.
        """
        return self._blind

    def positions(self, tile: Tile | None = None) -> tuple[Tensor, Tensor]:
        """Give the positions of queries and keys, (B or 1, *L, T) and (B or 1, *L, S)."""
        if tile is not None:
            return tile.queries + self.offset, tile.keys
        return self._positions

    def once(self, key: Hashable, work_out: Callable[[], Made]) -> Made:
        """Give what follows from the geometry alone: worked out once for all layers."""
        if key not in self._worked_out:
            self._worked_out[key] = work_out()
        made: Made = self._worked_out[key]
        return made

    @functools.cached_property
    def _worked_out(self) -> dict[Hashable, Any]:
        return {}

    @functools.cached_property
    def _blind(self) -> Tensor | None:
        visible = self.visible()
        if visible is None or self.ancestry is not None:  # a hypothesis sees itself
            return None
        blind = ~visible.any(-1, keepdim=True)
        return None if self.device.type == "cpu" and not bool(blind.any()) else blind

    @functools.cached_property
    def _addends(self) -> dict[torch.dtype, Tensor]:
        return {}

    @functools.cached_property
    def _by_pattern(self) -> dict[Pattern, "Layout"]:
        return {}

    @functools.cached_property
    def _positions(self) -> tuple[Tensor, Tensor]:
        if self.ancestry is not None:
            steps = self._held().repeat_interleave(self.num_queries)
            now = torch.full((1, self.num_queries), self.ancestry.size(2) - 1, device=self.device)
            return now, steps.unsqueeze(0)
        queries = torch.arange(self.num_queries, device=self.device)
        if self.hypotheses:
            queries = torch.zeros_like(queries)
        keys = torch.arange(self.num_keys, device=self.device)
        return queries.unsqueeze(0) + self.offset, keys.unsqueeze(0)

    def _held(self) -> Tensor:
        if self.held is not None:
            return self.held
        assert self.ancestry is not None, "only a search has steps"
        return torch.arange(self.ancestry.size(2), device=self.device)

    @functools.cached_property
    def _visible(self) -> Tensor | None:
        parts = [self._own_past(), self._same_sentence(None)]
        if self.key_lengths is not None or self.causal or self.pattern.window is not None:
            queries, keys = self.positions()
            parts += [self._not_padding(keys), self._not_future(queries, keys)]
            parts.append(self._in_pattern(queries, keys))
        return together(parts)

    def _render(self, tile: Tile) -> Tensor | None:
        queries, keys = self.positions(tile)
        inside = ((keys >= 0) & (keys < self.num_keys)).unsqueeze(-2).unsqueeze(1)
        parts = [inside, self._not_padding(keys), self._in_pattern(queries, keys)]
        if self.causal:
            parts.append((keys.unsqueeze(-2) <= queries.unsqueeze(-1)).unsqueeze(1))
        return together([*parts, self._same_sentence(tile)])

    def _not_padding(self, keys: Tensor) -> Tensor | None:
        if self.key_lengths is None:
            return None
        lengths = self.key_lengths.view(-1, *[1] * (keys.dim() - 1))
        return (keys < lengths).unsqueeze(-2).unsqueeze(1)  # (B, 1, *L, 1, S)

    def _not_future(self, queries: Tensor, keys: Tensor) -> Tensor | None:
        if not self.causal or self.ancestry is not None or self.offset >= self.num_keys - 1:
            return None
        return (keys.unsqueeze(-2) <= queries.unsqueeze(-1)).unsqueeze(1)  # (1, 1, T, S)

    def _in_pattern(self, queries: Tensor, keys: Tensor) -> Tensor | None:
        allowed = self.pattern.allows(queries.unsqueeze(-1), keys.unsqueeze(-2))
        return None if allowed is None else allowed.unsqueeze(1)

    def _own_past(self) -> Tensor | None:
        if self.ancestry is None or self.num_queries == 1:
            return None
        ancestry = self.ancestry if self.held is None else self.ancestry[:, :, self.held]
        rows = torch.arange(self.num_queries, device=self.device)
        own = ancestry.unsqueeze(-1) == rows  # (B, T, steps, T)
        return own.flatten(2).unsqueeze(1)  # (B, 1, T, S)

    def _same_sentence(self, tile: Tile | None) -> Tensor | None:
        if not self.pattern.sentences or self.query_sentences is None:
            return None
        assert self.key_sentences is not None, "sentences are known on both sides or on neither"
        if self.ancestry is not None:
            own = self.key_sentences[:, :, self._held()].repeat_interleave(self.num_queries, 2)
            return (own == self.query_sentences.unsqueeze(-1)).unsqueeze(1)  # (B, 1, T, S)
        queries, keys = self.query_sentences, self.key_sentences
        if tile is not None:
            queries, keys = at(queries, tile.queries), at(keys, tile.keys)
        return (queries.unsqueeze(-1) == keys.unsqueeze(-2)).unsqueeze(1)


def together(parts: list[Tensor | None]) -> Tensor | None:
    """Require all of the conditions there are."""
    present = [part for part in parts if part is not None]
    return functools.reduce(torch.logical_and, present) if present else None


def at(sentences: Tensor, index: Tensor) -> Tensor:
    """Look up (B, n) by index (B or 1, *L, k), whatever is out of range anywhere."""
    batch_size, size = sentences.shape
    flat = index.clamp(0, size - 1).flatten(1).expand(batch_size, -1)
    return sentences.gather(1, flat).view(batch_size, *index.shape[1:])
