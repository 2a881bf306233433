"""Steps of block-hierarchical attention give what a full pass over each history gives.

B batch, T positions, D = 8, two heads.
"""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.block_cache import BlockCache
from nmt.attention.block_hierarchical import BlockHierarchicalAttention
from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Place
from nmt.attention.layout import Layout

EXACT = {"rtol": 1e-12, "atol": 1e-12}
DECODER = Place(role="decoder", model_size=8, num_heads=2)


def make(block: int, levels: int = 1) -> Any:
    """Build the mechanism in float64, every weight and bias away from zero."""
    config = AttentionConfig(variant="block-hierarchical", block=block, levels=levels)
    torch.manual_seed(1)
    attention = BlockHierarchicalAttention(DECODER, config).double().eval()
    for weight in attention.parameters():
        weight.data += 0.5 * torch.randn_like(weight)
    return attention


def histories_of(sentence: list[list[Tensor]], parents: list[int], new: Tensor) -> Any:
    return [[*sentence[parent], new[row]] for row, parent in enumerate(parents)]


@pytest.mark.parametrize("keep", [{}, {3: [2, 0], 9: [1]}], ids=["all", "fewer"])
@pytest.mark.parametrize(("block", "levels"), [(1, 1), (2, 1), (2, 3), (3, 2), (20, 1), (128, 12)])
@pytest.mark.parametrize("beam", [1, 3])
def test_steps_across_blocks_are_a_full_pass_over_each_history(
    beam: int, block: int, levels: int, keep: dict[int, list[int]]
) -> None:
    attention, random = make(block, levels), torch.Generator().manual_seed(3)
    cache = attention.start(3, beam, 14)
    histories: Any = [[[] for _ in range(beam)]] * 3
    ancestry = torch.zeros(3, beam, 0, dtype=torch.long)
    for number in range(14):
        if number in keep:
            cache = cache.select(torch.tensor(keep[number]))
            histories, ancestry = [histories[b] for b in keep[number]], ancestry[keep[number]]
        parents = torch.randint(beam, ancestry.shape[:2], generator=random)
        states = torch.randn(*parents.shape, 8, generator=random).double()
        rows = torch.arange(beam).expand_as(parents).unsqueeze(-1)
        past = ancestry.gather(1, parents.unsqueeze(-1).expand_as(ancestry))
        ancestry = torch.cat([past, rows], -1)
        histories = list(map(histories_of, histories, parents.tolist(), states))
        layout = Layout(num_queries=beam, num_keys=beam * (number + 1), ancestry=ancestry)
        with torch.inference_mode():
            attended = attention(states, states, layout, cache=cache.reorder(parents))
        cache = attended.cache
        lines = torch.stack([torch.stack(line) for lines in histories for line in lines])
        past = Layout(num_queries=number + 1, num_keys=number + 1, causal=True)
        whole = attention(lines, lines, past).output[:, -1]
        assert_close(attended.output.flatten(0, 1), whole, **EXACT)


@pytest.mark.parametrize(("levels", "nodes"), [(1, [8]), (2, [2, 4]), (3, [2, 2, 2])])
def test_a_cache_holds_two_blocks_and_what_is_near_at_each_level(
    levels: int, nodes: list[int]
) -> None:
    attention = make(2, levels)
    cache = attention.start(1, 1, 40)
    assert isinstance(cache, BlockCache)
    assert cache.num_bytes() == 0
    states, ancestry = (
        torch.ones(1, 1, 8, dtype=torch.float64),
        torch.zeros(1, 1, 40, dtype=torch.long),
    )
    held = []
    for length in range(1, 17):
        layout = Layout(num_queries=1, num_keys=length, ancestry=ancestry[:, :, :length])
        with torch.inference_mode():
            cache = attention(states, states, layout, cache=cache).cache
        held.append(cache.length - cache.first)
    assert held == [1, 2, 3, 4] + [3, 4] * 6
    assert [keys.size(3) for keys, _ in cache.summaries] == nodes
    assert cache.num_bytes() == 2 * 8 * 8 * (4 + sum(nodes))  # keys and values, 8 in 8 bytes


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_cache_has_the_type_of_the_weights(dtype: torch.dtype) -> None:
    attention = make(1).to(dtype)
    cache = attention.start(2, 1, 5)
    for length in range(1, 6):
        ancestry = torch.zeros(2, 1, length, dtype=torch.long)
        layout = Layout(num_queries=1, num_keys=length, ancestry=ancestry)
        states = torch.ones(2, 1, 8, dtype=dtype)
        attended = attention(states, states, layout, cache=cache)
        cache = attended.cache
        assert attended.output.dtype == cache.summaries[0][0].dtype == dtype
