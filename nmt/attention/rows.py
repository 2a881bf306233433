"""Rows of a beam that are worth computing, where many are not.

B sentences, k beam, R rows that are computed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

MULTIPLE = 16  # products that are prepared for each number of rows are prepared for few numbers
PAYS_BELOW = 0.8  # of all rows: with more of them, sorting them out takes what it saves


@dataclass(frozen=True)
class Rows:
    """Some hypotheses of a search; what the others would give is without meaning.

    Attributes:
        index: (R,) places in B * k, in order; the last may stand there several times.
        count: How many differ.
        size: B, k.
    """

    index: Tensor
    count: int
    size: tuple[int, int]

    @classmethod
    def of(cls, wanted: Tensor) -> "Rows | None":
        """Choose those of (B, k) that are wanted; None where leaving out the others cannot pay."""
        index = wanted.flatten().nonzero().squeeze(-1)
        count = len(index)
        missing = -count % MULTIPLE if count > MULTIPLE else 0
        if not 0 < count + missing <= PAYS_BELOW * wanted.numel():
            return None
        if missing:
            index = torch.cat([index, index[-1:].expand(missing)])
        return cls(index, count, (wanted.size(0), wanted.size(1)))

    def pack(self, whole: Tensor) -> Tensor:
        """Take them from (B, k, ...), as (1, R, ...)."""
        return whole.flatten(0, 1).index_select(0, self.index).unsqueeze(0)

    def spread(self, packed: Tensor, fill: float = 0.0) -> Tensor:
        """Put (1, R, ...) back where they were, and a number everywhere else, as (B, k, ...)."""
        flat = packed.new_full((self.size[0] * self.size[1], *packed.shape[2:]), fill)
        flat.index_copy_(0, self.index[: self.count], packed[0, : self.count])
        return flat.view(*self.size, *flat.shape[1:])


def chosen(whole: Tensor, rows: Rows | None) -> Tensor:
    """Take the rows that are computed from (B, k, ...), as (1, R, ...); all of it for None."""
    return whole if rows is None else rows.pack(whole)
