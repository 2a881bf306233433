"""How large the tensors are that kernels allocate, forward and backward, by counting them.

n length.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from nmt.attention.layout import Layout
from nmt.attention.multi_head import MultiHeadAttention
from tests.attention.composing import HEADS, D, made


class Largest(TorchDispatchMode):
    """Remember the size of the largest tensor with memory of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, list | tuple) else [result]:
            if isinstance(each, Tensor):
                held = each.untyped_storage().nbytes() // each.element_size()
                self.numel = max(self.numel, held)
        return result


def largest(attention: MultiHeadAttention, size: int) -> int:
    """Run forward and backward over n tokens; count the largest tensor."""
    states = torch.randn(1, size, D, requires_grad=True)
    numbers = (torch.arange(size) // 16).unsqueeze(0)
    layout = Layout(
        num_queries=size, num_keys=size, causal=attention.place.role == "decoder",
        key_lengths=torch.tensor([size - 3]), query_sentences=numbers, key_sentences=numbers,
    )  # fmt: skip
    with Largest() as seen:
        attention(states, states, layout).output.sum().backward()
    return seen.numel


@pytest.mark.parametrize("role", ["encoder", "decoder"])
@pytest.mark.parametrize(
    "settings",
    [
        {"pattern": "window", "window": 16},
        {"pattern": "window", "window": 8, "dilation": 2},
        {"pattern": "window", "window": 16, "global_tokens": 1},
        {"pattern": "window", "window": 16, "positions": "rotary", "key_value_heads": 2},
        {"pattern": "window", "window": 16, "normaliser": "entmax"},
        {"pattern": "window", "window": 16, "positions": "bucketed"},
        {"pattern": "sentence"},
        {"pattern": "sentence", "talking": True},
        {"pattern": "span", "window": 8, "span_ramp": 4},
    ],
    ids=str,
)
def test_bands_take_memory_linear_in_the_length(role: str, settings: dict[str, Any]) -> None:
    attention = made(role, **settings).float().train()
    short, long = largest(attention, 512), largest(attention, 1024)
    assert long <= 2.1 * short
    assert long < 1024 * 1024 / 2  # no n x n tensor, of booleans neither


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "settings", [{"normaliser": "entmax"}, {"score": "additive"}, {"talking": True}], ids=str
)
def test_blocks_keep_no_tensor_of_all_pairs(settings: dict[str, Any]) -> None:
    attention = made("decoder", kernel="blocked", chunk=8, **settings).float()
    short, long = largest(attention, 256), largest(attention, 512)
    assert long <= 2.1 * short
    assert long <= HEADS * 8 * 512 * (D // HEADS)
    dense = made("decoder", kernel="dense", **settings).float()
    assert largest(dense, 256) >= HEADS * 256 * 256


def test_a_ring_takes_as_much_memory_however_long_it_runs() -> None:
    attention = made("decoder", pattern="window", window=3)
    caches = [attention.start(2, 3, limit) for limit in (10, 1000)]
    bytes_set_aside = [cache.keys.untyped_storage().nbytes() for cache in caches]
    assert bytes_set_aside[0] == bytes_set_aside[1]


def test_layouts_of_many_layers_are_rendered_once() -> None:
    layout = Layout(num_queries=64, num_keys=64, causal=True)
    layers = [made("decoder", n, pattern="window", window=3).float() for n in range(3)]
    states = torch.randn(1, 64, D)
    layers[0](states, states, layout)
    rendered = layout.restricted(layers[0].composition.pattern()).visible()
    for layer in layers[1:]:
        layer(states, states, layout)
    again = replace(layout).restricted(layers[0].composition.pattern()).visible()
    assert layout.restricted(layers[2].composition.pattern()).visible() is rendered
    assert again is not rendered
