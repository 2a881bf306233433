"""The loss of two passes over the same pairs that are to agree (R-Drop).

Dropout makes each pass another model. Their distributions are compared chunk by chunk, as in
`loss.py`, with gradients made on the way forward: the scores of neither pass ever exist whole.

N positions, D model size, V vocabulary, n positions of a chunk.
"""

from typing import Any

import torch
from torch import Tensor

from nmt.training.config import TrainingConfig
from nmt.training.loss import LossSums, chunk_sums, score_gradient, wide


def consistent_loss(
    states: Tensor,
    weight: Tensor,
    ids: Tensor,
    smoothing: float,
    strength: float,
    chunk: int = TrainingConfig.loss_chunk,
) -> LossSums:
    """Sum the loss of two passes: the mean of their cross-entropies, and what they differ by.

    That is half of what the paper sums, so that the loss stays one of a token, whatever the
    strength, and at a strength of 0 the mean of two losses.

    Args:
        states: (2, N, D), of both passes.
        weight: (V, D).
        ids: (N,)
        smoothing: Share of the target distribution spread evenly over the vocabulary.
        strength: Weight of the mean of both Kullback-Leibler divergences, the paper's alpha.
        chunk: Scores that exist at once, of both passes; 0 for all.

    Source: Liang et al. (2021), https://arxiv.org/abs/2106.14448, equations 1 to 4.
    """
    size = max(1, chunk // (2 * weight.size(0))) if chunk else max(1, ids.numel())
    loss, nll, correct = ConsistentCrossEntropy.apply(
        states, weight, ids, (smoothing, strength), size
    )  # type: ignore[no-untyped-call]
    return LossSums(loss, nll, correct, ids.numel())


class ConsistentCrossEntropy(torch.autograd.Function):
    """Two cross-entropies and the divergence between their distributions, chunk by chunk."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        ids: Tensor,
        weights_of_parts: tuple[float, float],
        size: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss, and the means over both passes of its likelihood and right guesses.

        Args:
            weights_of_parts: Label smoothing, and the strength of the divergence.
            size: Positions of a chunk.
        """
        smoothing, strength = weights_of_parts
        projection = weight.to(states.dtype)
        sums = torch.zeros(3, dtype=torch.float64, device=states.device)
        state_grad, weight_grad = torch.empty_like(states), torch.zeros_like(weight)
        for start in range(0, ids.numel(), size):
            part = slice(start, start + size)
            scores = states[:, part] @ projection.mT
            log_probs = scores.log_softmax(-1, dtype=wide(states.dtype))  # (2, n, V)
            for each in log_probs:
                sums += chunk_sums(each, ids[part], smoothing) / 2
            apart, slopes = divergence(log_probs)
            sums[0] += strength / 2 * apart
            for each, slope in zip(log_probs, slopes, strict=True):
                slope *= strength / 2
                slope += score_gradient(each, ids[part], smoothing) / 2
            narrow = slopes.to(states.dtype)
            state_grad[:, part] = narrow @ projection
            weight_grad += narrow.flatten(0, 1).mT @ states[:, part].flatten(0, 1)
        ctx.save_for_backward(state_grad, weight_grad)
        loss, nll, correct = sums.unbind()
        ctx.mark_non_differentiable(nll, correct)
        return loss.clone(), nll, correct

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        """Scale the gradients that the forward pass made."""
        state_grad, weight_grad = ctx.saved_tensors
        return state_grad * grad, weight_grad * grad, None, None, None


def divergence(log_probs: Tensor) -> tuple[Tensor, Tensor]:
    """Sum the mean of both divergences over a chunk (2, n, V); its gradient by the scores.

    With p and q of one position, the mean of both is the sum of (p - q)(log p - log q) / 2, and
    its gradient by the scores of p is half of p (log p - log q - KL(p, q)) + p - q.
    """
    probs = log_probs.exp()
    gap, excess = log_probs[0] - log_probs[1], probs[0] - probs[1]
    gaps, excesses = torch.stack([gap, -gap]), torch.stack([excess, -excess])
    to_other = (probs * gaps).sum(-1, keepdim=True)  # KL(p, q) and KL(q, p), (2, n, 1)
    slopes = probs.mul_(gaps - to_other).add_(excesses).div_(2)
    return to_other.sum(dtype=torch.float64) / 2, slopes
