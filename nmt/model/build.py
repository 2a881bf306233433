"""Models by name of their preset's architecture."""

from nmt.attention.config import AttentionSections
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder
from nmt.model.transformer import Transformer


def build_model(
    config: ModelConfig, attention: AttentionSections, source_vocab: int, target_vocab: int
) -> EncoderDecoder:
    """Make a model with fresh weights."""
    return Transformer(config, attention, source_vocab, target_vocab)
