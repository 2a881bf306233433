"""Normalisers: what turns the scores of keys into weights, by name.

B batch, H heads, T queries, S keys, *L blocks that a pattern cuts queries into, if any.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn

from nmt.attention.config import AttentionConfig
from nmt.attention.entmax import entmax, entmax15, sparsemax
from nmt.attention.precision import exact_type, exactly

HIDDEN = -1e9  # finite, so that a row of nothing but hidden keys stays a number


class Normaliser(nn.Module, ABC):
    """Turn scores into weights.

    Attributes:
        sums_to_one: Whether the weights of a query that sees anything sum to one.
    """

    sums_to_one: ClassVar[bool] = True

    @abstractmethod
    def forward(self, scores: Tensor, visible: Tensor | None) -> Tensor:
        """Weigh keys by their scores, (B, H, *L, T, S), in at least float32.

        Args:
            visible: Broadcasts to the scores, True where a query may look; None hides nothing.

        Returns:
            Weights of the same shape. Those of hidden keys are exactly zero, and so is a row
            that sees nothing; neither has a gradient.
        """

    def statistics(self) -> dict[str, float]:
        """Return what the normaliser has learnt about itself, for the log."""
        return {}

    def regulators(self) -> Iterable[nn.Parameter]:
        """Return the parameters that need a learning rate of their own."""
        return ()


class Softmax(Normaliser):
    """Weigh keys in proportion to the exponential of their scores."""

    def forward(self, scores: Tensor, visible: Tensor | None) -> Tensor:
        """Weigh keys; see `Normaliser`."""
        return normalised(scores, visible)


class Sparsemax(Normaliser):
    """Project scores onto the simplex, which gives most keys no weight at all.

    Source: Martins & Astudillo (2016), https://arxiv.org/abs/1602.02068.
    """

    def forward(self, scores: Tensor, visible: Tensor | None) -> Tensor:
        """Weigh keys; see `Normaliser`."""
        return shown(sparsemax(hidden(scores, visible)), visible)


class Entmax(Normaliser):
    """Weigh keys by 1.5-entmax, half-way from softmax to sparsemax.

    Source: Peters et al. (2019), https://arxiv.org/abs/1905.05702.
    """

    def forward(self, scores: Tensor, visible: Tensor | None) -> Tensor:
        """Weigh keys; see `Normaliser`."""
        return shown(entmax15(hidden(scores, visible)), visible)


class AdaptiveEntmax(Normaliser):
    """Learn for each head how sparse it is: alpha-entmax with alpha = 1 + sigmoid(a).

    Heads start at alpha = 1.05. That is near softmax, since a key loses its whole weight only
    where it scores 1 / 0.05 = 20 below the best, and yet not where the sigmoid is so flat that
    alpha cannot move.

    Source: Correia et al. (2019), https://arxiv.org/abs/1909.00015.
    """

    def __init__(self, num_heads: int, initial_alpha: float = 1.05) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.full((num_heads,), initial_alpha - 1.0).logit())

    def forward(self, scores: Tensor, visible: Tensor | None) -> Tensor:
        """Weigh keys; see `Normaliser`."""
        exact = hidden(scores, visible)
        return shown(entmax(exact, per_head(self.alpha(exact.dtype), exact)), visible)

    def alpha(self, dtype: torch.dtype) -> Tensor:
        """Give each head's alpha, (H,)."""
        return 1.0 + self.logit.to(dtype).sigmoid()

    def statistics(self) -> dict[str, float]:
        """Return the mean alpha of the heads."""
        return {"alpha": self.alpha(torch.float32).mean().item()}

    def regulators(self) -> Iterable[nn.Parameter]:
        """Return what alpha is learnt by."""
        return (self.logit,)


class TopK(Normaliser):
    """Take the softmax of the k best keys; all that tie with the last of them stay in.

    Source: Zhao et al. (2019), https://arxiv.org/abs/1912.11637.
    """

    def __init__(self, k: int) -> None:
        super().__init__()
        assert k >= 1, k
        self.k = k

    def forward(self, scores: Tensor, visible: Tensor | None) -> Tensor:
        """Weigh keys; see `Normaliser`."""
        if self.k >= scores.size(-1):
            return normalised(scores, visible)
        exact = hidden(scores.detach(), visible)
        kept = exact >= exact.topk(self.k, sorted=False).values.amin(-1, keepdim=True)
        return normalised(scores, kept if visible is None else kept & visible)


class Sink(Normaliser):
    """Take the softmax with one more term below the line, so that a head may look at nothing.

    Each head learns its own logit b: keys weigh exp z / (exp b + sum exp z). It starts at -3,
    where it takes 5 % from a single key of score zero and 0.2 % from 25.

    Source: OpenAI (2025), https://arxiv.org/abs/2508.10925, a learned bias for each head. Before
    it b was 0 (Miller, 2023, "Attention is off by one") or the sink a whole learnt key (Xiao et
    al., 2023, https://arxiv.org/abs/2309.17453).
    """

    sums_to_one = False

    def __init__(self, num_heads: int, initial_logit: float = -3.0) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.full((num_heads,), initial_logit))

    def forward(self, scores: Tensor, visible: Tensor | None) -> Tensor:
        """Weigh keys; see `Normaliser`."""
        exact = hidden(scores, visible)
        sink = per_head(self.logit.to(exact.dtype), exact).expand(*exact.shape[:-1], 1)
        weights = torch.cat([exact, sink], dim=-1).softmax(dim=-1)  # (B, H, *L, T, S + 1)
        return shown(weights[..., :-1], visible)


NORMALISERS: dict[str, Callable[[int, AttentionConfig], Normaliser]] = {
    "softmax": lambda num_heads, config: Softmax(),
    "sparsemax": lambda num_heads, config: Sparsemax(),
    "entmax": lambda num_heads, config: Entmax(),
    "alpha": lambda num_heads, config: AdaptiveEntmax(num_heads),
    "top-k": lambda num_heads, config: TopK(config.top_k),
    "sink": lambda num_heads, config: Sink(num_heads),
}


def normalised(scores: Tensor, visible: Tensor | None) -> Tensor:
    """Take the softmax over visible keys in at least float32; a row that sees none is zero."""
    exact = exact_type(scores.dtype)
    if visible is None:
        return scores.softmax(dim=-1, dtype=exact)
    if not may_be_blind(visible):  # then infinity leaves exact zeros, which need no second pass
        return torch.where(visible, scores, -torch.inf).softmax(dim=-1, dtype=exact)
    fill = max(HIDDEN, torch.finfo(scores.dtype).min)  # float16 ends at -65504
    return shown(torch.where(visible, scores, fill).softmax(dim=-1, dtype=exact), visible)


def may_be_blind(visible: Tensor) -> bool:
    """Tell whether a query may see nothing; on a GPU looking would wait, so there it may."""
    return visible.device.type != "cpu" or not bool(visible.any(-1).all())


def hidden(scores: Tensor, visible: Tensor | None) -> Tensor:
    """Convert scores to at least float32 and sink those of hidden keys below all others."""
    exact = exactly(scores)
    return exact if visible is None else torch.where(visible, exact, HIDDEN)


def shown(weights: Tensor, visible: Tensor | None) -> Tensor:
    """Take all weight from hidden keys.

    A product, since filling is several times slower on a CPU; and not nan_to_num, which would
    hide real faults.
    """
    return weights if visible is None else weights * visible


def per_head(values: Tensor, scores: Tensor) -> Tensor:
    """Shape one value a head, (H,), so that it broadcasts to scores."""
    return values.view(-1, *[1] * (scores.dim() - 2))
