"""Tiny models and batches."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from nmt.attention.config import AttentionSections
from nmt.corpus.batches import Batch, Boundaries, make_batch
from nmt.model.build import build_model
from nmt.model.compute import Compute
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder

VOCAB_SIZE = 60
LENGTHS = [(1, 9), (4, 2), (5, 5), (3, 1), (7, 6), (2, 2)]  # of source and target


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Compute on one core: what is tiny gains nothing from more, and waits for them."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_waiting(hasty: None) -> None:
    """Wait for no disk."""


@pytest.fixture
def compute() -> Compute:
    return Compute(torch.device("cpu"), torch.float32)


@pytest.fixture
def make_model() -> Callable[..., EncoderDecoder]:
    """Make the same model every time, with changes to its settings."""

    def make(**changes: object) -> EncoderDecoder:
        torch.manual_seed(1)
        shape = {"encoder_layers": 1, "decoder_layers": 1, "model_size": 16, "ffn_size": 32}
        small = {"num_heads": 2, "max_length": 32, "dropout": 0.0}
        config = ModelConfig(**{**shape, **small, **changes})  # type: ignore[arg-type]
        return build_model(config, AttentionSections(), VOCAB_SIZE, VOCAB_SIZE)

    return make


@pytest.fixture
def make_batches() -> Callable[..., list[Batch]]:
    """Cut the same pairs into batches of the sizes given, by default one of all."""

    def make(*sizes: int) -> list[Batch]:
        generator = np.random.default_rng(1)
        pairs = [[generator.integers(3, VOCAB_SIZE, length) for length in pair] for pair in LENGTHS]
        ends = Boundaries(source_end=2, target_start=1, target_end=2)
        batches, start = [], 0
        for size in sizes or [len(pairs)]:
            sources, targets = zip(*pairs[start : start + size], strict=True)
            batches.append(make_batch(sources, targets, ends))
            start += size
        return batches

    return make
