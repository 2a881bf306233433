"""Blocks of blocks cover each key once, and summaries are what they should be at the start."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.block_hierarchical import BlockHierarchicalAttention
from nmt.attention.blocks import Blocks, Nodes
from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Place

SELF = ("encoder", "decoder")
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("role", SELF)
def test_a_query_sees_every_key_once_by_itself_or_by_one_summary(role: str, levels: int) -> None:
    blocks = Blocks(2, levels, role == "decoder")
    sizes = blocks.sizes(32)
    assert len(sizes) == levels + 1
    queries, times = torch.arange(32).unsqueeze(-1), torch.zeros(32, 32, dtype=torch.long)
    for level, size in enumerate(sizes):
        sees = blocks.sees(queries, torch.arange(size), level, level == levels)
        if role == "decoder" and level == 0:
            sees = sees.tril()
        times += sees.repeat_interleave(2**level, 1).long()
    expected = torch.ones(32, 32).tril() if role == "decoder" else torch.ones(32, 32)
    assert torch.equal(times, expected.long())


def test_a_new_summary_is_the_mean_of_its_real_keys() -> None:
    keys, values, counts = draw(1, 2, 5, 4), draw(1, 2, 5, 4) + 1.0, torch.tensor([[1, 1, 1, 0, 0]])
    pool = torch.zeros(2, 4, dtype=torch.float64)
    first = Nodes(keys, values, counts).summary(pool, 2)
    assert first.counts.tolist() == [[2, 1, 0]]
    assert_close(first.keys[:, :, 0], keys[:, :, :2].mean(2), **EXACT)
    assert torch.equal(first.values[:, :, 1], values[:, :, 2])
    assert torch.equal(first.keys[:, :, 2], torch.zeros(1, 2, 4).double())
    second = first.summary(pool, 2)
    assert_close(second.values[:, :, 0], values[:, :, :3].mean(2), **EXACT)
    config = AttentionConfig(variant="block-hierarchical")
    place = Place(role="encoder", model_size=8, num_heads=2)
    assert (BlockHierarchicalAttention(place, config).pool == 0).all()
