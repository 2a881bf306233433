"""Compositions side by side: built with the same weights, run on the same input.

B batch, T queries, S keys, D model size.
"""

from typing import Any

import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Place
from nmt.attention.layout import Layout
from nmt.attention.multi_head import MultiHeadAttention

D, HEADS, K = 16, 4, 4
SELF = ("encoder", "decoder")
ROLES = (*SELF, "cross")


def close(found: Tensor, wanted: Tensor, tolerance: float = 1e-12) -> None:
    """Require two ways to the same answer to agree."""
    assert_close(found, wanted, rtol=tolerance, atol=tolerance)


def made(role: str = "encoder", layer: int = 0, **settings: Any) -> MultiHeadAttention:
    """Build a composition with weights away from zero."""
    torch.manual_seed(1)
    place = Place(role=role, model_size=D, num_heads=HEADS, layer=layer)
    attention = MultiHeadAttention(place, AttentionConfig(**settings)).double().eval()
    for weight in attention.parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    return attention


def like(other: MultiHeadAttention, **settings: Any) -> MultiHeadAttention:
    """Build a composition with the weights that it has in common with another."""
    attention = MultiHeadAttention(other.place, AttentionConfig(**settings)).double().eval()
    common = other.state_dict()
    attention.load_state_dict({k: v for k, v in common.items() if k in attention.state_dict()},
                              strict=False)  # fmt: skip
    return attention


def given(size: int, lengths: tuple[int, ...] | None = None, **layout: Any) -> tuple[Any, ...]:
    """Draw states and describe attention of each line to itself."""
    count = 2 if lengths is None else len(lengths)
    states = torch.randn(count, size, D, generator=torch.Generator().manual_seed(2)).double()
    padding = None if lengths is None else torch.tensor(lengths)
    return states, Layout(num_queries=size, num_keys=size, key_lengths=padding, **layout)


def run(attention: MultiHeadAttention, states: Tensor, layout: Layout) -> Tensor:
    """Attend from states to themselves, or across to a fixed memory."""
    if not attention.place.is_cross:
        return attention(states, states, layout).output  # type: ignore[no-any-return]
    memory = torch.randn(len(states), layout.num_keys, D, dtype=states.dtype,
                         generator=torch.Generator().manual_seed(3))  # fmt: skip
    return attention(states, memory, layout).output  # type: ignore[no-any-return]


def layout_of(role: str, size: int, lengths: tuple[int, ...] | None = None) -> tuple[Any, ...]:
    """Draw states for a role."""
    return given(size, lengths, causal=role == "decoder")


def same(first: MultiHeadAttention, second: MultiHeadAttention, size: int = 7) -> None:
    """Require that two compositions attend alike, forward and backward."""
    role = first.place.role
    for lengths in (None, (size, size - 2, 1)):
        states, layout = layout_of(role, size, lengths)
        outputs = []
        for attention in (first, second):
            own = states.clone().requires_grad_()
            output = run(attention, own, layout)
            (gradient,) = torch.autograd.grad(output.square().sum(), own)
            outputs.append((output.detach(), gradient))
        for found, wanted in zip(*outputs, strict=True):
            assert_close(found, wanted, rtol=1e-11, atol=1e-11)


def differ(first: MultiHeadAttention, second: MultiHeadAttention, size: int = 7) -> None:
    """Require that two compositions do not attend alike."""
    states, layout = layout_of(first.place.role, size)
    assert (run(first, states, layout) - run(second, states, layout)).abs().max() > 1e-3
