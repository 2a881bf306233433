"""Embeddings of ids and of positions.

B batch, T positions, D model size, V vocabulary.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.model.config import ModelConfig
from nmt.model.dropout import dropout


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
