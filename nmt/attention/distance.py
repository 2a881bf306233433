"""How distance enters the scores.

B batch, H heads, L blocks of a tile, T queries, S keys, K head size.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.attention.layout import Layout, Tile
from nmt.attention.precision import exactly


class Term(nn.Module):
    """What is added to the scores of pairs because of where they stand."""

    def forward(
        self, query: Tensor, layout: Layout, tile: Tile | None
    ) -> tuple[Tensor, Tensor | None]:
        """Give the addend and which keys it leaves visible, if it hides any.

        Args:
            query: (B, H, *L, T, K).

        Returns:
            Tensors that broadcast to (B, H, *L, T, S).
        """
        raise NotImplementedError

    def of_values(self, weights: Tensor, layout: Layout, tile: Tile | None) -> Tensor | None:
        """Give what is added to the weighted values, if anything."""
        return None

    def reach(self) -> int | None:
        """Give the distance beyond which nothing is visible, if there is one."""
        return None

    def penalty(self) -> Tensor | None:
        """Give what is added to the loss, if anything."""
        return None

    def statistics(self) -> dict[str, float]:
        """Tell what was learnt."""
        return {}


def distances(layout: Layout, tile: Tile | None) -> Tensor:
    """Give the position of each key less that of each query, (B or 1, *L, T, S)."""
    queries, keys = layout.positions(tile)
    return keys.unsqueeze(-2) - queries.unsqueeze(-1)


class Alibi(Term):
    """Lower scores in proportion to distance, each head at its own slope; nothing is learnt.

    Source: Press et al. (2022), https://arxiv.org/abs/2108.12409, section 3. Both sides count
    alike where a query sees both.
    """

    slopes: Tensor

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        slopes = torch.tensor([2.0 ** (-8.0 * (head + 1) / num_heads) for head in range(num_heads)])
        self.register_buffer("slopes", slopes, persistent=False)

    def forward(
        self, query: Tensor, layout: Layout, tile: Tile | None
    ) -> tuple[Tensor, Tensor | None]:
        """Give minus the slope times the distance."""
        away = distances(layout, tile).abs().unsqueeze(1)  # (B or 1, 1, *L, T, S)
        slopes = self.slopes.to(query.dtype).view(-1, *[1] * (away.dim() - 2))
        return -slopes * away, None


class BucketedBias(Term):
    """Add a learned number for each class of distance and head.

    Source: Raffel et al. (2020), https://arxiv.org/abs/1910.10683, section 2.1. Each layer has
    its own table, where the paper shares one.
    """

    def __init__(self, num_heads: int, buckets: int, furthest: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(buckets, num_heads))
        self.furthest = furthest

    def forward(
        self, query: Tensor, layout: Layout, tile: Tile | None
    ) -> tuple[Tensor, Tensor | None]:
        """Look up each pair's class."""
        classes = bucket(distances(layout, tile), self.table.size(0), self.furthest)
        # Looked up in the table's own type: its gradient is a sum over all pairs, which in
        # bfloat16 stops growing at 256.
        bias = F.embedding(classes, self.table).to(query.dtype)  # (B or 1, *L, T, S, H)
        return bias.movedim(-1, 1), None


def bucket(distance: Tensor, buckets: int, furthest: int) -> Tensor:
    """Class distances: near ones each alone, further ones by their logarithm, each side apart."""
    half = buckets // 2
    exact = half // 2
    away = distance.abs()
    ratio = torch.log(away.clamp(min=1) / exact) / math.log(max(furthest / exact, 1.0 + 1e-6))
    far = exact + (ratio * (half - exact)).long()
    within = torch.where(away < exact, away, far.clamp(max=half - 1))
    return within + half * (distance > 0)


class ShawRelative(Term):
    """Give each distance a key and a value of its own, added to those of the words.

    Source: Shaw et al. (2018), https://arxiv.org/abs/1803.02155, equations 3 and 4; the tables
    are shared by all heads, as in section 3.3.
    """

    def __init__(self, head_size: int, furthest: int) -> None:
        super().__init__()
        self.furthest = furthest
        self.keys = nn.Parameter(torch.empty(2 * furthest + 1, head_size))
        self.values = nn.Parameter(torch.empty(2 * furthest + 1, head_size))
        for table in (self.keys, self.values):
            nn.init.xavier_uniform_(table)

    def forward(
        self, query: Tensor, layout: Layout, tile: Tile | None
    ) -> tuple[Tensor, Tensor | None]:
        """Score each query against the keys of all distances, then pick each pair's."""
        scaled = query * query.size(-1) ** -0.5
        scores = exactly(scaled @ self.keys.to(query.dtype).mT)  # (B, H, *L, T, 2 c + 1)
        return scores.gather(-1, self._index(layout, tile, scores)), None

    def of_values(self, weights: Tensor, layout: Layout, tile: Tile | None) -> Tensor:
        """Sum the weights of each distance, then weight its value."""
        exact = exactly(weights)  # far keys all add to one sum, as their gradients do
        sums = exact.new_zeros((*weights.shape[:-1], self.values.size(0)))
        sums = sums.scatter_add(-1, self._index(layout, tile, weights), exact)
        return sums.to(weights.dtype) @ self.values.to(weights.dtype)

    def _index(self, layout: Layout, tile: Tile | None, like: Tensor) -> Tensor:
        index = distances(layout, tile).clamp(-self.furthest, self.furthest) + self.furthest
        return index.unsqueeze(1).expand(*like.shape[:-1], index.size(-1))


class LocalGaussian(Term):
    """Look around a source position that is predicted from the query.

    Source: Luong et al. (2015), https://arxiv.org/abs/1508.04025, section 3.2, equations 9 and
    10 ("local-p"); the Gaussian is added to the scores, not multiplied onto the weights.
    """

    def __init__(self, num_heads: int, head_size: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.matrix = nn.Parameter(torch.empty(num_heads, head_size, head_size))
        self.vector = nn.Parameter(torch.empty(num_heads, head_size, 1))
        for weight in (self.matrix, self.vector):
            nn.init.uniform_(weight, -(head_size**-0.5), head_size**-0.5)

    def forward(
        self, query: Tensor, layout: Layout, tile: Tile | None
    ) -> tuple[Tensor, Tensor | None]:
        """Give the Gaussian and its window."""
        centre = self.centre(query, layout)  # (B, H, *L, T, 1)
        _, keys = layout.positions(tile)
        away = keys.unsqueeze(-2).unsqueeze(1) - centre
        deviation = self.window / 2
        near = away.abs() <= self.window
        return (-away.square() / (2 * deviation**2)).to(query.dtype), near

    def centre(self, query: Tensor, layout: Layout) -> Tensor:
        """Predict the position that a query looks at, between the first key and the last."""
        blocks = [1] * (query.dim() - 4)
        matrix = self.matrix.to(query.dtype).unflatten(0, (-1, *blocks))
        vector = self.vector.to(query.dtype).unflatten(0, (-1, *blocks))
        share = torch.sigmoid(torch.tanh(query @ matrix) @ vector)  # (B, H, *L, T, 1)
        exact = exactly(share)
        if layout.key_lengths is None:
            return exact * (layout.num_keys - 1)
        last = (layout.key_lengths - 1).clamp(min=0)
        return exact * last.view(-1, *[1] * (share.dim() - 1))


class AdaptiveSpan(Term):
    """Let each head learn how far it looks; weights fade out over the last keys of its span.

    Source: Sukhbaatar et al. (2019), https://arxiv.org/abs/1905.07799, equations 3 to 6.
    """

    def __init__(self, num_heads: int, furthest: int, ramp: int, price: float) -> None:
        super().__init__()
        self.furthest = furthest
        self.ramp = ramp
        self.price = price
        self.share = nn.Parameter(torch.ones(num_heads))  # of the furthest; starts dense

    def forward(
        self, query: Tensor, layout: Layout, tile: Tile | None
    ) -> tuple[Tensor, Tensor | None]:
        """Give the logarithm of the fading factor, and what has not faded out."""
        away = distances(layout, tile).abs().unsqueeze(1)  # (B or 1, 1, *L, T, S)
        span = self.spans().view(-1, *[1] * (away.dim() - 2))
        factor = ((self.ramp + span - away) / self.ramp).clamp(max=1.0)
        seen = factor > 0
        return factor.masked_fill(~seen, 1.0).log().to(query.dtype), seen

    def spans(self) -> Tensor:
        """Give each head's span in keys, (H,)."""
        if self.training:
            # A share outside would get no gradient to come back by. Behind the back of autograd,
            # since a layer that stands at several places of a stack comes here once for each.
            self.share.data.clamp_(0.0, 1.0)
        return self.share.clamp(0.0, 1.0) * self.furthest

    def reach(self) -> int:
        """Give the longest distance that any head still sees."""
        longest: float = max([0.0, *self.share.detach().clamp(0.0, 1.0).tolist()])
        return math.ceil(longest * self.furthest + self.ramp) - 1

    def penalty(self) -> Tensor | None:
        """Price the mean span, as a share of the furthest."""
        return self.price * self.share.mean() if self.price else None

    def statistics(self) -> dict[str, float]:
        """Tell the mean span in keys."""
        return {"span": float(self.share.detach().clamp(0.0, 1.0).mean()) * self.furthest}
