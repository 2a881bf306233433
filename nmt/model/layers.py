"""Layers of the Transformer.

B batch, T positions, D model size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from nmt.attention.build import build_attention
from nmt.attention.config import AttentionSections
from nmt.attention.contract import Cache, Lent, Place
from nmt.attention.layout import Layout
from nmt.attention.projections import PackedLinear
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


class GatedFeedForward(nn.Module):
    """Two projections side by side, one of them through a smooth rectifier as the other's gate.

    As many weights as `FeedForward` of the same width have: three matrices of two thirds of it.

    Source: Shazeer (2020), https://arxiv.org/abs/2002.05202, equation 6 (SwiGLU), section 3.1.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = max(1, round(config.ffn_size * 2 / 3))
        self.inner = PackedLinear(config.model_size, width, {"gate": 1, "value": 1})
        self.outer = nn.Linear(width, config.model_size)
        self.share = config.ffn_dropout
        nn.init.xavier_uniform_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, states: Tensor) -> Tensor:
        """Transform (B, T, D)."""
        gate, value = self.inner(states).chunk(2, dim=-1)
        inner = F.silu(gate) * value
        return self.outer(dropout(inner, self.share, self.training))  # type: ignore[no-any-return]


def make_feed_forward(config: ModelConfig) -> nn.Module:
    """Make the feed-forward block that settings name."""
    return GatedFeedForward(config) if config.feed_forward == "gated" else FeedForward(config)


def make_norm(config: ModelConfig) -> nn.Module:
    """Make the normalisation that settings name."""
    if config.norm_kind == "rms":
        return nn.RMSNorm(config.model_size, eps=1e-6)
    return nn.LayerNorm(config.model_size)


class Residual(nn.Module):
    """A normalisation and a residual connection around a sub-layer, before it or after it.

    Source: after: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, section 3.1;
    before: Xiong et al. (2020), https://arxiv.org/abs/2002.04745.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = make_norm(config)
        self.before = config.norm == "pre"
        self.share = config.dropout

    def enter(self, states: Tensor) -> Tensor:
        """Give the sub-layer its input, (B, T, D)."""
        return self.norm(states) if self.before else states

    def leave(self, states: Tensor, output: Tensor) -> Tensor:
        """Add the sub-layer's output to the states that went around it."""
        added = add_residual(states, output, self.share, self.training)
        return added if self.before else self.norm(added)

    def forward(self, states: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """Run a sub-layer on (B, T, D)."""
        return self.leave(states, sublayer(self.enter(states)))


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, config: ModelConfig, attention: AttentionSections, layer: int) -> None:
        super().__init__()
        self.attention = build_attention(place("encoder", config, layer), attention.encoder)
        self.feed_forward = make_feed_forward(config)
        self.around_attention = Residual(config)
        self.around_feed_forward = Residual(config)

    def forward(
        self, states: Tensor, layout: Layout, lent: Lent | None
    ) -> tuple[Tensor, Lent | None]:
        """Transform (B, S, D), and lend to the next layer what it shares."""
        entered = self.around_attention.enter(states)
        borrowed = lent if self.attention.borrows else None
        attended = self.attention(entered, entered, layout, lent=borrowed)
        states = self.around_attention.leave(states, attended.output)
        return self.around_feed_forward(states, self.feed_forward), attended.lent


@dataclass(frozen=True)
class Surroundings:
    """What a decoder layer is given besides its input.

    Attributes:
        memory: (B, S, D) the encoded source; None in a decoding step, whose caches hold it.
        own, cross: Layouts of self-attention and of cross-attention.
        caches: Of self-attention, consumed, and of cross-attention, in a decoding step.
    """

    memory: Tensor | None
    own: Layout
    cross: Layout
    caches: tuple[Cache | None, Cache | None] = (None, None)


@dataclass(frozen=True)
class Lends:
    """What a decoder layer leaves for the next.

    Attributes:
        own, cross: What its mechanisms share.
        cache: Of self-attention, for the next step.
    """

    own: Lent | None = None
    cross: Lent | None = None
    cache: Cache | None = None


class DecoderLayer(nn.Module):
    """Self-attention over the target, cross-attention to the source, then feed-forward."""

    def __init__(self, config: ModelConfig, attention: AttentionSections, layer: int) -> None:
        super().__init__()
        self.attention = build_attention(place("decoder", config, layer), attention.decoder)
        self.cross_attention = build_attention(place("cross", config, layer), attention.cross)
        self.feed_forward = make_feed_forward(config)
        self.around_attention = Residual(config)
        self.around_cross_attention = Residual(config)
        self.around_feed_forward = Residual(config)

    def forward(self, states: Tensor, around: Surroundings, lends: Lends) -> tuple[Tensor, Lends]:
        """Transform a whole target (B, T, D), or one position of the hypotheses.

        A whole target and single steps are the same mathematics; a step has caches, and perhaps
        layouts that say to which rows its states are packed.
        """
        entered = self.around_attention.enter(states)
        borrowed = lends.own if self.attention.borrows else None
        own = self.attention.by_rows(
            entered, entered, around.own, cache=around.caches[0], lent=borrowed
        )
        states = self.around_attention.leave(states, own.output)
        entered = self.around_cross_attention.enter(states)
        borrowed = lends.cross if self.cross_attention.borrows else None
        cross = self.cross_attention.by_rows(
            entered, around.memory, around.cross, cache=around.caches[1], lent=borrowed
        )
        states = self.around_cross_attention.leave(states, cross.output)
        states = self.around_feed_forward(states, self.feed_forward)
        return states, Lends(own.lent, cross.lent, own.cache)


def place(role: str, config: ModelConfig, layer: int) -> Place:
    """Say where in the model a mechanism stands."""
    return Place(role=role, model_size=config.model_size, num_heads=config.num_heads, layer=layer)
