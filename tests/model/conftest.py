"""Small models whose weights all matter."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from nmt.attention.config import AttentionSections
from nmt.model.build import build_model
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder

SMALL = {
    "encoder_layers": 2,
    "decoder_layers": 2,
    "model_size": 8,
    "num_heads": 2,
    "max_length": 12,
}
OF_TRANSFORMERS = {"ffn_size": 12}
VOCAB = 11

MakeModel = Callable[..., EncoderDecoder]


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    """Build a model in float64 for evaluation, biases and norms drawn like all weights."""

    def make(attention: AttentionSections | None = None, **settings: Any) -> EncoderDecoder:
        own = {} if settings.get("arch") == "rnn" else OF_TRANSFORMERS
        config = ModelConfig(**{**SMALL, **own, **settings})
        torch.manual_seed(1)
        target_vocab = VOCAB if config.tie == "all" else VOCAB - 2
        model = build_model(config, attention or AttentionSections(), VOCAB, target_vocab)
        for weight in model.parameters():
            weight.data += 0.3 * torch.randn_like(weight)
        return model.double().eval()

    return make
