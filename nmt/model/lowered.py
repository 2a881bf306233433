"""A model for search: the weights of its products in the type that products run in."""

import copy
from typing import TypeVar

import torch
from torch import nn

from nmt.model.contract import SequenceModel

Model = TypeVar("Model", bound=SequenceModel)


def lowered(model: Model, dtype: torch.dtype) -> Model:
    """Give the model itself, or a copy whose linear layers hold weights of another type.

    Autocast casts them in every step of a search, since it remembers nothing without gradients.
    What is no product (embeddings, norms) stays as it is.
    """
    if dtype == torch.float32:
        return model
    copied = copy.deepcopy(model)
    for module in copied.modules():
        if isinstance(module, nn.Linear):
            module.to(dtype)
    return copied
