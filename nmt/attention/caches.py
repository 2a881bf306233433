"""Keys and values kept between decoding steps.

B batch, G key/value heads, K head size, S source length.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nmt.attention.contract import Cache


@dataclass(frozen=True)
class GrowingKeyValues(Cache):
    """Keys and values of self-attention, written in place into memory allocated once.

    Positions stand before rows of the beam, so that the past is one contiguous stretch: all
    hypotheses of a sentence attend to it by one matrix product, and ancestry says which of it
    is theirs. Nothing is copied when hypotheses are reordered.

    Attributes:
        keys, values: (B, G, limit, beam, K).
        length: Positions written.
    """

    keys: Tensor
    values: Tensor
    length: int

    @classmethod
    def empty(
        cls, shape: tuple[int, int, int, int, int], dtype: torch.dtype, device: torch.device
    ) -> "GrowingKeyValues":
        """Allocate (B, G, limit, beam, K)."""
        keys, values = (torch.empty(shape, dtype=dtype, device=device) for _ in range(2))
        return cls(keys, values, 0)

    def append(self, key: Tensor, value: Tensor) -> "GrowingKeyValues":
        """Write one position, (B, G, beam, K)."""
        self.keys[:, :, self.length] = key
        self.values[:, :, self.length] = value
        return replace(self, length=self.length + 1)

    def past(self) -> tuple[Tensor, Tensor]:
        """View what was written as (B, G, length * beam, K)."""
        written = slice(None, self.length)
        return self.keys[:, :, written].flatten(2, 3), self.values[:, :, written].flatten(2, 3)

    def reorder(self, parents: Tensor) -> "GrowingKeyValues":
        """Return itself: the layout's ancestry finds each hypothesis' past."""
        return self

    def select(self, sentences: Tensor) -> "GrowingKeyValues":
        """Keep some sentences; only what was written is copied."""
        kept = GrowingKeyValues.empty(
            (len(sentences), *self.keys.shape[1:]), self.keys.dtype, self.keys.device
        )
        written = slice(None, self.length)
        kept.keys[:, :, written] = self.keys[:, :, written].index_select(0, sentences)
        kept.values[:, :, written] = self.values[:, :, written].index_select(0, sentences)
        return replace(kept, length=self.length)


@dataclass(frozen=True)
class FixedKeyValues(Cache):
    """Keys and values of cross-attention: once for each sentence, shared by its hypotheses.

    Attributes:
        keys, values: (B, G, S, K).
    """

    keys: Tensor
    values: Tensor

    def reorder(self, parents: Tensor) -> "FixedKeyValues":
        """Return itself: hypotheses of a sentence share it."""
        return self

    def select(self, sentences: Tensor) -> "FixedKeyValues":
        """Keep some sentences."""
        return FixedKeyValues(
            self.keys.index_select(0, sentences), self.values.index_select(0, sentences)
        )
