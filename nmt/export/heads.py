"""Attention as any program has it: projections of heads, all that is particular folded in.

H heads, G key/value heads, K head size, D model size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.attention.multi_head import MultiHeadAttention
from nmt.attention.projections import PackedLinear
from nmt.attention.scores import GeneralScore


@dataclass(frozen=True)
class Projection:
    """A linear layer to heads.

    Attributes:
        weight: (H, K, D).
        bias: (H, K).
    """

    weight: Tensor
    bias: Tensor

    @property
    def num_heads(self) -> int:
        """Give H."""
        return self.weight.size(0)

    def repeated(self, num_heads: int) -> "Projection":
        """Give each head of a group its own copy: head a has that of floor(a G / H)."""
        times = num_heads // self.num_heads
        return Projection(
            self.weight.repeat_interleave(times, 0), self.bias.repeat_interleave(times, 0)
        )

    def padded(self, num_heads: int) -> "Projection":
        """Put back heads that pruning has taken, as zeros, which the output does not heed."""
        gone = num_heads - self.num_heads
        weight = torch.cat([self.weight, self.weight.new_zeros(gone, *self.weight.shape[1:])])
        return Projection(
            weight, torch.cat([self.bias, self.bias.new_zeros(gone, *self.bias.shape[1:])])
        )

    def scaled(self, factor: float) -> "Projection":
        """Multiply what comes out."""
        return Projection(self.weight * factor, self.bias * factor)

    def through(self, matrix: Tensor) -> "Projection":
        """Multiply what comes out, a row of each head, by a matrix (H or 1, K, K)."""
        bias = (self.bias.unsqueeze(1) @ matrix).squeeze(1)
        return Projection(matrix.mT @ self.weight, bias)

    def flat(self) -> tuple[Tensor, Tensor]:
        """Give weight (H K, D) and bias (H K,)."""
        return self.weight.flatten(0, 1), self.bias.flatten()


@dataclass(frozen=True)
class PlainHeads:
    """Multi-head attention: softmax(scale * q k') v, joined over heads and projected.

    Attributes:
        query: Of H heads.
        key, value: Of G heads.
        output: Weight (D, H K) and bias (D,).
        scale: Factor of the product of a query and a key.
    """

    query: Projection
    key: Projection
    value: Projection
    output: tuple[Tensor, Tensor]
    scale: float

    @property
    def groups(self) -> int:
        """Give G."""
        return self.key.num_heads


@torch.no_grad()
def plain_heads(mechanism: MultiHeadAttention, lender: MultiHeadAttention) -> PlainHeads:
    """Fold tied projections, the matrix of a score, gates and lost heads into projections.

    Args:
        lender: The layer whose keys and values are used: the mechanism itself, mostly.
    """
    num_heads = mechanism.place.num_heads
    parts = projections(mechanism)
    if lender is not mechanism:
        parts = {**projections(lender), "query": parts["query"]}
    query, score = parts["query"], mechanism.composition.score
    key = parts.get("key", query)  # tied to queries
    value = parts.get("value", key)  # tied to keys
    if isinstance(score, GeneralScore):
        query = query.through(score.matrix.detach())
    if mechanism.config.heads:
        query, key, value = (each.padded(num_heads) for each in (query, key, value))
    return PlainHeads(query, key, value, output_of(mechanism), score.scale)


def projections(mechanism: MultiHeadAttention) -> dict[str, Projection]:
    """Name the projections of a mechanism: query, key and value, as far as it has its own."""
    found: dict[str, Projection] = {}
    for name, linear in mechanism.named_children():
        if isinstance(linear, PackedLinear) and name != "output":
            weights = linear.by_head(linear.weight.detach())
            biases = linear.by_head(linear.bias.detach())
            found |= {part: Projection(weights[part], biases[part]) for part in weights}
    return found


def output_of(mechanism: MultiHeadAttention) -> tuple[Tensor, Tensor]:
    """Give the output projection, gates and lost heads within: weight (D, H K), bias (D,)."""
    place, linear = mechanism.place, mechanism.output
    weight = linear.weight.detach().unflatten(1, (-1, place.head_size))  # (D, heads, K)
    if mechanism.gates is not None:
        weight = weight * mechanism.gates.values().detach().view(1, -1, 1)
    gone = place.num_heads - weight.size(1)
    weight = torch.cat([weight, weight.new_zeros(weight.size(0), gone, weight.size(2))], dim=1)
    return weight.flatten(1), linear.bias.detach()


def lenders(mechanisms: list[MultiHeadAttention]) -> list[MultiHeadAttention]:
    """Give for each layer of a stack the one whose keys and values it uses."""
    found: list[MultiHeadAttention] = []
    for mechanism in mechanisms:
        found.append(found[-1] if mechanism.borrows else mechanism)
    return found
