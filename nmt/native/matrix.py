"""Matrices that the C library multiplies.

M rows, D inner size, N columns.
"""

import ctypes

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.native.compiler import library
from nmt.native.rounding import whole_columns
from nmt.native.structures import MatrixFields

FLOATS, SIGNED_BYTES, UNSIGNED_BYTES = range(3)  # `kind` of products.h
BYTE_PANEL, QUAD, MIDDLE = 16, 4, 64  # of products.h


class NativeMatrix:
    """A matrix in float32, or whose columns are 8-bit integers times a scale.

    Attributes:
        weight: (N, D) its transpose.
        scale: (N,) of integers; none where the weight is of floats.
        bias: (N,) that is added, if any.
        signed: Whether rows may hold numbers below zero; others are rounded half as much.
        fields: Describes it to the library, for as long as it lives.
    """

    def __init__(
        self, weight: Tensor, scale: Tensor | None = None, bias: Tensor | None = None,
        *, signed: bool = True,
    ) -> None:  # fmt: skip
        self.weight, self.scale, self.bias, self.signed = weight, scale, bias, signed
        self._middle = None if scale is None else weight.sum(1, dtype=torch.int32)
        if self._middle is not None:  # what the byte that stands for 0 adds to each sum
            self._middle *= MIDDLE if signed else 0
        # Laid out at once: searches side by side share it, and none may find it half done.
        panel = (library().panel_size(), 1) if scale is None else (BYTE_PANEL, QUAD)
        self._packed = in_panels(weight, *panel)
        self.fields = MatrixFields(
            packed=self._packed.data_ptr(),
            scale=address(scale),
            middle=address(self._middle),
            bias=address(bias),
            inner=weight.size(1),
            columns=weight.size(0),
            kind=FLOATS if scale is None else SIGNED_BYTES if signed else UNSIGNED_BYTES,
        )

    @classmethod
    def of(
        cls, weight: Tensor, bias: Tensor | None = None, *, int8: bool = False, signed: bool = True
    ) -> "NativeMatrix":
        """Take the transpose of a weight (N, D) in float32, or round it."""
        bias = None if bias is None else bias.detach().clone()
        whole, scale = whole_columns(weight) if int8 else (weight.detach(), None)
        return cls(whole, scale, bias, signed=signed)

    def columns(self, chosen: Tensor) -> "NativeMatrix":
        """Keep some columns, given by index."""
        scale, bias = (None if each is None else each[chosen] for each in (self.scale, self.bias))
        return NativeMatrix(self.weight[chosen], scale, bias, signed=self.signed)

    def times(self, states: Tensor, bias: Tensor | None = None) -> Tensor:
        """Multiply (..., D) and add a bias (N,), as (..., N) in float32."""
        assert states.size(-1) == self.weight.size(1), "one number for each row of the matrix"
        rows = states.flatten(0, -2).float().contiguous()
        made = rows.new_empty(*states.shape[:-1], len(self.weight))
        library().times(ctypes.byref(self.fields), rows.data_ptr(), len(rows), made.data_ptr())
        return made if bias is None else made.add_(bias)


def in_panels(weight: Tensor, columns: int, together: int) -> Tensor:
    """Lay out (N, D) as panels of columns, inner index by inner index, some of these together."""
    num_columns, inner = weight.shape
    padded = F.pad(weight, (0, -inner % together, 0, -num_columns % columns))
    panels: Tensor = padded.unflatten(0, (-1, columns)).unflatten(2, (-1, together))
    return panels.transpose(1, 2).clone(memory_format=torch.contiguous_format)


def address(tensor: Tensor | None) -> int | None:
    """Give where a tensor begins."""
    return None if tensor is None else tensor.data_ptr()
