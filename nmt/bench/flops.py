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
    of_source, of_target = WEIGHTS[config.arch](config)
    return 6.0 * (of_target + vocab_size * config.model_size + source_per_target * of_source)


def transformer_weights(config: ModelConfig) -> tuple[int, int]:
    """Count the weights that a source token meets, keys of cross-attention too, and a target's."""
    size, inner = config.model_size, 2 * config.model_size * config.ffn_size
    cross_keys = config.decoder_layers * 2 * size**2
    encoder = config.encoder_layers * (4 * size**2 + inner)
    return encoder + cross_keys, config.decoder_layers * (6 * size**2 + inner)


def language_weights(config: ModelConfig) -> tuple[int, int]:
    """Count the weights that a token of text meets; there is no source."""
    size, inner = config.model_size, 2 * config.model_size * config.ffn_size
    return 0, config.decoder_layers * (4 * size**2 + inner)


def recurrent_weights(config: ModelConfig) -> tuple[int, int]:
    """Count the weights that a source token meets, keys of cross-attention too, and a target's.

    The bridge from encoder to decoder, once for each sentence, is left out.
    """
    size, num_gates = config.model_size, {"lstm": 4, "gru": 3}[config.cell]
    directions = num_gates * size * (size + size // 2)  # two, of half the width
    cells = num_gates * size**2 * (2 * config.decoder_layers + 1)  # the first is fed as well
    attention, readout = 2 * size**2, 2 * size**2
    return config.encoder_layers * directions + 2 * size**2, cells + attention + readout


WEIGHTS = {"transformer": transformer_weights, "rnn": recurrent_weights, "lm": language_weights}


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
