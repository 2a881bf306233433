"""Products in 8-bit integers: one scale for each row of states and each column of weights.

Sums of integers are exact, and a row's scale is its own, so a row gives the same whatever stands
beside it.

M rows, D inner size, N columns.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.native.rounding import LARGEST, LEAST, whole_columns


@dataclass(frozen=True)
class QuantisedMatrix:
    """A matrix whose columns are whole numbers times a scale.

    Attributes:
        whole: (D, N) 8-bit integers, column by column.
        scale: (N,)

    Source: Bhandare et al. (2019), https://arxiv.org/abs/1906.00532; a scale for each row and
    column as in Dettmers et al. (2022), https://arxiv.org/abs/2208.07339, section 2.1.
    """

    whole: Tensor
    scale: Tensor

    @classmethod
    def of(cls, weight: Tensor) -> "QuantisedMatrix":
        """Round the transpose of a weight (N, D)."""
        whole, scale = whole_columns(weight)
        return cls(whole.T, scale)

    def columns(self, chosen: Tensor) -> "QuantisedMatrix":
        """Keep some columns, given by index."""
        return QuantisedMatrix(self.whole.T[chosen].T, self.scale[chosen])

    def times(self, states: Tensor, bias: Tensor | None = None) -> Tensor:
        """Multiply (..., D) from the left and add a bias (N,), as (..., N) in float32."""
        rows = states.flatten(0, -2).float()
        scale = rows.abs().amax(-1, keepdim=True).mul_(1 / LARGEST).add_(LEAST)
        whole = (rows / scale).round_().to(torch.int8)
        sums = torch._int_mm(whole, self.whole).float().mul_(scale)
        scaled = sums.mul_(self.scale) if bias is None else torch.addcmul(bias, sums, self.scale)
        return scaled.view(*states.shape[:-1], scaled.size(-1))
