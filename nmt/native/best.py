"""Rows of scores as log-probabilities, and the best of them.

V vocabulary.
"""

import torch
from torch import Tensor

from nmt.native.compiler import library, unavailable


def is_served(scores: Tensor) -> bool:
    """Tell whether the library can be asked."""
    is_plain = scores.device.type == "cpu" and scores.dtype == torch.float32
    return is_plain and scores.is_contiguous() and not unavailable()


def log_probs_of(scores: Tensor) -> Tensor:
    """Make scores (..., V) log-probabilities, which of the best are those of `find_best`."""
    made, size = torch.empty_like(scores), scores.size(-1)
    library().normalise_scores(scores.data_ptr(), num_rows(scores), size, made.data_ptr())
    return made


def find_best(scores: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Find the best of (..., V): log-probabilities and places, (..., width), equals in order."""
    shape = (*scores.shape[:-1], width)
    log_probs, places = scores.new_empty(shape), torch.empty(shape, dtype=torch.long)
    size = scores.size(-1)
    library().find_best(
        scores.data_ptr(), num_rows(scores), size, width,
        log_probs.data_ptr(), places.data_ptr(),
    )  # fmt: skip
    return log_probs, places


def num_rows(scores: Tensor) -> int:
    """Count the rows of (..., V)."""
    return scores.numel() // max(1, scores.size(-1))
