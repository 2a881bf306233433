"""Averages of weights."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from nmt.errors import CheckpointError
from nmt.model.directory import WEIGHTS, load_tensors


def average_weights(folders: Sequence[Path]) -> dict[str, Tensor]:
    """Average the weights of model directories, summed in float64 so that order is no matter.

    Raises:
        CheckpointError: They have not the same weights.
    """
    sums: dict[str, Tensor] = {}
    for folder in folders:
        tensors = load_tensors(folder / WEIGHTS)
        refuse_unlike(sums, tensors, folder, folders[0])
        for name, tensor in tensors.items():
            sums[name] = sums.get(name, torch.zeros_like(tensor, dtype=torch.float64)) + tensor
    return {name: (total / len(folders)).float() for name, total in sums.items()}


def refuse_unlike(
    sums: dict[str, Tensor], tensors: dict[str, Tensor], folder: Path, first: Path
) -> None:
    """Refuse weights of another model."""
    if not sums:
        return
    if {name: each.shape for name, each in sums.items()} != {
        name: each.shape for name, each in tensors.items()
    }:
        raise CheckpointError(f"{folder} is not the same model as {first}: their weights differ")
