"""Rotary positions: queries and keys turned by an angle that grows with their position.

B batch, H heads, T positions, K head size.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from nmt.attention.precision import exact_type

BASE = 10000.0


class Turn(NamedTuple):
    """The cosines and sines of each position's angles, (B or 1, 1, T, K) both.

    Of a head with an odd number, the last, which stays as it is, has no sine.
    """

    cosine: Tensor
    sine: Tensor


def turn_of(positions: Tensor, size: int, dtype: torch.dtype) -> Turn:
    """Work out by how much heads of K numbers turn at positions (B or 1, T).

    The first half of a head is paired with the second; a last odd number stays as it is.

    Source: Su et al. (2021), https://arxiv.org/abs/2104.09864, equation 34.
    """
    half, exact = size // 2, exact_type(dtype)
    rates = BASE ** (-torch.arange(half, device=positions.device, dtype=exact) / max(half, 1))
    angles = positions.unsqueeze(-1).to(exact) * rates  # (B or 1, T, K / 2)
    cosine, sine = angles.cos(), angles.sin()
    still = cosine.new_ones(*cosine.shape[:-1], size % 2)
    cosine = torch.cat([cosine, cosine, still], dim=-1).unsqueeze(1)
    return Turn(cosine, torch.cat([-sine, sine], dim=-1).unsqueeze(1))


def rotated(heads: Tensor, by: Turn) -> Tensor:
    """Turn (B, H, T, K)."""
    if not heads.requires_grad:
        return turn(heads, *by)
    turned: Tensor = Rotation.apply(heads, *by)  # type: ignore[no-untyped-call]
    return turned


class Rotation(torch.autograd.Function):
    """A rotation, whose gradient is the rotation back: nothing but the angles has to be kept."""

    @staticmethod
    def forward(ctx: Any, heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Turn heads (B, H, T, K)."""
        ctx.save_for_backward(cosine, sine)
        return turn(heads, cosine, sine)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """Turn the gradient back."""
        cosine, sine = ctx.saved_tensors
        return turn(grad, cosine, -sine), None, None


def turn(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Multiply by a cosine, and with halves swapped by a sine, in the precision of both."""
    half = heads.size(-1) // 2
    turned = heads * cosine
    for own, other in ((0, half), (half, 0)):
        swapped, by = heads.narrow(-1, other, half), sine.narrow(-1, own, half)
        turned.narrow(-1, own, half).addcmul_(swapped, by)
    return turned.to(heads.dtype)
