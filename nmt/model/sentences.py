"""The sentences within a line, told by a piece that ends each but the last.

B batch, T positions.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Breaks:
    """The ids that end a sentence on either side; None where a line is one sentence."""

    source: int | None = None
    target: int | None = None

    def number_source(self, ids: Tensor) -> Tensor | None:
        """Number the sentence of each source id, (B, T); a break belongs to what it ends."""
        if self.source is None:
            return None
        ends = (ids == self.source).long()
        return ends.cumsum(-1) - ends

    def number_target(self, ids: Tensor) -> Tensor | None:
        """Number the sentence that follows each target id, (B, T).

        A decoder that has just read a break predicts the next sentence, so a break belongs to it.
        """
        return None if self.target is None else (ids == self.target).long().cumsum(-1)

    def enter(self, numbers: Tensor | None, ids: Tensor) -> Tensor | None:
        """Number the sentence of a target position from that of the one before, both (B, beam)."""
        return None if numbers is None else numbers + (ids == self.target)

    def extend(self, numbers: Tensor | None, ids: Tensor, length: int) -> Tensor | None:
        """Number the target position that hypotheses enter.

        Args:
            numbers: (B, beam, limit) of each hypothesis' own past, `length` of it.
            ids: (B, beam) that they enter with.
        """
        if numbers is None:
            return None
        before = numbers[:, :, length - 1] if length else torch.zeros_like(ids)
        following = numbers.clone()
        following[:, :, length] = before + (ids == self.target)
        return following
