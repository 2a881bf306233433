"""Products in 8-bit integers for processors without instructions made for them.

Two products of an unsigned and a signed byte are added in 16 bits there, which 7 bits of the
unsigned one never overflow. So sums are exact, and as a row's scale is its own, a row gives the
same whatever stands beside it.

M rows, D inner size, N columns.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from nmt.native.rounding import LARGEST, LEAST, whole_columns

MIDDLE = 64  # stands for zero in rows of either sign


@dataclass(frozen=True)
class PackedMatrix:
    """A matrix whose columns are whole numbers times a scale, in the order that oneDNN reads.

    Attributes:
        whole: (N, D) 8-bit integers, its transpose.
        scale: (N,)
        signed: Whether rows may hold numbers below zero; others are rounded half as much.
    """

    whole: Tensor
    scale: Tensor
    signed: bool = True

    @classmethod
    def of(cls, weight: Tensor, *, signed: bool = True) -> "PackedMatrix":
        """Round the transpose of a weight (N, D)."""
        return cls(*whole_columns(weight), signed)

    def columns(self, chosen: Tensor) -> "PackedMatrix":
        """Keep some columns, given by index."""
        return replace(self, whole=self.whole[chosen], scale=self.scale[chosen])

    def times(self, states: Tensor, bias: Tensor | None = None) -> Tensor:
        """Multiply (..., D) from the left and add a bias (N,), as (..., N) in float32."""
        rows = states.flatten(0, -2).float()
        largest = (rows.abs() if self.signed else rows).amax(-1, keepdim=True)
        scale = torch.addcmul(self._least, largest, self._step)
        # Cut off, not rounded, hence the half. Casting to unsigned bytes takes five times as long.
        whole = torch.addcmul(self._middle, rows, scale.reciprocal())
        whole = whole.to(torch.int8).view(torch.uint8)
        sums: Tensor = torch.ops.onednn.qlinear_pointwise(
            whole, 1.0, self._zero, self._packed, self.scale, self._zeros, None,
            1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        made = sums.mul_(scale) if bias is None else torch.addcmul(bias, sums, scale)
        return made.view(*states.shape[:-1], made.size(-1))

    @property
    def _zero(self) -> int:
        """Give the byte that stands for zero."""
        return MIDDLE if self.signed else 0

    # Numbers beside tensors are made tensors of another type first, each time: some of what
    # products of few rows take.

    @cached_property
    def _step(self) -> Tensor:
        return torch.tensor(1.0 / (LARGEST - self._zero))

    @cached_property
    def _least(self) -> Tensor:
        return torch.tensor(LEAST)

    @cached_property
    def _middle(self) -> Tensor:
        return torch.full((self.whole.size(-1),), self._zero + 0.5)

    @cached_property
    def _zeros(self) -> Tensor:
        return torch.zeros(len(self.scale), dtype=torch.long)

    @cached_property
    def _packed(self) -> Tensor:
        made: Tensor = torch.ops.onednn.qlinear_prepack(self.whole, None)
        return made


def has_packed_products() -> bool:
    """Tell whether this processor and this PyTorch have such products."""
    names = ("qlinear_pointwise", "qlinear_prepack")
    if not torch.backends.mkldnn.is_available() or not torch.cpu.get_capabilities().get("avx2"):
        return False
    return all(hasattr(torch.ops.onednn, name) for name in names)
