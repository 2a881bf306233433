"""Layers of the Transformer.

B batch, T positions, D model size.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from nmt.attention.config import AttentionSections
from nmt.attention.contract import Cache
from nmt.attention.layout import Layout
from nmt.attention.variants import build_attention
from nmt.model.config import ModelConfig
from nmt.model.dropout import add_residual, dropout


class FeedForward(nn.Module):
    """Two projections with a rectifier between, applied to each position alone."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.inner = nn.Linear(config.model_size, config.ffn_size)
        self.outer = nn.Linear(config.ffn_size, config.model_size)
        self.share = config.ffn_dropout
        for linear in (self.inner, self.outer):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, states: Tensor) -> Tensor:
        """Transform (B, T, D)."""
        inner = F.relu(self.inner(states))
        return self.outer(dropout(inner, self.share, self.training))  # type: ignore[no-any-return]


class Residual(nn.Module):
    """A normalisation and a residual connection around a sub-layer, before it or after it.

    Source: after: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, section 3.1;
    before: Xiong et al. (2020), https://arxiv.org/abs/2002.04745.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.model_size)
        self.before = config.norm == "pre"
        self.share = config.dropout

    def forward(self, states: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """Run a sub-layer on (B, T, D)."""
        if self.before:
            return add_residual(states, sublayer(self.norm(states)), self.share, self.training)
        added = add_residual(states, sublayer(states), self.share, self.training)
        return self.norm(added)  # type: ignore[no-any-return]


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, config: ModelConfig, attention: AttentionSections) -> None:
        super().__init__()
        size, heads = config.model_size, config.num_heads
        self.attention = build_attention("encoder", attention.encoder, size, heads)
        self.feed_forward = FeedForward(config)
        self.around_attention = Residual(config)
        self.around_feed_forward = Residual(config)

    def forward(self, states: Tensor, layout: Layout) -> Tensor:
        """Transform (B, S, D)."""
        states = self.around_attention(states, lambda x: self.attention(x, x, layout).output)
        return self.around_feed_forward(states, self.feed_forward)  # type: ignore[no-any-return]


class DecoderLayer(nn.Module):
    """Self-attention over the target, cross-attention to the source, then feed-forward."""

    def __init__(self, config: ModelConfig, attention: AttentionSections) -> None:
        super().__init__()
        size, heads = config.model_size, config.num_heads
        self.attention = build_attention("decoder", attention.decoder, size, heads)
        self.cross_attention = build_attention("cross", attention.cross, size, heads)
        self.feed_forward = FeedForward(config)
        self.around_attention = Residual(config)
        self.around_cross_attention = Residual(config)
        self.around_feed_forward = Residual(config)

    def forward(self, states: Tensor, memory: Tensor, own: Layout, cross: Layout) -> Tensor:
        """Transform a whole target (B, T, D), given the encoded source (B, S, D)."""
        states = self.around_attention(states, lambda x: self.attention(x, x, own).output)
        states = self.around_cross_attention(
            states, lambda x: self.cross_attention(x, memory, cross).output
        )
        return self.around_feed_forward(states, self.feed_forward)  # type: ignore[no-any-return]

    def step(
        self, states: Tensor, caches: tuple[Cache, Cache], own: Layout, cross: Layout
    ) -> tuple[Tensor, Cache]:
        """Transform one position of every hypothesis, (B, beam, D).

        Args:
            caches: Of self-attention, consumed, and of cross-attention.

        Returns:
            The states and the cache of self-attention for the next step.
        """
        following: list[Cache] = []

        def attend(x: Tensor) -> Tensor:
            attended = self.attention(x, x, own, cache=caches[0])
            following.append(attended.cache)
            return attended.output  # type: ignore[no-any-return]

        states = self.around_attention(states, attend)
        states = self.around_cross_attention(
            states, lambda x: self.cross_attention(x, None, cross, cache=caches[1]).output
        )
        return self.around_feed_forward(states, self.feed_forward), following[0]
