"""Attention by name, and what is refused before anything is built."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention import multi_head
from nmt.attention.config import ROLES, AttentionConfig, AttentionSections
from nmt.attention.kernels import Request
from nmt.attention.layout import Layout
from nmt.attention.multi_head import MultiHeadAttention, packed_linear
from nmt.attention.variants import VARIANTS, Variant, build_attention
from nmt.errors import ConfigError
from nmt.settings import build


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_names_its_paper_and_the_roles_it_serves(name: str) -> None:
    assert VARIANTS[name].paper
    assert VARIANTS[name].roles
    assert VARIANTS[name].roles <= set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_an_unknown_variant_is_refused_with_the_nearest(role: str) -> None:
    message = (
        f"attention.{role}.variant: no attention is called 'mutli-head'; did you mean 'multi-head'"
    )
    with pytest.raises(ConfigError, match=message):
        build_attention(role, AttentionConfig(variant="mutli-head"), 8, 2)


def test_a_variant_is_refused_in_a_role_that_it_does_not_serve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cross_only = replace(VARIANTS["multi-head"], roles=frozenset({"cross"}))
    monkeypatch.setitem(VARIANTS, "cross-only", cross_only)
    config = AttentionConfig(variant="cross-only")
    assert build_attention("cross", config, 8, 2)
    with pytest.raises(
        ConfigError, match=r"attention.encoder.variant = 'cross-only' serves \['cross'\] only"
    ):
        build_attention("encoder", config, 8, 2)


def test_heads_that_do_not_divide_the_model_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"model.num_heads = 3 does not divide model.model_size = 8"
    ):
        build_attention("encoder", AttentionConfig(), 8, 3)


def test_the_fused_kernel_is_refused_with_dropout_on_weights() -> None:
    for kernel in ("auto", "dense"):
        AttentionConfig(kernel=kernel, dropout=0.1)
    with pytest.raises(ConfigError, match=r'kernel = "fused" has no dropout .* but dropout is 0.1'):
        AttentionConfig(kernel="fused", dropout=0.1)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_of_dropout_is_one(share: float) -> None:
    with pytest.raises(ConfigError, match=r"attention dropout must lie in \[0, 1\)"):
        AttentionConfig(dropout=share)


def test_each_role_has_settings_of_its_own() -> None:
    sections = build(AttentionSections, {"cross": {"dropout": 0.5}})
    assert sections == AttentionSections(cross=AttentionConfig(dropout=0.5))
    with pytest.raises(ConfigError, match=r"kernel must be one of auto, dense, fused, not 'fast'"):
        build(AttentionSections, {"encoder": {"kernel": "fast"}})


def test_a_variant_is_built_from_the_size_the_heads_the_role_and_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = []

    def build_spy(size: int, heads: int, role: str, config: AttentionConfig) -> MultiHeadAttention:
        given.append((size, heads, role, config))
        return MultiHeadAttention(size, heads, role, config)

    monkeypatch.setitem(VARIANTS, "spy", Variant(build_spy, "none"))
    config = AttentionConfig(variant="spy", dropout=0.25)
    build_attention("cross", config, 12, 3)
    assert given == [(12, 3, "cross", config)]


def test_multi_head_attention_is_that_of_pytorch() -> None:
    torch.manual_seed(9)
    mine = MultiHeadAttention(8, 2, "encoder", AttentionConfig()).double()
    other = torch.nn.MultiheadAttention(8, 2, batch_first=True).double()
    other.in_proj_weight.data = mine.query_key_value.weight.data
    other.in_proj_bias.data = mine.query_key_value.bias.data.normal_()
    other.out_proj.weight.data = mine.output.weight.data
    other.out_proj.bias.data = mine.output.bias.data.normal_()
    states = torch.randn(3, 5, 8).double()
    lengths = torch.tensor([5, 2, 4])
    layout = Layout(num_queries=5, num_keys=5, key_lengths=lengths)
    attended = mine(states, states, layout, need_weights=True)
    hidden = torch.arange(5) >= lengths.unsqueeze(-1)
    output, weights = other(
        states, states, states, key_padding_mask=hidden, average_attn_weights=False
    )
    assert_close(attended.output, output, rtol=1e-12, atol=1e-12)
    assert_close(attended.weights, weights, rtol=1e-12, atol=1e-12)


def test_dropout_on_weights_acts_in_training_only() -> None:
    torch.manual_seed(10)
    attention = MultiHeadAttention(8, 2, "encoder", AttentionConfig(dropout=0.5))
    states, layout = torch.randn(2, 5, 8), Layout(num_queries=5, num_keys=5)
    whole = attention.eval()(states, states, layout).output
    assert torch.equal(attention(states, states, layout).output, whole)
    training = attention.train()(states, states, layout, need_weights=True)
    assert not torch.equal(training.output, whole)
    assert (training.weights == 0).any()


@pytest.mark.parametrize("kernel", ["auto", "dense", "fused"])
def test_the_choice_of_a_kernel_is_told_all_that_it_depends_on(
    monkeypatch: pytest.MonkeyPatch, kernel: str
) -> None:
    requests = []

    def spy(*operands: Any) -> tuple[Tensor, None]:
        requests.append(operands[-1])
        return operands[0], None

    monkeypatch.setattr(multi_head, "attend", spy)
    attention = MultiHeadAttention(8, 2, "encoder", AttentionConfig(kernel=kernel))
    states, layout = torch.randn(2, 5, 8), Layout(num_queries=5, num_keys=5)
    attention(states, states, layout)
    with torch.inference_mode():
        attention.eval()(states, states, layout, need_weights=True)
    plain = Request(device="cpu", num_keys=5, forced=kernel)
    assert requests == [replace(plain, needs_gradient=True), replace(plain, needs_weights=True)]


def test_packed_projections_start_as_each_would_alone() -> None:
    torch.manual_seed(11)
    packed = packed_linear(16, 3)
    bound = (6 / (16 + 16)) ** 0.5
    for part in packed.weight.split(16):
        assert 0.9 * bound < part.detach().abs().max() <= bound
    assert torch.equal(packed.bias, torch.zeros(48))


def test_a_mechanism_adds_no_penalty_and_tells_nothing_unless_it_says_so() -> None:
    attention = MultiHeadAttention(8, 2, "encoder", AttentionConfig())
    assert torch.equal(attention.penalty(), torch.zeros(()))
    assert attention.statistics() == {}
