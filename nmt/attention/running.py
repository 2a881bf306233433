"""Sums over keys in place of the keys: a memory that does not grow with decoding.

B batch, K size of a value; other axes are the mechanism's.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.attention.contract import Cache
from nmt.attention.precision import exactly


@dataclass(frozen=True)
class RunningSums(Cache):
    """Sums over the past of each hypothesis.

    Attributes:
        sums: (B, beam, ...).
    """

    sums: Tensor

    def reorder(self, parents: Tensor) -> "RunningSums":
        """Copy each hypothesis' sums from its parent: ancestry cannot take a sum apart."""
        if self.sums.size(1) == parents.size(1) == 1:
            return self
        sentences = torch.arange(len(parents), device=parents.device).unsqueeze(-1)
        return RunningSums(self.sums[sentences, parents])

    def select(self, sentences: Tensor) -> "RunningSums":
        """Keep some sentences."""
        return RunningSums(self.sums.index_select(0, sentences))

    def num_bytes(self) -> int:
        """Count the memory of the sums."""
        return self.sums.numel() * self.sums.element_size()


@dataclass(frozen=True)
class FixedSums(Cache):
    """Sums over the source: once for each sentence, shared by its hypotheses.

    Attributes:
        sums: (B, ...).
    """

    sums: Tensor

    def reorder(self, parents: Tensor) -> "FixedSums":
        """Return itself: hypotheses of a sentence share it."""
        return self

    def select(self, sentences: Tensor) -> "FixedSums":
        """Keep some sentences."""
        return FixedSums(self.sums.index_select(0, sentences))

    def num_bytes(self) -> int:
        """Count the memory of the sums."""
        return self.sums.numel() * self.sums.element_size()


def counted(values: Tensor) -> Tensor:
    """Append a one to each value, (..., K + 1), so that its sum is that of the weights."""
    return F.pad(exactly(values), (0, 1), value=1.0)


def ratio(sums: Tensor, least: float = 0.0) -> Tensor:
    """Divide sums of values by the sum of weights behind them, (..., K + 1) to (..., K).

    A sum of weights nearer to zero than `least` is moved away from it on its own side. One that
    is zero comes of no visible keys, so the sum of values is zero, and so is the result.
    """
    values, weights = sums[..., :-1], sums[..., -1:]
    if least:
        signs = torch.where(weights < 0, -1.0, 1.0).to(weights.dtype)
        return values / (signs * weights.abs().clamp(min=least))
    return values / weights.masked_fill(weights == 0, 1.0)
