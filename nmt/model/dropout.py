"""Dropout joined to the residual addition, with cheap random numbers.

On a CPU the random numbers are most of dropout's cost. One 64-bit draw serves eight values
here: a value is dropped when its byte is below a threshold, so the share that is dropped is
rounded to a 256th, and the values that stay are scaled by the exact inverse of their share.
"""

import torch
from torch import Tensor

LEVELS = 256


def kept(shape: torch.Size, share: float, like: Tensor) -> Tensor:
    """Draw a mask: zero with probability `share`, else what makes the expected value one."""
    threshold = min(round(share * LEVELS), LEVELS - 1)  # something must stay to be scaled
    count = shape.numel()
    words = torch.empty((count + 7) // 8, dtype=torch.int64, device=like.device)
    words.random_(-(2**63), None)
    drawn = words.view(torch.uint8)[:count].view(shape)
    return (drawn >= threshold).to(like.dtype).mul_(LEVELS / (LEVELS - threshold))


def dropout(values: Tensor, share: float, training: bool) -> Tensor:
    """Drop a share of the values."""
    if not training or share == 0.0:
        return values
    return values * kept(values.shape, share, values)


def add_residual(residual: Tensor, values: Tensor, share: float, training: bool) -> Tensor:
    """Add values to the residual stream, dropping a share of them, in one pass."""
    if not training or share == 0.0:
        return residual + values
    return torch.addcmul(residual, values, kept(values.shape, share, values))
