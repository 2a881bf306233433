"""Embeddings of ids and of positions.

B batch, T positions, D model size, V vocabulary.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.model.config import ModelConfig
from nmt.model.dropout import dropout


class WordEmbeddings(nn.Module):
    """Ids to states: scaled word embeddings, for a model that learns order by itself."""

    def __init__(self, words: nn.Parameter, config: ModelConfig) -> None:
        super().__init__()
        self.words = words  # (V, D), perhaps shared
        self.scale = math.sqrt(config.model_size)
        self.share = config.dropout

    def forward(self, ids: Tensor) -> Tensor:
        """Embed ids of any shape (...) as (..., D)."""
        states = F.embedding(ids, self.words) * self.scale
        return dropout(in_working_type(states), self.share, self.training)


class Embeddings(nn.Module):
    """Ids to states: scaled word embeddings plus positions.

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, sections 3.4 and 3.5.
    """

    positions: Tensor

    def __init__(self, words: nn.Parameter, config: ModelConfig) -> None:
        super().__init__()
        self.words = words  # (V, D), perhaps shared
        self.scale = math.sqrt(config.model_size)
        self.share = config.dropout
        if config.positions == "learned":
            learned = torch.empty(config.max_length, config.model_size)
            self.positions = nn.Parameter(nn.init.normal_(learned, std=config.model_size**-0.5))
        else:
            known = config.positions == "sinusoidal"
            table = sinusoids(config.max_length, config.model_size)
            table = table if known else torch.zeros_like(table)
            self.register_buffer("positions", table, persistent=False)

    def forward(self, ids: Tensor, first: int = 0) -> Tensor:
        """Embed (B, T) ids that stand at positions from `first` on, as (B, T, D)."""
        places = self.positions[first : first + ids.size(1)]
        return self._embed(ids, places)

    def at_step(self, ids: Tensor, position: int) -> Tensor:
        """Embed (B, beam) ids that all stand at one position, as (B, beam, D)."""
        return self._embed(ids, self.positions[position])

    def _embed(self, ids: Tensor, places: Tensor) -> Tensor:
        states = F.embedding(ids, self.words) * self.scale + places
        return dropout(in_working_type(states), self.share, self.training)


def in_working_type(states: Tensor) -> Tensor:
    """Cast to autocast's type, so that the residual stream needs no casts between layers."""
    device = states.device.type
    if not torch.is_autocast_enabled(device):
        return states
    return states.to(torch.get_autocast_dtype(device))


def sinusoids(length: int, size: int) -> Tensor:
    """Tabulate sines (even columns) and cosines (odd columns) of positions, (length, size)."""
    rates = torch.exp(torch.arange(0, size, 2) * (-math.log(10000.0) / size))
    angles = torch.arange(length).unsqueeze(1) * rates  # (length, size / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def word_matrix(vocab_size: int, model_size: int) -> nn.Parameter:
    """Make a matrix of word embeddings that serves as output projection as well."""
    return nn.Parameter(nn.init.normal_(torch.empty(vocab_size, model_size), std=model_size**-0.5))


def word_matrices(
    config: ModelConfig, source_vocab: int, target_vocab: int
) -> tuple[nn.Parameter, nn.Parameter]:
    """Make the word embeddings of source and target, one matrix where they are tied.

    Raises:
        ConfigError: They are to be tied, but the vocabularies differ in size.
    """
    if config.tie == "all" and source_vocab != target_vocab:
        raise ConfigError(
            f"model.tie = 'all' needs one segmenter for both sides, but the vocabularies "
            f"hold {source_vocab:,} and {target_vocab:,} pieces; set model.tie = 'target'"
        )
    target = word_matrix(target_vocab, config.model_size)
    source = target if config.tie == "all" else word_matrix(source_vocab, config.model_size)
    return source, target


def output_matrix(config: ModelConfig, target_vocab: int) -> nn.Parameter | None:
    """Make the output projection where it is not the target's word embeddings."""
    return word_matrix(target_vocab, config.model_size) if config.tie == "none" else None
