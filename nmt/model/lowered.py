"""A model for search: the weights of its products in the type that products run in."""

import copy
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from nmt.model.compute import Compute, has_vnni, why_not_compiled
from nmt.model.contract import SequenceModel
from nmt.model.layers import FeedForward
from nmt.model.matrices import Matrix
from nmt.model.packed import PackedMatrix
from nmt.model.quantised import QuantisedMatrix
from nmt.native.matrix import NativeMatrix

Model = TypeVar("Model", bound=SequenceModel)


def lowered(model: Model, compute: Compute) -> Model:
    """Give the model itself, or a copy whose linear layers hold weights of another type.

    Autocast casts them in every step of a search, since it remembers nothing without gradients.
    What is no product (embeddings, norms) stays as it is.
    """
    if compute.dtype == torch.float32 and not compute.int8:
        return model
    copied = copy.deepcopy(model)
    rectified = {each.outer for each in copied.modules() if isinstance(each, FeedForward)}
    for module in copied.modules():
        if isinstance(module, nn.Linear) and compute.int8 and module.weight.numel():
            layer = QuantisedLayer(module, compute, signed=module not in rectified)
            module.forward = layer.forward  # type: ignore[method-assign, assignment]
        elif isinstance(module, nn.Linear):
            module.to(compute.dtype)
    return copied


class QuantisedLayer:
    """What a linear layer computes, in 8-bit integers."""

    def __init__(self, linear: nn.Linear, compute: Compute, *, signed: bool = True) -> None:
        self.matrix = quantised(linear.weight, compute, signed=signed)
        if isinstance(self.matrix, QuantisedMatrix):  # faster for few rows
            self.matrix = replace(self.matrix, whole=self.matrix.whole.contiguous())
        self.bias = None if linear.bias is None else linear.bias.detach().float()

    def forward(self, states: Tensor) -> Tensor:
        """Transform (..., D) to (..., N)."""
        return self.matrix.times(states, self.bias)


def quantised(weight: Tensor, compute: Compute, *, signed: bool = True) -> Matrix:
    """Round the transpose of a weight (N, D) for the products that this processor has.

    Args:
        signed: Whether it is multiplied by numbers of either sign.
    """
    if not why_not_compiled(replace(compute, int8=True)):
        return NativeMatrix.of(weight, int8=True, signed=signed)
    return QuantisedMatrix.of(weight) if has_vnni() else PackedMatrix.of(weight, signed=signed)
