"""What all ways share to make a model from another one without training."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nmt.attention.config import ROLES, AttentionConfig, AttentionSections
from nmt.attention.multi_head import MultiHeadAttention
from nmt.attention.projections import PackedLinear
from nmt.files import sha256
from nmt.model.contract import SequenceModel
from nmt.model.directory import Package, copy_weights, model_of, resolve
from nmt.model.inventory import WEIGHTS
from nmt.settings import build, to_table

Configs = Mapping[str, AttentionConfig]  # by role


def attention_configs(package: Package) -> dict[str, AttentionConfig]:
    """Read the settings of attention in each role."""
    sections = build(AttentionSections, package.settings.get("attention", {}), "attention")
    return {role: getattr(sections, role) for role in ROLES}


def composed(model: SequenceModel) -> dict[str, MultiHeadAttention]:
    """Name the mechanisms that have heads of their own to change."""
    found = model.mechanisms().items()
    return {name: each for name, each in found if isinstance(each, MultiHeadAttention)}


def derive(
    package: Package, configs: Configs, change: Callable[[SequenceModel], dict[str, Tensor]]
) -> Package:
    """Make a model with other settings of attention.

    Args:
        change: Gives the weights, by name, for the new model, which it may look at.

    Raises:
        ConfigError: The settings exclude each other.
    """
    sections = AttentionSections(**configs)
    settings = {**package.settings, "attention": to_table(sections)}
    model = model_of(settings, package.segmenters).to(dtype_of(package.model)).eval()
    copy_weights(model, change(model), Path(WEIGHTS))
    model.shortlist = package.model.shortlist
    return replace(package, model=model, settings=settings)


def dtype_of(model: SequenceModel) -> torch.dtype:
    """Give the type of a model's weights."""
    return next(model.parameters()).dtype


def heads_by_part(mechanism: MultiHeadAttention) -> dict[str, int]:
    """Count the heads of each projection."""
    packed = [each for each in mechanism.children() if isinstance(each, PackedLinear)]
    return {part: count for each in packed for part, count in each.parts.items()}


def repacked(
    mechanism: MultiHeadAttention,
    name: str,
    weights: Mapping[str, Tensor],
    change: Callable[[str, Tensor], Tensor],
) -> dict[str, Tensor]:
    """Change the projections of a mechanism.

    Args:
        name: What the model calls the mechanism.
        change: Is given "query", "key" or "value" and that projection's weight (H, K, D) or bias
            (H, K), and gives it with other heads.
    """
    changed = {}
    for inner, linear in mechanism.named_children():
        if isinstance(linear, PackedLinear) and inner != "output":
            for each in (f"{name}.{inner}.weight", f"{name}.{inner}.bias"):
                parts = linear.by_head(weights[each])
                heads = torch.cat([change(part, tensor) for part, tensor in parts.items()])
                changed[each] = heads.flatten(0, 1)
    return changed


def credited(package: Package, parent: str | Path, **operation: Any) -> Package:
    """Say in a model's metadata what it was made from, and how; it has no score of its own."""
    folder = resolve(parent)
    step = {**operation, "model": str(parent), "weights": sha256(folder / WEIGHTS)}
    history = [*package.metadata.get("history", []), step]
    return replace(package, metadata={**package.metadata, "dev": {}, "history": history})
