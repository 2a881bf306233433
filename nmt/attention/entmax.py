"""Sparse relatives of softmax: sparsemax, 1.5-entmax and alpha-entmax, over the last dimension.

alpha-entmax gives a key of score z the weight [1 + beta (z - t)]_+ ^ (1 / beta), beta = alpha - 1;
t makes the weights sum to one. Each t here is found by Newton's method, not by sorting, which
takes PyTorch several times as long at any length. The backward pass needs the weights alone.

S keys.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nmt.attention.precision import exactly

SMALLEST_BETA = 1e-4  # nearer to softmax the slope in alpha drowns in float32's rounding
MOST_STEPS = 64  # a proven bound, see `rising`, for 2^32 keys in float64


def sparsemax(scores: Tensor) -> Tensor:
    """Project scores (..., S) onto the simplex, in at least float32.

    Source: Martins & Astudillo (2016), https://arxiv.org/abs/1602.02068, sections 2.2
    and 2.5.
    """
    exact = exactly(scores)
    if exact.size(-1) == 0:
        return exact
    weights: Tensor = _Sparsemax.apply(exact)  # type: ignore[no-untyped-call]
    return weights


def entmax15(scores: Tensor) -> Tensor:
    """Take the 1.5-entmax of scores (..., S), in at least float32.

    Source: Peters et al. (2019), https://arxiv.org/abs/1905.05702, section 3.
    """
    exact = exactly(scores)
    if exact.size(-1) == 0:
        return exact
    weights: Tensor = _Entmax15.apply(exact)  # type: ignore[no-untyped-call]
    return weights


def entmax(scores: Tensor, alpha: float | Tensor) -> Tensor:
    """Take the alpha-entmax of scores (..., S), in at least float32.

    Args:
        alpha: In [1, 2], broadcasting to (..., 1); 1 is softmax up to 1e-4, 2 is sparsemax. A
            tensor gets the exact gradient.

    Source: Peters et al. (2019), https://arxiv.org/abs/1905.05702, section 3; the gradient in
    alpha is Correia et al. (2019), https://arxiv.org/abs/1909.00015, proposition 1, arranged
    so that nothing cancels as alpha nears 1.
    """
    exact = exactly(scores)
    if exact.size(-1) == 0:
        return exact
    if not isinstance(alpha, Tensor):
        assert 1.0 <= alpha <= 2.0, alpha
        alpha = exact.new_tensor(alpha)
    weights: Tensor = _Entmax.apply(exact, alpha.to(exact.dtype))  # type: ignore[no-untyped-call]
    return weights


class _Sparsemax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        def step(threshold: Tensor) -> Tensor:
            weights = torch.sub(below, threshold, out=work).relu_()
            excess = weights.sum(-1, keepdim=True).sub_(1.0)
            return excess / weights.sign_().sum(-1, keepdim=True)

        below = scores - scores.amax(-1, keepdim=True)
        work = torch.empty_like(below)
        enough = 8 * torch.finfo(below.dtype).eps
        threshold = rising(torch.full_like(below[..., :1], -1.0), step, enough)
        weights = below.sub_(threshold).relu_()
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        (weights,) = ctx.saved_tensors
        return through(slope, weights.sign())


class _Entmax15(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        def step(threshold: Tensor) -> Tensor:
            roots = torch.sub(below, threshold, out=work).relu_()
            norm: Tensor = torch.linalg.vector_norm(roots, dim=-1, keepdim=True)
            return (norm - 1.0) * norm / roots.sum(-1, keepdim=True)

        below = (scores - scores.amax(-1, keepdim=True)).mul_(0.5)
        work = torch.empty_like(below)
        enough = torch.finfo(below.dtype).eps ** 0.75  # the next step would be its square
        threshold = rising(torch.full_like(below[..., :1], -1.0), step, enough)
        roots = below.sub_(threshold).relu_()
        ctx.save_for_backward(roots)
        return roots.square()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        (roots,) = ctx.saved_tensors
        return through(slope, roots)


class _Entmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, alpha: Tensor) -> Tensor:
        def step(threshold: Tensor) -> Tensor:
            weigh(torch.sub(below, threshold, out=bases), beta, weights)
            total = weights.sum(-1, keepdim=True)
            excess = -torch.expm1(-beta * total.log()) / beta
            bases.clamp_(min=torch.finfo(bases.dtype).tiny)  # no 0 / 0 outside the support
            return excess * total / weights.div_(bases).sum(-1, keepdim=True)

        beta = (alpha - 1.0).clamp(min=SMALLEST_BETA)
        below = scores - scores.amax(-1, keepdim=True)
        bases, weights = torch.empty_like(below), torch.empty_like(below)
        # Near the root an error shrinks to its power min(2, 1 / beta) in one step.
        enough = 8 * torch.finfo(below.dtype).eps ** beta.clamp(min=0.75)
        threshold = rising(torch.zeros_like(below[..., :1]), step, enough)
        weigh(below.sub_(threshold), beta, weights)
        ctx.save_for_backward(weights, beta)
        return weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor | None]:
        weights, beta = ctx.saved_tensors
        scaled = weights.clamp(min=torch.finfo(weights.dtype).tiny).log_().mul_(beta)
        growth = torch.expm1(-scaled)
        curvature = (growth * weights).add_(weights)
        about_mean = centred(slope, curvature)
        if not ctx.needs_input_grad[1]:
            return about_mean.mul_(curvature), None
        # How weights grow with beta while t stands still; that t moves too is in the centring.
        drift = growth.add_(scaled).mul_(weights).div_(-beta.square())
        return about_mean * curvature, (drift * about_mean).sum_to_size(beta.shape)


def weigh(distances: Tensor, beta: Tensor, weights: Tensor) -> None:
    """Turn distances from t, in place, into bases [1 + beta (z - t)]_+; fill in their weights."""
    numbers = torch.finfo(distances.dtype)
    bases = distances.mul_(beta)
    # Logarithms are kept finite since special values make exp and log several times slower.
    torch.clamp(bases, min=numbers.eps - 1.0, out=weights)
    weights.log1p_().div_(beta).clamp_(min=math.log(numbers.tiny) + 1.0).exp_()
    bases.add_(1.0).relu_()
    weights.mul_(bases.sign())


def rising(threshold: Tensor, step: Callable[[Tensor], Tensor], enough: Tensor | float) -> Tensor:
    """Raise a threshold to where the weights' norm is one, by Newton's method.

    The norm is convex in the threshold and the start lies below the root, so that no step goes
    past it, and residual times slope falls at least fourfold with every step.

    Args:
        step: What a step adds to a threshold.
        enough: The length of a step after which the next would change nothing.
    """
    for _ in range(MOST_STEPS):
        move = step(threshold)
        threshold = threshold + move
        if (move.abs() <= enough).all():
            break
    return threshold


def through(slope: Tensor, curvature: Tensor) -> Tensor:
    """Turn the gradient of weights into that of scores."""
    return centred(slope, curvature).mul_(curvature)


def centred(slope: Tensor, curvature: Tensor) -> Tensor:
    """Take from the gradient of weights its mean over the keys that the threshold moves.

    Args:
        curvature: Weights ^ (2 - alpha), zero outside the support.
    """
    mean = (slope * curvature).sum(-1, keepdim=True) / curvature.sum(-1, keepdim=True)
    return slope - mean
