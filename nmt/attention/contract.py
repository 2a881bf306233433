"""The contract of attention: what every mechanism is given, and what it gives back.

B batch, T queries, S keys, D model size, H heads.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

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


@dataclass(frozen=True)
class Attended:
    """The result of attention.

    Attributes:
        output: (B, T, D).
        cache: The memory of this step, where one was given.
        weights: (B, H, T, S) where they were asked for.
    """

    output: Tensor
    cache: Cache | None = None
    weights: Tensor | None = None


class Attention(nn.Module, ABC):
    """A mechanism of attention, projections included.

    A full pass and single steps are the same mathematics. A query that may see nothing gets
    zeros from the keys. Normalising runs in at least float32.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"encoder", "decoder", "cross"})

    @abstractmethod
    def forward(
        self,
        query: Tensor,
        memory: Tensor | None,
        layout: Layout,
        *,
        cache: Cache | None = None,
        need_weights: bool = False,
    ) -> Attended:
        """Attend from `query` (B, T, D) to `memory` (B, S, D).

        In a decoding step the T queries are the hypotheses of a sentence. Self-attention is
        then given the new positions as `memory` and appends them to the cache;
        cross-attention is given no memory, since `remember` has stored it.
        """

    @abstractmethod
    def start(self, batch_size: int, beam: int, limit: int) -> Cache:
        """Make the empty cache of self-attention for `limit` steps."""

    @abstractmethod
    def remember(self, memory: Tensor) -> Cache:
        """Make the fixed cache of cross-attention, one entry for each sentence."""

    def penalty(self) -> Tensor:
        """Return what the mechanism adds to the training loss."""
        return torch.zeros(())

    def statistics(self) -> dict[str, float]:
        """Return what the mechanism has learnt about itself, for the log."""
        return {}
