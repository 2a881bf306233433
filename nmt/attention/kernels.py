"""The choice of a kernel: one explicit function that can say why."""

from dataclasses import dataclass

from torch import Tensor

from nmt.attention.dense import dense
from nmt.attention.fused import fused
from nmt.attention.layout import Layout


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a kernel.

    Attributes:
        device: "cpu" or "cuda".
        num_keys: The longest memory in the batch.
        needs_weights: Whether the weights themselves are wanted.
        needs_gradient: Whether a backward pass follows.
        dropout: Share of the weights dropped.
        forced: "auto", or the name of a kernel.
    """

    device: str
    num_keys: int
    needs_weights: bool = False
    needs_gradient: bool = False
    dropout: float = 0.0
    forced: str = "auto"


@dataclass(frozen=True)
class Choice:
    """A kernel's name and the reason for it."""

    kernel: str
    reason: str


FUSED_BACKWARD_PAYS_FROM = 256  # keys; below, its backward on a CPU loses to plain products


def choose(request: Request) -> Choice:
    """Choose the fastest kernel that computes what is asked for."""
    if request.needs_weights:
        return Choice("dense", "the weights themselves are wanted")
    if request.dropout > 0.0:
        return Choice("dense", "dropout on weights needs the weights")
    if request.forced != "auto":
        return Choice(request.forced, "asked for by name")
    if request.device != "cpu":
        return Choice("fused", f"the fastest on {request.device}")
    if request.needs_gradient and request.num_keys < FUSED_BACKWARD_PAYS_FROM:
        return Choice("dense", "plain products are faster backward at sentence length on a CPU")
    return Choice("fused", "the fastest on a CPU, in memory linear in the length")


def attend(
    query: Tensor, key: Tensor, value: Tensor, layout: Layout, request: Request
) -> tuple[Tensor, Tensor | None]:
    """Run scaled dot-product attention on (B, H, T, K) by the kernel chosen for the request."""
    if choose(request).kernel == "fused":
        return fused(query, key, value, layout), None
    return dense(query, key, value, layout, request.dropout)
