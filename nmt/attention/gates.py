"""Gates on what heads attend to.

B batch, H heads, T queries, K head size.
"""

import math

import torch
from torch import Tensor, nn

TEMPERATURE, LOW, HIGH = 1 / 3, -0.1, 1.1  # of the paper: beta, gamma, zeta
OPEN_AT_START = 4.0


class HeadGates(nn.Module):
    """Multiply each head by a gate that can close for good.

    In training a gate is drawn from the hard concrete distribution; afterwards it has its
    expected value, cut to [0, 1], which is often exactly one of the two.

    Source: Voita et al. (2019), https://arxiv.org/abs/1905.09418, section 5; Louizos et al.
    (2018), https://arxiv.org/abs/1712.01312.
    """

    def __init__(self, num_heads: int, price: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.full((num_heads,), OPEN_AT_START))
        self.price = price

    def forward(self, context: Tensor) -> Tensor:
        """Gate (B, H, T, K)."""
        values = self.drawn() if self.training else self.values()
        return context * values.to(context.dtype).view(-1, 1, 1)

    def values(self) -> Tensor:
        """Give each gate's value in use, (H,)."""
        return stretched(torch.sigmoid(self.logit))

    def drawn(self) -> Tensor:
        """Draw each gate's value for one forward pass, (H,)."""
        noise = torch.rand_like(self.logit).clamp(1e-6, 1 - 1e-6)
        return stretched(torch.sigmoid((noise.logit() + self.logit) / TEMPERATURE))

    def penalty(self) -> Tensor | None:
        """Price the expected number of open heads."""
        if not self.price:
            return None
        bias = TEMPERATURE * math.log(-LOW / HIGH)
        return self.price * torch.sigmoid(self.logit - bias).sum()

    def statistics(self) -> dict[str, float]:
        """Count the heads that are not closed."""
        return {"open_heads": float((self.values() > 0).sum())}


def stretched(share: Tensor) -> Tensor:
    """Stretch (0, 1) beyond its ends and cut it there, so that the ends are reached."""
    return (share * (HIGH - LOW) + LOW).clamp(0.0, 1.0)


class ContextGate(nn.Module):
    """Let each query choose between what it attends to and a learned vector of its head.

    Source: Lu et al. (2017), https://arxiv.org/abs/1612.01887, section 2.3 (the sentinel); Tu et
    al. (2017), https://arxiv.org/abs/1608.06043. Here the alternative is learned, not computed.
    """

    def __init__(self, num_heads: int, head_size: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.zeros(num_heads, 2 * head_size, 1))
        self.bias = nn.Parameter(torch.full((num_heads, 1, 1), 2.0))  # mostly open at the start
        self.alternative = nn.Parameter(torch.zeros(num_heads, 1, head_size))

    def forward(self, query: Tensor, context: Tensor) -> Tensor:
        """Mix (B, H, T, K) with the alternative, by query and context."""
        share = self.share(query, context)
        return share * context + (1 - share) * self.alternative.to(context.dtype)

    def share(self, query: Tensor, context: Tensor) -> Tensor:
        """Give how much of the context is heeded, (B, H, T, 1)."""
        both = torch.cat([query, context], dim=-1)
        return torch.sigmoid(both @ self.vector.to(both.dtype) + self.bias.to(both.dtype))
