"""Optimizers, and their state as named tensors."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from nmt.errors import CheckpointError
from nmt.model.contract import SequenceModel
from nmt.model.sharded import placed_as, whole
from nmt.training.config import TrainingConfig
from nmt.training.muon import WHOLE, Muon

MOMENTS = ("exp_avg", "exp_avg_sq")
PASSED_THROUGH = (nn.Linear, nn.RNNBase)
SPEED = "speed"  # factor of a group's learning rate


def make_optimizer(model: SequenceModel, config: TrainingConfig) -> Optimizer:
    """Make the optimizer; only matrices decay, since a norm's scale or a bias has no size to lose.

    What sets how attention adapts (spans, gates, alphas) learns faster and does not decay.

    Source: Kingma and Ba (2015), https://arxiv.org/abs/1412.6980; decay: Loshchilov and Hutter
    (2019), https://arxiv.org/abs/1711.05101.
    """
    regulators = model.regulators()
    apart = {id(each) for each in regulators}
    weights = [each for each in model.parameters() if id(each) not in apart]
    groups: list[dict[str, Any]] = [
        {"params": [each for each in weights if is_matrix(each)]},
        {"params": [each for each in weights if not is_matrix(each)], "weight_decay": 0.0},
    ]
    if regulators:
        faster = {SPEED: config.regulator_speed, "weight_decay": 0.0}
        groups.append({"params": regulators, **faster})
    betas = (config.beta1, config.beta2)
    if config.optimizer == "adam":
        return Adam(groups, config.learning_rate, betas, eps=1e-9, fused=True)
    decay = config.weight_decay
    if config.optimizer == "muon":
        groups = with_whole_matrices(model, groups)
        return Muon(groups, config.learning_rate, betas, config.momentum, decay)
    return AdamW(groups, config.learning_rate, betas, eps=1e-9, weight_decay=decay, fused=True)


def with_whole_matrices(model: nn.Module, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cut the first group in two: matrices that states pass through, to be moved whole; the rest.

    Of the rest, tables are looked up row by row, and others are a matrix for each head.
    """
    layers = [each for each in model.modules() if isinstance(each, PASSED_THROUGH)]
    passed = {id(weight) for each in layers for weight in each.parameters(recurse=False)}
    kinds: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for weight in groups[0]["params"]:
        kinds[id(weight) in passed].append(weight)
    return [{"params": kinds[True], WHOLE: True}, {"params": kinds[False]}, *groups[1:]]


def is_matrix(weight: Tensor) -> bool:
    """Tell matrices from biases and scales, also of those that are one number for each head."""
    return weight.squeeze().dim() > 1


def optimizer_tensors(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Name the optimizer's memory after the weights that it belongs to.

    Of a weight that never had a gradient it knows only that no step was taken. Every process
    that has a part must call this.
    """
    tensors = {}
    for name, weight in model.named_parameters():
        state = optimizer.state.get(weight) or {"step": torch.zeros(())}
        for key in state:
            tensors[f"{key}.{name}"] = whole(state[key].detach()).cpu()
    return tensors


@torch.no_grad()
def restore_optimizer(model: nn.Module, optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` named.

    Raises:
        CheckpointError: The memory of a weight is missing.
    """
    for name, weight in model.named_parameters():
        if f"step.{name}" in tensors and not tensors[f"step.{name}"].any():
            continue
        state = optimizer.state[weight]
        for key in (*moments_of(optimizer, weight), "step"):
            if f"{key}.{name}" not in tensors:
                raise CheckpointError(f"the checkpoint's optimizer lacks {key} of {name}")
            saved = tensors[f"{key}.{name}"]
            memory = placed_as(saved, weight) if key in MOMENTS else saved
            state[key] = memory.clone().to(weight.device)


def moments_of(optimizer: Optimizer, weight: Tensor) -> tuple[str, ...]:
    """Name the means that an optimizer keeps of a weight's gradients."""
    is_whole = isinstance(optimizer, Muon) and optimizer.moves_whole(weight)
    return MOMENTS[:1] if is_whole else MOMENTS


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Use this learning rate from the next update on."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get(SPEED, 1.0)
