"""At least float32, whatever the products run in: what sums many terms needs it."""

import torch
from torch import Tensor


def exact_type(dtype: torch.dtype) -> torch.dtype:
    """Widen half precision to float32; leave float64 alone."""
    return torch.promote_types(dtype, torch.float32)


def exactly(values: Tensor) -> Tensor:
    """Convert to at least float32."""
    return values.to(exact_type(values.dtype))
