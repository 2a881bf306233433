"""Matrices that the C library multiplies.

M rows, D inner size, N columns.
"""

import ctypes
from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.native.library import library
from nmt.native.rounding import whole_columns
from nmt.native.structures import MatrixFields

FLOATS, SIGNED_BYTES, UNSIGNED_BYTES = range(3)  # `kind` of products.h
BYTE_PANEL, QUAD, MIDDLE = 16, 4, 64  # of products.h


@dataclass(frozen=True)
class NativeMatrix:
    """A matrix in float32, or whose columns are 8-bit integers times a scale.

    Attributes:
        weight: (N, D) its transpose.
        scale: (N,) of integers; none where the weight is of floats.
        bias: (N,) that is added, if any.
        signed: Whether rows may hold numbers below zero; others are rounded half as much.
    """

    weight: Tensor
    scale: Tensor | None = None
    bias: Tensor | None = None
    signed: bool = True

    @classmethod
    def of(
        cls, weight: Tensor, bias: Tensor | None = None, *, int8: bool = False, signed: bool = True
    ) -> "NativeMatrix":
        """Take the transpose of a weight (N, D) in float32, or round it."""
        weight = weight.detach()
        bias = None if bias is None else bias.detach().clone()
        whole, scale = whole_columns(weight) if int8 else (weight, None)
        return cls(whole, scale, bias, signed)

    def columns(self, chosen: Tensor) -> "NativeMatrix":
        """Keep some columns, given by index."""
        scale, bias = (None if each is None else each[chosen] for each in (self.scale, self.bias))
        return replace(self, weight=self.weight[chosen], scale=scale, bias=bias)

    def times(self, states: Tensor, bias: Tensor | None = None) -> Tensor:
        """Multiply (..., D) and add a bias (N,), as (..., N) in float32."""
        rows = states.flatten(0, -2).float().contiguous()
        made = rows.new_empty(*states.shape[:-1], len(self.weight))
        library().times(ctypes.byref(self.fields), rows.data_ptr(), len(rows), made.data_ptr())
        return made if bias is None else made.add_(bias)

    @cached_property
    def fields(self) -> MatrixFields:
        """Describe it to the library; it lives as long as this does."""
        kind = FLOATS
        if self.scale is not None:
            kind = SIGNED_BYTES if self.signed else UNSIGNED_BYTES
        return MatrixFields(
            packed=self._packed.data_ptr(),
            scale=address(self.scale),
            middle=address(self._middle),
            bias=address(self.bias),
            inner=self.weight.size(1),
            columns=self.weight.size(0),
            kind=kind,
        )

    @cached_property
    def _packed(self) -> Tensor:
        if self.scale is None:
            return in_panels(self.weight, library().panel_size(), 1)
        return in_panels(self.weight, BYTE_PANEL, QUAD)

    @cached_property
    def _middle(self) -> Tensor | None:
        """Give what the byte that stands for 0 in rows of either sign adds to each sum, (N,)."""
        if self.scale is None:
            return None
        return self.weight.sum(1, dtype=torch.int32) * (MIDDLE if self.signed else 0)


def in_panels(weight: Tensor, columns: int, together: int) -> Tensor:
    """Lay out (N, D) as panels of columns, inner index by inner index, some of these together."""
    num_columns, inner = weight.shape
    padded = F.pad(weight, (0, -inner % together, 0, -num_columns % columns))
    panels: Tensor = padded.unflatten(0, (-1, columns)).unflatten(2, (-1, together))
    return panels.transpose(1, 2).clone(memory_format=torch.contiguous_format)


def address(tensor: Tensor | None) -> int | None:
    """Give where a tensor begins."""
    return None if tensor is None else tensor.data_ptr()
