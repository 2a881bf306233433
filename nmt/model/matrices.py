"""Matrices that only multiply, laid out for it.

D inner size, N columns.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.attention.precision import exactly

LARGE = 2**20  # entries, from which on a product with few rows waits for memory


class Matrix(Protocol):
    """What multiplies states from the right."""

    def columns(self, chosen: Tensor) -> Self:
        """Keep some columns, given by index."""

    def times(self, states: Tensor, bias: Tensor | None = None) -> Tensor:
        """Multiply (..., D) and add a bias (N,), as (..., N) in at least float32."""


@dataclass(frozen=True)
class PlainMatrix:
    """A matrix as it is, or, where that is faster, in the order in which a processor reads it.

    Attributes:
        weight: (N, D), its transpose.
    """

    weight: Tensor

    def columns(self, chosen: Tensor) -> "PlainMatrix":
        """Keep some columns."""
        return PlainMatrix(self.weight[chosen])

    def times(self, states: Tensor, bias: Tensor | None = None) -> Tensor:
        """Multiply."""
        if self._laid_out is None:
            # Rounded to bfloat16, scores of likely pieces lie so far apart that many are equal.
            return exactly(F.linear(states.to(self.weight.dtype), self.weight, bias))
        made: Tensor = torch.ops.mkldnn._linear_pointwise(
            states.to(self.weight.dtype), self._laid_out, bias, "none", [], ""
        )
        return made

    @cached_property
    def _laid_out(self) -> Tensor | None:
        """Give the matrix in oneDNN's own order, if it is large and the library is there.

        By default products bring a large matrix into order anew each time, which takes longer than
        multiplying a few rows.
        """
        of_type = self.weight.device.type == "cpu" and self.weight.dtype == torch.float32
        if not of_type or self.weight.numel() < LARGE or not has_laid_out_products():
            return None
        made: Tensor = torch.ops.mkldnn._reorder_linear_weight(self.weight)
        return made


def has_laid_out_products() -> bool:
    """Tell whether PyTorch offers oneDNN's products, which it promises to nobody."""
    names = ("_linear_pointwise", "_reorder_linear_weight")
    return torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.mkldnn, name) for name in names
    )
