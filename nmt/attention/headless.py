"""Attention that pruning has left no head: what remains is the bias of its output.

B batch, T queries, S keys, D model size.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from nmt.attention.caches import Nothing
from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Attended, Attention, Cache, Lent, Place
from nmt.attention.layout import Layout


class Headless(Attention):
    """Add the same vector to every position, whatever there is to see.

    Source: Michel et al. (2019), https://arxiv.org/abs/1905.10650, masks heads one by one; this
    is a layer with all of them masked.
    """

    gives_weights: ClassVar[bool] = False

    def __init__(self, place: Place, config: AttentionConfig) -> None:
        super().__init__()
        self.place = place
        self.config = config
        self.output = Constant(place.model_size)

    def forward(
        self,
        query: Tensor,
        memory: Tensor | None,
        layout: Layout,
        *,
        cache: Cache | None = None,
        need_weights: bool = False,
        lent: Lent | None = None,
    ) -> Attended:
        """Give the bias, (B, T, D); see the contract."""
        return Attended(self.output(query), cache)

    def start(self, batch_size: int, beam: int, limit: int) -> Cache:
        """Remember nothing."""
        return Nothing()

    def remember(self, memory: Tensor, lengths: Tensor) -> Cache:
        """Remember nothing."""
        return Nothing()


class Constant(nn.Module):
    """An output projection of no heads."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, like: Tensor) -> Tensor:
        """Repeat the bias over (B, T, D), in the type of what came in."""
        return self.bias.to(like.dtype).expand_as(like)
