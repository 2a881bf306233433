"""Models and a segmenter for lines of all kinds."""

import pytest
import torch

from nmt.attention.config import AttentionSections
from nmt.model.build import build_model
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder
from nmt.text.segmenter import Segmenter
from nmt.translate import Translator
from tests.translation.copying import Copier, learn, translator


@pytest.fixture(scope="session")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    """A segmenter that keeps every character."""
    return learn(tmp_path_factory.mktemp("segmenter"), "identity")


@pytest.fixture
def copier(segmenter: Segmenter) -> Translator:
    return translator(Copier(segmenter.vocab_size), segmenter)


@pytest.fixture(scope="session")
def transformer(segmenter: Segmenter) -> EncoderDecoder:
    config = ModelConfig(
        encoder_layers=1, decoder_layers=1, model_size=8, ffn_size=12, num_heads=2, max_length=16
    )
    torch.manual_seed(1)
    size = segmenter.vocab_size
    model = build_model(config, AttentionSections(), size, size).eval()
    for weight in model.parameters():
        weight.data += 0.5 * torch.randn_like(weight)
    return model
