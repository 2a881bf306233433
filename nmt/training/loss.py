"""The loss, computed together with the output projection.

The scores of a batch over the whole vocabulary are the largest tensor of training. Here they
never exist at once: positions are taken in chunks, by default such as fit the processor's cache,
and each chunk's gradient is computed while its scores are there, so that backward computes
nothing twice.

N positions, D model size, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nmt.training.config import TrainingConfig


@dataclass(frozen=True)
class LossSums:
    """Sums over target tokens.

    Attributes:
        loss: What training minimises; the only one with a gradient.
        nll: Negative log-likelihood, in nats.
        correct: Tokens than which the model finds none likelier.
        tokens: How many there are.
    """

    loss: Tensor
    nll: Tensor
    correct: Tensor
    tokens: int


def smoothed_loss(
    states: Tensor,
    weight: Tensor,
    ids: Tensor,
    smoothing: float,
    chunk: int = TrainingConfig.loss_chunk,
) -> LossSums:
    """Sum the label-smoothed cross-entropy of ids given the states that predict them.

    Args:
        states: (N, D).
        weight: (V, D).
        ids: (N,)
        smoothing: Share of the target distribution spread evenly over the vocabulary.
        chunk: Scores that exist at once; 0 for all.

    Source: Szegedy et al. (2016), https://arxiv.org/abs/1512.00567, section 7.
    """
    if not torch.is_grad_enabled():  # of which the function itself is not told
        states, weight = states.detach(), weight.detach()
    size = max(1, chunk // weight.size(0)) if chunk else max(1, ids.numel())
    loss, nll, correct = ChunkedCrossEntropy.apply(states, weight, ids, smoothing, size)  # type: ignore[no-untyped-call]
    return LossSums(loss, nll, correct, ids.numel())


class ChunkedCrossEntropy(torch.autograd.Function):
    """Cross-entropy after a projection, chunk by chunk, gradients made on the way forward."""

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, ids: Tensor, smoothing: float, size: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the sums of loss, negative log-likelihood and right guesses.

        Args:
            size: Positions of a chunk.
        """
        wanted = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        projection = weight.to(states.dtype)
        sums = torch.zeros(3, dtype=torch.float64, device=states.device)
        state_grad = torch.empty_like(states) if wanted else None
        weight_grad = torch.zeros_like(weight) if wanted else None
        for start in range(0, ids.numel(), size):
            part = slice(start, start + size)
            log_probs = (states[part] @ projection.mT).log_softmax(-1, dtype=wide(states.dtype))
            sums += chunk_sums(log_probs, ids[part], smoothing)
            if state_grad is not None and weight_grad is not None:
                slope = score_gradient(log_probs, ids[part], smoothing).to(states.dtype)
                torch.mm(slope, projection, out=state_grad[part])
                weight_grad += slope.mT @ states[part]
        ctx.save_for_backward(state_grad, weight_grad)
        loss, nll, correct = sums.unbind()
        ctx.mark_non_differentiable(nll, correct)
        return loss.clone(), nll, correct

    @staticmethod
    def backward(
        ctx: Any, grad: Tensor, *_: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        """Scale the gradients that the forward pass made."""
        state_grad, weight_grad = ctx.saved_tensors
        # A product with a number keeps the tensor's type and is exact inside.
        return state_grad * grad, weight_grad * grad, None, None, None


def wide(dtype: torch.dtype) -> torch.dtype:
    """Widen half precision to float32; leave float64 alone."""
    return torch.promote_types(dtype, torch.float32)


def chunk_sums(log_probs: Tensor, ids: Tensor, smoothing: float) -> Tensor:
    """Sum loss, negative log-likelihood and right guesses over a chunk (n, V)."""
    of_ids = log_probs.gather(-1, ids.unsqueeze(-1)).squeeze(-1)
    nll = -of_ids.sum(dtype=torch.float64)
    spread = -log_probs.mean(-1).sum(dtype=torch.float64) if smoothing else nll
    correct = (of_ids == log_probs.amax(-1)).sum()  # argmax takes longer than the softmax
    return torch.stack([(1 - smoothing) * nll + smoothing * spread, nll, correct])


def score_gradient(log_probs: Tensor, ids: Tensor, smoothing: float) -> Tensor:
    """Turn log-probabilities (n, V), consumed, into the gradient of the loss by the scores."""
    slope = log_probs.exp_()
    if smoothing:
        slope -= smoothing / slope.size(-1)
    rest = slope.new_full((ids.numel(), 1), smoothing - 1.0)
    return slope.scatter_add_(-1, ids.unsqueeze(-1), rest)
