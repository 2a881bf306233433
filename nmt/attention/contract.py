"""The contract of attention: what every mechanism is given, and what it gives back.

B batch, T queries, S keys, D model size, H heads, G key/value heads, K head size.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from nmt.attention.kernels import Choice, Request
from nmt.attention.layout import Layout


class Cache(ABC):
    """What a mechanism remembers between decoding steps: a value, consumed by the next step."""

    @abstractmethod
    def reorder(self, parents: Tensor) -> Self:
        """Follow hypotheses to their parents, (B, beam).

        Key/value caches return themselves: `Layout.ancestry` finds the past without copying.
        """

    @abstractmethod
    def select(self, sentences: Tensor) -> Self:
        """Keep some sentences, given by index."""

    @abstractmethod
    def num_bytes(self) -> int:
        """Count the memory that the past takes: what was written, not what is set aside."""


@dataclass(frozen=True)
class Lent:
    """What one layer has computed and the layers that share with it need not.

    Attributes:
        keys, values: (B, G, S, K), where keys and values are shared.
        layout: That fits them.
        weights: (B, H, T, S), where weights are shared.
        context: (B, T, D) before the output projection, where cross-attention shares weights.
    """

    keys: Tensor | None = None
    values: Tensor | None = None
    layout: Layout | None = None
    weights: Tensor | None = None
    context: Tensor | None = None


@dataclass(frozen=True)
class Attended:
    """The result of attention.

    Attributes:
        output: (B, T, D).
        cache: The memory of this step, where one was given.
        weights: (B, H, T, S) where they were asked for and exist.
        lent: What following layers may use, where the mechanism shares.
    """

    output: Tensor
    cache: Cache | None = None
    weights: Tensor | None = None
    lent: Lent | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a model a mechanism stands.

    Attributes:
        role: "encoder", "decoder" or "cross".
        model_size: D.
        num_heads: H.
        layer: Number of its layer, from 0.
    """

    role: str
    model_size: int
    num_heads: int
    layer: int = 0

    @property
    def head_size(self) -> int:
        """Give K."""
        return self.model_size // self.num_heads

    @property
    def is_cross(self) -> bool:
        """Tell whether the memory is another sequence than the queries."""
        return self.role == "cross"


class Attention(nn.Module, ABC):
    """A mechanism of attention, projections included, built from a `Place` and its settings.

    A full pass and single steps are the same mathematics. A query that may see nothing gets
    zeros from the keys. Normalising runs in at least float32.

    Attributes:
        roles: Where it can stand.
        gives_weights: Whether there are weights to ask for.
        borrows: Whether it needs what another layer has lent.
        packs: Whether it takes and gives only the rows of a step that `Layout.rows` names.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"encoder", "decoder", "cross"})
    gives_weights: ClassVar[bool] = True
    packs: ClassVar[bool] = False
    borrows: bool = False

    @abstractmethod
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
        """Attend from `query` (B, T, D) to `memory` (B, S, D).

        In a decoding step the T queries are the hypotheses of a sentence. Self-attention is
        then given the new positions as `memory` and appends them to the cache;
        cross-attention is given no memory, since `remember` has stored it. A mechanism that
        packs is given only the rows of the step, (1, R, D), and gives as many.
        """

    def by_rows(
        self,
        query: Tensor,
        memory: Tensor | None,
        layout: Layout,
        *,
        cache: Cache | None = None,
        need_weights: bool = False,
        lent: Lent | None = None,
    ) -> Attended:
        """Attend with a query that is packed to `layout.rows`, where it names any.

        A mechanism that does not pack is given all rows, zeros where they are left out.
        """
        rows = None if self.packs else layout.rows
        if rows is not None:
            whole = rows.spread(query)
            query, memory = whole, whole if memory is query else memory
            layout = layout.of_all_rows
        attended: Attended = self(
            query, memory, layout, cache=cache, need_weights=need_weights, lent=lent
        )
        return attended if rows is None else replace(attended, output=rows.pack(attended.output))

    @abstractmethod
    def start(self, batch_size: int, beam: int, limit: int) -> Cache:
        """Make the empty cache of self-attention for `limit` steps."""

    @abstractmethod
    def remember(self, memory: Tensor, lengths: Tensor) -> Cache:
        """Make the fixed cache of cross-attention, one entry for each sentence.

        Args:
            memory: (B, S, D), of which the first `lengths` (B,) are real.
        """

    def choose(self, request: Request) -> Choice:
        """Say which kernel serves a request, and why."""
        return Choice("dense", "it has no other")

    def penalty(self) -> Tensor | None:
        """Return what the mechanism adds to the training loss, if anything."""
        return None

    def regulators(self) -> Iterable[nn.Parameter]:
        """Name the weights that set how the mechanism adapts; they learn at a rate of their own."""
        return ()

    def statistics(self) -> dict[str, float]:
        """Return what the mechanism has learnt about itself, for the log."""
        return {}


def working_type(weight: Tensor) -> torch.dtype:
    """Give the type that keys come in: autocast's where it is on."""
    device = weight.device.type
    on = torch.is_autocast_enabled(device)
    return torch.get_autocast_dtype(device) if on else weight.dtype
