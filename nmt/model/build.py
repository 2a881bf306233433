"""Models by name of their architecture."""

from nmt.attention.config import AttentionSections
from nmt.model.config import ModelConfig, refuse_unfit_attention
from nmt.model.contract import SequenceModel
from nmt.model.language import LanguageModel
from nmt.model.recurrent import RecurrentModel
from nmt.model.transformer import Transformer


def build_model(
    config: ModelConfig, attention: AttentionSections, source_vocab: int, target_vocab: int
) -> SequenceModel:
    """Make a model with fresh weights.

    Raises:
        ConfigError: Settings do not fit each other or the vocabularies.
    """
    refuse_unfit_attention(config, attention)
    if config.arch == "lm":
        return LanguageModel(config, attention, target_vocab)
    if config.arch == "rnn":
        return RecurrentModel(config, attention, source_vocab, target_vocab)
    return Transformer(config, attention, source_vocab, target_vocab)
