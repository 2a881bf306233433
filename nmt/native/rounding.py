"""From weights to 8-bit integers.

D inner size, N columns.
"""

import torch
from torch import Tensor

LARGEST = 127.0
LEAST = 1e-12  # of what is divided by: a row or a column of zeros has no scale


def whole_columns(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round a weight (N, D) to 8-bit integers, and give the scale (N,) of each of its rows."""
    exact = weight.detach().float()
    largest = exact.abs().amax(-1).clamp_(min=LEAST)
    return (exact * (LARGEST / largest).unsqueeze(-1)).round_().to(torch.int8), largest / LARGEST
