"""Averages of weights."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from nmt.errors import CheckpointError
from nmt.model.directory import weights_in, weights_of


def average_weights(folders: Sequence[Path]) -> dict[str, Tensor]:
    """Average the weights of model directories, summed in float64 so that order is no matter.

    Raises:
        CheckpointError: They have not the same weights, or one is damaged.
    """
    sums: dict[str, Tensor] = {}
    for folder in folders:
        tensors = weights_in(folder)
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


class MovingAverage:
    """An exponential moving average of a model's weights, in float32.

    It begins as the weights after the first update. After update t it keeps a share
    d = min(decay, (1 + t) / (10 + t)) of itself and takes 1 - d of the weights: a warm-up, so that
    it soon forgets the first ones.

    Source: Morales-Brotons et al. (2024), https://arxiv.org/abs/2411.18704; the warm-up is that of
    TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model, self._decay = model, decay
        self._average: dict[str, Tensor] = {}

    def take(self) -> None:
        """Begin, or go on, from the weights that the model has now."""
        weights = weights_of(self._model).items()
        self._average = {name: weight.float().clone() for name, weight in weights}

    def add(self, update: int) -> None:
        """Move towards the weights that the model has after an update, the first being 1."""
        if not self._average:
            self.take()
            return
        decay = min(self._decay, (1 + update) / (10 + update))
        weights = [weight.float() for weight in weights_of(self._model).values()]
        get_ema_multi_avg_fn(decay)(list(self._average.values()), weights, None)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the average inside this context, and its own weights again after."""
        weights = weights_of(self._model)
        own = {name: weight.clone() for name, weight in weights.items()}
        try:
            for name, average in self._average.items():
                weights[name].copy_(average)
            yield
        finally:
            for name, weight in weights.items():
                weight.copy_(own[name])
