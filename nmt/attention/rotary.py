"""Rotary positions: queries and keys turned by an angle that grows with their position.

B batch, H heads, T positions, K head size.
"""

import torch
from torch import Tensor

from nmt.attention.precision import exact_type

BASE = 10000.0


def rotated(heads: Tensor, positions: Tensor) -> Tensor:
    """Turn (B, H, T, K) by the angles of positions (B or 1, T).

    The first half of a head is paired with the second; a last odd number stays as it is.

    Source: Su et al. (2021), https://arxiv.org/abs/2104.09864, equation 34.
    """
    half = heads.size(-1) // 2
    exact = exact_type(heads.dtype)
    rates = BASE ** (-torch.arange(half, device=heads.device, dtype=exact) / max(half, 1))
    angles = positions.unsqueeze(-1).to(exact) * rates  # (B or 1, T, K / 2)
    cosine, sine = angles.cos().unsqueeze(1), angles.sin().unsqueeze(1)
    first, second, rest = heads[..., :half], heads[..., half : 2 * half], heads[..., 2 * half :]
    turned = [first * cosine - second * sine, first * sine + second * cosine]
    return torch.cat([*(each.to(heads.dtype) for each in turned), rest], dim=-1)
