"""Muon: a matrix is moved as a whole, in all its directions alike."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW

WHOLE = "whole"  # marks the group of matrices that are moved so
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of x, x^3 and x^5
ITERATIONS = 5
LEAST = 1e-12  # of what is divided by: a gradient may be zero
ROOT_MEAN_SQUARE = 0.2  # of an update's entries at a rate of 1; those of Adam's are as large


class Muon(AdamW):
    """Move matrices marked as whole by Muon, all other weights by AdamW.

    The mean of a matrix's gradients, in Nesterov's way, is brought to singular values of about
    one, so that rare directions are learnt as fast as frequent ones. It is then scaled so that the
    rate and the decay that suit AdamW suit it too. Projections that are packed into one matrix are
    moved as one.

    Source: Jordan et al. (2024), https://kellerjordan.github.io/posts/muon; scale and decay: Liu
    et al. (2025), https://arxiv.org/abs/2502.16982, section 2.2, equation 4.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        rate: float,
        betas: tuple[float, float],
        momentum: float,
        decay: float,
    ) -> None:
        marked = [{WHOLE: False, **group} for group in groups]
        super().__init__(marked, rate, betas, eps=1e-9, weight_decay=decay, fused=True)
        self._momentum = momentum
        self._whole = {id(each) for group in marked if group[WHOLE] for each in group["params"]}

    def moves_whole(self, weight: Tensor) -> bool:
        """Tell whether a weight is a matrix that is moved as a whole."""
        return id(weight) in self._whole

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move all weights that have a gradient."""
        groups = self.param_groups
        for group in groups:
            if group[WHOLE]:
                self._move(group)
        self.param_groups = [group for group in groups if not group[WHOLE]]
        try:
            super().step(closure)
        finally:
            self.param_groups = groups

    def _move(self, group: dict[str, Any]) -> None:
        """Move the matrices of a group."""
        weights = [each for each in group["params"] if each.grad is not None]
        updates = orthogonalised([self._direction(each) for each in weights])
        for weight, update in zip(weights, updates, strict=True):
            weight.mul_(1.0 - group["lr"] * group["weight_decay"])
            size = ROOT_MEAN_SQUARE * max(weight.shape) ** 0.5
            weight.add_(update, alpha=-group["lr"] * size)

    def _direction(self, weight: Tensor) -> Tensor:
        """Take a gradient into the mean, and look one update ahead."""
        state, gradient = self.state[weight], weight.grad
        assert gradient is not None, "weights without a gradient stay"
        if not state:
            state["step"], state["exp_avg"] = torch.zeros(()), torch.zeros_like(weight)
        state["step"] += 1
        mean: Tensor = state["exp_avg"].lerp_(gradient, 1.0 - self._momentum)
        return gradient.lerp(mean, self._momentum)


def orthogonalised(matrices: Iterable[Tensor]) -> list[Tensor]:
    """Bring the singular values of matrices near one; those of a shape are worked on together."""
    made = list(matrices)
    by_shape: dict[torch.Size, list[int]] = {}
    for place, matrix in enumerate(made):
        by_shape.setdefault(matrix.shape, []).append(place)
    for places in by_shape.values():
        together = newton_schulz(torch.stack([made[place] for place in places]))
        for place, matrix in zip(places, together.unbind(), strict=True):
            made[place] = matrix
    return made


def newton_schulz(matrices: Tensor) -> Tensor:
    """Draw the singular values of matrices (N, rows, columns) to between 0.7 and 1.2.

    Singular values below a thousandth of the matrix's norm get less far.
    """
    is_tall = matrices.size(-2) > matrices.size(-1)
    x = matrices.mT if is_tall else matrices
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=LEAST)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    made: Tensor = x.mT if is_tall else x
    return made
