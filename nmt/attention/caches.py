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

    Where a window forgets, the steps that it still sees stand in a ring behind the first ones
    that are seen for ever, and memory does not grow with the length.

    Attributes:
        keys, values: (B, G, slots, beam, K); one tensor where keys are the values.
        length: Positions written, forgotten ones included.
        kept: First positions that are never forgotten.
        forgets: Whether there may be more positions than slots.
    """

    keys: Tensor
    values: Tensor
    length: int = 0
    kept: int = 0
    forgets: bool = False

    @classmethod
    def empty(
        cls, shape: tuple[int, int, int, int, int], dtype: torch.dtype, device: torch.device
    ) -> "GrowingKeyValues":
        """Allocate (B, G, slots, beam, K)."""
        keys, values = (torch.empty(shape, dtype=dtype, device=device) for _ in range(2))
        return cls(keys, values)

    def append(self, key: Tensor, value: Tensor) -> "GrowingKeyValues":
        """Write one position, (B, G, beam, K)."""
        slot, keys, values = self.slot(self.length), self.keys, self.values
        keys.select(2, slot).copy_(key)
        if values is not keys:
            values.select(2, slot).copy_(value)
        return GrowingKeyValues(keys, values, self.length + 1, self.kept, self.forgets)

    def past(self) -> tuple[Tensor, Tensor]:
        """View what is held as (B, G, held * beam, K)."""
        held = min(self.length, self.num_slots)
        keys = self.keys.narrow(2, 0, held).flatten(2, 3)
        if self.values is self.keys:
            return keys, keys
        return keys, self.values.narrow(2, 0, held).flatten(2, 3)

    @property
    def num_slots(self) -> int:
        """Count the positions that there is room for."""
        return self.keys.size(2)

    def slot(self, position: int) -> int:
        """Find where a position is written."""
        if position < self.num_slots or not self.forgets:
            return position
        return self.kept + (position - self.kept) % (self.num_slots - self.kept)

    def held(self) -> Tensor | None:
        """Name the positions that are still held, slot by slot; None where all are."""
        if self.length <= self.num_slots:
            return None
        slots = torch.arange(self.num_slots, device=self.keys.device)
        ring = self.num_slots - self.kept
        last = self.length - 1
        behind = (self.slot(last) - slots) % ring  # how long ago a slot of the ring was written
        return torch.where(slots < self.kept, slots, last - behind)

    def reorder(self, parents: Tensor) -> "GrowingKeyValues":
        """Return itself: the layout's ancestry finds each hypothesis' past."""
        return self

    def select(self, sentences: Tensor) -> "GrowingKeyValues":
        """Keep some sentences; only what was written is copied."""
        written = slice(None, min(self.length, self.num_slots))
        keys = selected(self.keys, sentences, written)
        one = self.values is self.keys
        values = keys if one else selected(self.values, sentences, written)
        return replace(self, keys=keys, values=values)

    def num_bytes(self) -> int:
        """Count what the positions held take."""
        share = min(self.length, self.num_slots)
        tensors = [self.keys] if self.values is self.keys else [self.keys, self.values]
        return sum(each[:, :, :share].numel() * each.element_size() for each in tensors)


def selected(tensor: Tensor, sentences: Tensor, written: slice) -> Tensor:
    """Copy some sentences of (B, G, slots, beam, K) into as much memory for each."""
    kept = tensor.new_empty((len(sentences), *tensor.shape[1:]))
    torch.index_select(tensor[:, :, written], 0, sentences, out=kept[:, :, written])
    return kept


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
        keys = self.keys.index_select(0, sentences)
        if self.values is self.keys:
            return FixedKeyValues(keys, keys)
        return FixedKeyValues(keys, self.values.index_select(0, sentences))

    def num_bytes(self) -> int:
        """Count keys and values."""
        tensors = [self.keys] if self.values is self.keys else [self.keys, self.values]
        return sum(each.numel() * each.element_size() for each in tensors)


@dataclass(frozen=True)
class Nothing(Cache):
    """The memory of a mechanism that uses another layer's."""

    def reorder(self, parents: Tensor) -> "Nothing":
        """Return itself."""
        return self

    def select(self, sentences: Tensor) -> "Nothing":
        """Return itself."""
        return self

    def num_bytes(self) -> int:
        """Count nothing."""
        return 0
