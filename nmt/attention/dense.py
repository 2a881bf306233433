"""The definition of composed attention: materialised, and obviously right.

B batch, H heads, G key/value heads, L blocks of a tile, T queries, S keys, K head size.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Place
from nmt.attention.distance import (
    AdaptiveSpan,
    Alibi,
    BucketedBias,
    LocalGaussian,
    ShawRelative,
    Term,
)
from nmt.attention.layout import FULL, Layout, Pattern, Tile
from nmt.attention.normalisers import NORMALISERS
from nmt.attention.products import grouped
from nmt.attention.scores import SCORES


class Composition(nn.Module):
    """Score, add what distance says, mix heads, normalise over visible keys, weight values.

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, equation 1; each part names
    its own.
    """

    def __init__(self, place: Place, num_heads: int, config: AttentionConfig) -> None:
        super().__init__()
        self.config = config
        self.score = SCORES[config.score](place, num_heads)
        self.term = term_of(place, num_heads, config)
        self.normaliser = NORMALISERS[config.normaliser](num_heads, config)
        self.mixing = HeadMixing(num_heads) if config.talking else None

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, layout: Layout, tile: Tile | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attend over all pairs of a tile.

        Args:
            query: (B, H, *L, T, K), transformed by the score.
            key, value: (B, G, *L, S, K), keys transformed by the score.

        Returns:
            The weighted values (B, H, *L, T, K) and the weights (B, H, *L, T, S).
        """
        weights = self.weights(query, key, layout, tile).to(value.dtype)
        dropout = self.config.dropout if self.training else 0.0
        dropped = F.dropout(weights, dropout) if dropout else weights
        context = grouped(dropped, value)
        if self.term is not None:
            added = self.term.of_values(dropped, layout, tile)
            context = context if added is None else context + added
        return context, weights

    def weights(self, query: Tensor, key: Tensor, layout: Layout, tile: Tile | None) -> Tensor:
        """Weigh the keys of a tile, (B, H, *L, T, S), in at least float32."""
        scores = self.score(query, key)
        visible = layout.visible(tile)
        if self.term is not None:
            added, seen = self.term(query, layout, tile)
            scores = scores + added
            if seen is not None:
                visible = seen if visible is None else visible & seen
        if self.mixing is not None:
            scores = self.mixing.before(scores)
        weights: Tensor = self.normaliser(scores, visible)
        return weights if self.mixing is None else self.mixing.after(weights)

    def pattern(self) -> Pattern:
        """Give what is visible whatever the queries are."""
        if self.config.pattern == "span":
            assert self.term is not None, "a span is a term"
            return Pattern(self.term.reach())
        return pattern_of(self.config)

    def penalty(self) -> Tensor | None:
        """Give what is added to the loss, if anything."""
        return None if self.term is None else self.term.penalty()

    def regulators(self) -> Iterable[nn.Parameter]:
        """Name the weights that set how attention adapts."""
        spans = [self.term.share] if isinstance(self.term, AdaptiveSpan) else []
        return [*self.normaliser.regulators(), *spans]

    def statistics(self) -> dict[str, float]:
        """Tell what was learnt."""
        return self.normaliser.statistics() | (self.term.statistics() if self.term else {})


class HeadMixing(nn.Module):
    """Mix scores, and then weights, across heads; starts as no mixing.

    Source: Shazeer et al. (2020), https://arxiv.org/abs/2003.02436, section 2.
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.eye(num_heads))
        self.weights = nn.Parameter(torch.eye(num_heads))

    def before(self, scores: Tensor) -> Tensor:
        """Mix (B, H, *L, T, S) before the normaliser."""
        return torch.einsum("gh,bh...->bg...", self.scores.to(scores.dtype), scores)

    def after(self, weights: Tensor) -> Tensor:
        """Mix (B, H, *L, T, S) after it; hidden keys keep nothing."""
        return torch.einsum("gh,bh...->bg...", self.weights.to(weights.dtype), weights)


def pattern_of(config: AttentionConfig) -> Pattern:
    """Make the pattern of settings that say it whole; a span is learnt, so they do not."""
    if config.pattern == "window":
        return Pattern(config.window, config.dilation, config.global_tokens)
    if config.pattern == "local-m":
        return Pattern(config.window)
    return Pattern(sentences=True) if config.pattern == "sentence" else FULL


def term_of(place: Place, num_heads: int, config: AttentionConfig) -> Term | None:
    """Make what settings let distance add to the scores."""
    if config.pattern == "local-p":
        return LocalGaussian(num_heads, place.head_size, config.window)
    if config.pattern == "span":
        return AdaptiveSpan(num_heads, config.window, config.span_ramp, config.penalty)
    if config.positions == "alibi":
        return Alibi(num_heads)
    if config.positions == "bucketed":
        return BucketedBias(num_heads, config.buckets, config.max_distance)
    if config.positions == "shaw":
        return ShawRelative(place.head_size, config.max_distance)
    return None
