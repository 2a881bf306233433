"""Products in 8-bit integers for processors without instructions made for them.

Two products of an unsigned and a signed byte are added in 16 bits there, which 7 bits of the
unsigned one never overflow. So sums are exact, a row's scale and offset are its own, and a row
gives the same whatever stands beside it.

M rows, D inner size, N columns.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from nmt.model.quantised import LARGEST, LEAST, whole_columns


@dataclass(frozen=True)
class PackedMatrix:
    """A matrix whose columns are whole numbers times a scale, in the order that oneDNN reads.

    Attributes:
        whole: (N, D) 8-bit integers, its transpose.
        scale: (N,)
    """

    whole: Tensor
    scale: Tensor

    @classmethod
    def of(cls, weight: Tensor) -> "PackedMatrix":
        """Round the transpose of a weight (N, D)."""
        return cls(*whole_columns(weight))

    def columns(self, chosen: Tensor) -> "PackedMatrix":
        """Keep some columns, given by index."""
        return replace(self, whole=self.whole[chosen], scale=self.scale[chosen])

    def times(self, states: Tensor, bias: Tensor | None = None) -> Tensor:
        """Multiply (..., D) from the left and add a bias (N,), as (..., N) in float32."""
        rows = states.flatten(0, -2).float()
        least, most = rows.aminmax(dim=-1, keepdim=True)
        scale = (most - least).mul_(1 / LARGEST).add_(LEAST)
        whole = (rows - least).div_(scale).round_().to(torch.uint8)  # from 0 to 127
        made = torch.addcmul(self._product(whole).mul_(scale), least, self._sums)
        made = made if bias is None else made.add_(bias)
        return made.view(*states.shape[:-1], made.size(-1))

    def _product(self, whole: Tensor) -> Tensor:
        """Multiply whole numbers (M, D) by the scaled columns, as (M, N)."""
        made: Tensor = torch.ops.onednn.qlinear_pointwise(
            whole, 1.0, 0, self._packed, self.scale, self._zeros, None,
            1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        return made

    @cached_property
    def _sums(self) -> Tensor:
        """Sum every column, as it is multiplied: what a row's offset adds to the results."""
        return self.whole.sum(-1, dtype=torch.int32).float() * self.scale

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
    has_them = torch.backends.mkldnn.is_available() and bool(torch.cpu.get_capabilities()["avx2"])
    return has_them and all(hasattr(torch.ops.onednn, name) for name in names)
