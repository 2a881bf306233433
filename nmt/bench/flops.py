"""Floating-point operations: those that a model needs, and those that the machine can do."""

import time

import torch

from nmt.model.compute import Compute
from nmt.model.config import ModelConfig

PRODUCT_SIZE = 2048
PRODUCTS, ROUNDS = 5, 5


def flops_per_target_token(config: ModelConfig, vocab_size: int, source_per_target: float) -> float:
    """Count what forward and backward must multiply and add for each target token.

    Two operations for each weight of a product forward, four backward. Looking words up costs
    none. The scores of attention, a few per cent at sentence length, are left out, as is all that
    is no product: the share of the peak that is reported errs on the low side.
    """
    size, inner = config.model_size, 2 * config.model_size * config.ffn_size
    encoder = config.encoder_layers * (4 * size**2 + inner)
    decoder = config.decoder_layers * (6 * size**2 + inner)
    cross_keys = config.decoder_layers * 2 * size**2  # run once for each source token
    weights = decoder + vocab_size * size + source_per_target * (encoder + cross_keys)
    return 6.0 * weights


def product_speed(compute: Compute) -> float:
    """Measure square products in the working type, in operations a second: the best of some."""
    shape = (PRODUCT_SIZE, PRODUCT_SIZE)
    left, right = (torch.randn(shape, device=compute.device).to(compute.dtype) for _ in range(2))
    best = 0.0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(PRODUCTS):
            left @ right
        wait_for(compute.device)
        best = max(best, PRODUCTS * 2.0 * PRODUCT_SIZE**3 / (time.perf_counter() - start))
    return best


def wait_for(device: torch.device) -> None:
    """Wait until the device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
