"""How well a query and a key fit.

B batch, H heads, G key/value heads, L blocks of a tile, T queries, S keys, K head size.
"""

from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.attention.contract import Place
from nmt.attention.products import grouped, repeated


class Score(nn.Module):
    """Score pairs by the product of a query and a key, each perhaps transformed before.

    Attributes:
        scale: Factor of the product.
        is_product: Whether it is one, as the fused kernel needs it.
        keeps_keys: Whether keys are used as they were projected.
    """

    is_product: ClassVar[bool] = True
    keeps_keys: ClassVar[bool] = True

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def of_query(self, query: Tensor) -> Tensor:
        """Transform (B, H, T, K) once, before any kernel."""
        return query

    def of_key(self, key: Tensor) -> Tensor:
        """Transform (B, G, S, K) once; what comes out is cached."""
        return key

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """Score (B, H, *L, T, K) against (B, G, *L, S, K), as (B, H, *L, T, S)."""
        scaled = query if self.scale == 1.0 else query * self.scale
        return grouped(scaled, key.mT)


class GeneralScore(Score):
    """Put a matrix between query and key.

    Source: Luong et al. (2015), https://arxiv.org/abs/1508.04025, section 3.1 ("general").
    """

    def __init__(self, num_heads: int, head_size: int) -> None:
        super().__init__()
        # Starts as the scaled product, which is known to learn.
        start = torch.eye(head_size) * head_size**-0.5
        self.matrix = nn.Parameter(start.repeat(num_heads, 1, 1))  # (H or 1, K, K)

    def of_query(self, query: Tensor) -> Tensor:
        """Multiply by the matrix, which saves doing so for each key."""
        return query @ self.matrix.to(query.dtype)


class CosineScore(Score):
    """Score by the cosine of query and key, with one learned scale per head.

    Source: Henry et al. (2020), https://arxiv.org/abs/2010.04245. The paper learns a single
    scale; here each head has its own.
    """

    keeps_keys = False

    def __init__(self, num_heads: int, start: float = 10.0) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.full((num_heads, 1, 1), start))

    def of_query(self, query: Tensor) -> Tensor:
        """Bring to the length of the head's scale."""
        return F.normalize(query, dim=-1) * self.temperature.to(query.dtype)

    def of_key(self, key: Tensor) -> Tensor:
        """Bring to unit length."""
        return F.normalize(key, dim=-1)


class AdditiveScore(Score):
    """Score by a layer of hidden units that sees query and key.

    The projections of the head are the two matrices of the paper, their biases its bias.

    Source: Bahdanau et al. (2015), https://arxiv.org/abs/1409.0473, appendix A.1.2.
    """

    is_product = False

    def __init__(self, num_heads: int, head_size: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.empty(num_heads, 1, head_size))
        nn.init.uniform_(self.vector, -(head_size**-0.5) * 3, head_size**-0.5 * 3)

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """Score all pairs; the hidden units of all take memory (B, H, *L, T, S, K)."""
        key = repeated(key, query.size(1))
        hidden = torch.tanh(query.unsqueeze(-2) + key.unsqueeze(-3))
        blocks = [1] * (hidden.dim() - 4)
        vector = self.vector.to(hidden.dtype).view(-1, *blocks, self.vector.size(-1), 1)
        return (hidden @ vector).squeeze(-1)  # (B, H, *L, T, S)


SCORES: dict[str, Callable[[Place, int], Score]] = {  # by place and number of heads there
    "scaled-dot": lambda place, heads: Score(place.head_size**-0.5),
    "dot": lambda place, heads: Score(),
    "general": lambda place, heads: GeneralScore(heads, place.head_size),
    "general-shared": lambda place, heads: GeneralScore(1, place.head_size),
    "additive": lambda place, heads: AdditiveScore(heads, place.head_size),
    "cosine": lambda place, heads: CosineScore(heads),
}
