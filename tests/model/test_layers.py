"""Layers are those of PyTorch with the same weights.

Three sentences of 5, 2 and 4 source positions, four target positions, width 8.
"""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nmt.attention.config import AttentionSections
from nmt.attention.layout import Layout
from nmt.model.config import ModelConfig
from nmt.model.layers import DecoderLayer, EncoderLayer, FeedForward, Lends, Residual, Surroundings

LENGTHS = torch.tensor([5, 2, 4])
PADDING = torch.arange(5) >= LENGTHS.unsqueeze(-1)


def config(norm: str) -> ModelConfig:
    return ModelConfig(model_size=8, ffn_size=12, num_heads=2, norm=norm, dropout=0.0)


def torch_options(norm: str) -> dict[str, object]:
    return {
        "d_model": 8,
        "nhead": 2,
        "dim_feedforward": 12,
        "dropout": 0.0,
        "batch_first": True,
        "norm_first": norm == "pre",
    }


def drawn(layer: nn.Module) -> None:
    """Move every weight away from where it starts."""
    torch.manual_seed(1)
    for weight in layer.parameters():
        weight.data += 0.3 * torch.randn_like(weight)


def copy(other: nn.Module, mine: dict[str, nn.Module]) -> nn.Module:
    """Give PyTorch's layer our weights, by its names for the parts."""
    with torch.no_grad():
        for name, part in mine.items():
            for kind in ("weight", "bias"):
                other.get_parameter(f"{name}.{kind}").copy_(part.get_parameter(kind))
    return other.double()


def copy_attention(other: nn.MultiheadAttention, mine: nn.Module) -> None:
    parts = (
        [mine.query_key_value] if hasattr(mine, "query_key_value") else [mine.query, mine.key_value]
    )
    with torch.no_grad():
        other.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        other.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    copy(other, {"out_proj": mine.output})


def states(size: int, seed: int) -> Tensor:
    return torch.randn(3, size, 8, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_an_encoder_layer_is_that_of_pytorch(norm: str) -> None:
    mine = EncoderLayer(config(norm), AttentionSections(), 0)
    drawn(mine)
    other = nn.TransformerEncoderLayer(**torch_options(norm))
    copy_attention(other.self_attn, mine.attention)
    copy(
        other,
        {
            "linear1": mine.feed_forward.inner,
            "linear2": mine.feed_forward.outer,
            "norm1": mine.around_attention.norm,
            "norm2": mine.around_feed_forward.norm,
        },
    )
    source = states(5, seed=2)
    layout = Layout(num_queries=5, num_keys=5, key_lengths=LENGTHS)
    found, _ = mine.double()(source, layout, None)
    expected = other(source, src_key_padding_mask=PADDING)
    assert_close(found[~PADDING], expected[~PADDING], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_decoder_layer_is_that_of_pytorch(norm: str) -> None:
    mine = DecoderLayer(config(norm), AttentionSections(), 0)
    drawn(mine)
    other = nn.TransformerDecoderLayer(**torch_options(norm))
    copy_attention(other.self_attn, mine.attention)
    copy_attention(other.multihead_attn, mine.cross_attention)
    copy(
        other,
        {
            "linear1": mine.feed_forward.inner,
            "linear2": mine.feed_forward.outer,
            "norm1": mine.around_attention.norm,
            "norm2": mine.around_cross_attention.norm,
            "norm3": mine.around_feed_forward.norm,
        },
    )
    memory, target = states(5, seed=3), states(4, seed=4)
    own = Layout(num_queries=4, num_keys=4, causal=True)
    cross = Layout(num_queries=4, num_keys=5, key_lengths=LENGTHS)
    found, _ = mine.double()(target, Surroundings(memory, own, cross), Lends())
    future = torch.ones(4, 4, dtype=torch.bool).triu(1)
    expected = other(target, memory, tgt_mask=future, memory_key_padding_mask=PADDING)
    assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_dropout_leaves_the_residual_whole(norm: str) -> None:
    around = Residual(replace(config(norm), dropout=0.5)).train()
    source = states(5, seed=6).float()
    kept = around(source, torch.zeros_like)
    assert_close(kept, source if norm == "pre" else around.norm(source))


def test_dropout_takes_its_share_of_a_sub_layers_output() -> None:
    torch.manual_seed(5)
    around = Residual(replace(config("pre"), dropout=0.5)).train()
    source = torch.zeros(3, 5, 8)
    added = around(source, torch.ones_like)
    assert added.unique().tolist() == [0.0, 2.0]
    assert torch.equal(around.eval()(source, torch.ones_like), torch.ones_like(source))


def test_dropout_inside_feed_forward_blocks_has_a_share_of_its_own() -> None:
    torch.manual_seed(7)
    shape = replace(config("pre"), ffn_size=4096, ffn_dropout=0.5)
    block, source = FeedForward(shape), states(4, seed=8).float()
    whole = block.eval()(source)
    mean = torch.stack([block.train()(source) for _ in range(16)]).mean(0)
    assert not torch.equal(block(source), whole)
    assert_close(mean, whole, rtol=0, atol=0.5)
