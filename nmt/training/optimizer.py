"""Optimizers, and their state as named tensors."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from nmt.errors import CheckpointError
from nmt.training.config import TrainingConfig

MOMENTS = ("exp_avg", "exp_avg_sq")


def make_optimizer(model: nn.Module, config: TrainingConfig) -> Optimizer:
    """Make the optimizer; only matrices decay, since a norm's scale or a bias has no size to lose.

    Source: Kingma and Ba (2015), https://arxiv.org/abs/1412.6980; decay: Loshchilov and Hutter
    (2019), https://arxiv.org/abs/1711.05101.
    """
    weights = [weight for _, weight in trained(model)]
    groups: list[dict[str, Any]] = [
        {"params": [each for each in weights if each.dim() > 1]},
        {"params": [each for each in weights if each.dim() <= 1], "weight_decay": 0.0},
    ]
    betas = (config.beta1, config.beta2)
    if config.optimizer == "adam":
        return Adam(groups, config.learning_rate, betas, eps=1e-9, fused=True)
    decay = config.weight_decay
    return AdamW(groups, config.learning_rate, betas, eps=1e-9, weight_decay=decay, fused=True)


def optimizer_tensors(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Name the optimizer's memory after the weights that it belongs to.

    A weight that has never had a gradient is remembered as Adam begins: by zeros.
    """
    tensors = {}
    for name, weight in trained(model):
        state = optimizer.state.get(weight) or beginning(weight)
        for key in (*MOMENTS, "step"):
            tensors[f"{key}.{name}"] = state[key].detach()
    return tensors


@torch.no_grad()
def restore_optimizer(model: nn.Module, optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` named.

    Raises:
        CheckpointError: The memory of a weight is missing.
    """
    for name, weight in trained(model):
        state = optimizer.state[weight]
        for key in (*MOMENTS, "step"):
            if f"{key}.{name}" not in tensors:
                raise CheckpointError(f"the checkpoint's optimizer lacks {key} of {name}")
            saved = tensors[f"{key}.{name}"]
            state[key] = saved.clone().to(weight.device)


def trained(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """List by name the weights that are trained at all."""
    return [(name, each) for name, each in model.named_parameters() if each.requires_grad]


def beginning(weight: Tensor) -> dict[str, Tensor]:
    """Give the memory of a weight before its first gradient."""
    moments = {key: torch.zeros_like(weight) for key in MOMENTS}
    return {**moments, "step": torch.zeros((), device=weight.device)}


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Use this learning rate from the next update on."""
    for group in optimizer.param_groups:
        group["lr"] = rate
