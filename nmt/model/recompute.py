"""Layers of which only the input is kept, and the rest computed once more for the gradient."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

Result = TypeVar("Result")


class Recomputing(nn.Module):
    """A stack of layers that can spare the memory of what they compute inside.

    Random numbers are drawn once more from where they were, so that gradients are the same to
    the last bit.

    Attributes:
        recompute: Whether to; where no gradient is wanted, nothing is kept anyway.

    Source: Chen et al. (2016), https://arxiv.org/abs/1604.06174.
    """

    recompute: bool = False

    def through(self, layer: Callable[..., Result], *inputs: object) -> Result:
        """Run a layer."""
        if not (self.recompute and torch.is_grad_enabled()):
            return layer(*inputs)
        result: Result = checkpoint(layer, *inputs, use_reentrant=False)
        return result


def set_recompute(model: nn.Module, wanted: bool) -> None:
    """Let all stacks of a model recompute, or none."""
    for module in model.modules():
        if isinstance(module, Recomputing):
            module.recompute = wanted
