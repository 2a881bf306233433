"""What to do where memory ends: a batch is cut in two, and never dropped.

B sentences, S source length, T target length.
"""

import logging

import torch

from nmt.corpus.batches import Batch
from nmt.errors import ConfigError
from nmt.model.compute import Compute

log = logging.getLogger(__name__)


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """Cut a batch between its pairs, each half padded no further than it needs.

    Raises:
        ConfigError: It is a single pair.
    """
    count = len(batch.source_lengths)
    if count == 1:
        raise ConfigError(
            f"a pair of {batch.source_lengths[0]} source and {batch.target_lengths[0]} target "
            "tokens has no room in memory, even alone; set training.recompute = true, encode "
            "with a lower encode.max_pieces, or choose a smaller model"
        )
    log.warning(
        "no room for a batch of %d pairs: it is done in two halves; a lower data.batch_tokens "
        "is faster (nmt plan --fit finds it)",
        count,
    )
    return rows(batch, slice(None, count // 2)), rows(batch, slice(count // 2, None))


def rows(batch: Batch, chosen: slice) -> Batch:
    """Take some pairs of a batch, (B, S) and (B, T + 1), without padding that none needs."""
    source_lengths, target_lengths = batch.source_lengths[chosen], batch.target_lengths[chosen]
    return Batch(
        batch.source[chosen, : source_lengths.max()],
        source_lengths,
        batch.target[chosen, : target_lengths.max() + 1],
        target_lengths,
    )


def give_back(compute: Compute) -> None:
    """Hand what the allocator holds in reserve back, so that other sizes can be had."""
    if compute.device.type == "cuda":
        torch.cuda.empty_cache()
