"""A model for search: the weights of its products in the type that products run in."""

import copy
from typing import TypeVar

import torch
from torch import nn

from nmt.model.compute import Compute
from nmt.model.contract import SequenceModel
from nmt.model.quantised import QuantisedLayer

Model = TypeVar("Model", bound=SequenceModel)


def lowered(model: Model, compute: Compute) -> Model:
    """Give the model itself, or a copy whose linear layers hold weights of another type.

    Autocast casts them in every step of a search, since it remembers nothing without gradients.
    What is no product (embeddings, norms) stays as it is.
    """
    if compute.dtype == torch.float32 and not compute.int8:
        return model
    copied = copy.deepcopy(model)
    for module in copied.modules():
        if isinstance(module, nn.Linear) and compute.int8 and module.weight.numel():
            module.forward = QuantisedLayer(module).forward  # type: ignore[method-assign, assignment]
        elif isinstance(module, nn.Linear):
            module.to(compute.dtype)
    return copied
