"""Attention by name, and what is refused when it is built."""

import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from nmt.attention.build import TRUST, build_attention
from nmt.attention.config import ROLES, AttentionConfig, AttentionSections
from nmt.attention.contract import Attention, Lent, Place
from nmt.attention.layout import Layout
from nmt.attention.multi_head import MultiHeadAttention
from nmt.attention.projections import PackedLinear
from nmt.attention.variants import COMPOSED, VARIANTS
from nmt.errors import ConfigError
from nmt.settings import build
from tests.attention.composing import HEADS, D, given, made


def place(role: str = "encoder", size: int = 8, heads: int = 2, layer: int = 0) -> Place:
    return Place(role=role, model_size=size, num_heads=heads, layer=layer)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_names_its_paper_its_formula_and_the_roles_it_serves(name: str) -> None:
    entry = VARIANTS[name]
    assert entry.paper
    assert entry.formula
    assert entry.state
    assert entry.cost
    assert entry.roles
    assert entry.roles <= set(ROLES)


@pytest.mark.parametrize("name", [n for n, e in VARIANTS.items() if e.mechanism == COMPOSED])
def test_a_composed_variant_is_built_from_its_place_and_settings(name: str) -> None:
    for role in VARIANTS[name].roles:
        config = AttentionConfig(variant=name)
        attention = build_attention(place(role, D, HEADS), config)
        assert type(attention) is MultiHeadAttention
        assert attention.config is config
        assert attention.place == place(role, D, HEADS)


def test_what_settings_say_wins_over_the_variant() -> None:
    assert AttentionConfig(variant="dilated").window == 32
    assert AttentionConfig(variant="dilated", window=5).window == 5
    assert AttentionConfig(variant="gqa", key_value_heads=4).key_value_heads == 4


def test_an_unknown_variant_is_refused_with_the_nearest() -> None:
    message = "no attention is called 'mutli-head'; did you mean 'multi-head'"
    with pytest.raises(ConfigError, match=rf"attention\.cross\.variant: {message}"):
        build_attention(place("cross"), AttentionConfig(variant="mutli-head"))


def test_a_variant_is_refused_in_a_role_that_it_does_not_serve() -> None:
    with pytest.raises(
        ConfigError, match=r"attention\.encoder\.variant = 'local-m' serves cross only"
    ):
        build_attention(place(), AttentionConfig(variant="local-m"))


def test_heads_that_do_not_divide_the_model_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"model.num_heads = 3 does not divide model.model_size = 8"
    ):
        build_attention(place(heads=3), AttentionConfig())


@pytest.mark.parametrize("groups", [3, 8])
def test_groups_that_do_not_divide_the_heads_are_refused(groups: int) -> None:
    message = rf"attention\.decoder\.key_value_heads = {groups} does not divide model.num_heads = 4"
    with pytest.raises(ConfigError, match=message):
        build_attention(place("decoder", heads=4), AttentionConfig(key_value_heads=groups))


def test_heads_that_are_left_are_told_for_every_layer_and_never_more_than_there_were() -> None:
    config = AttentionConfig(gates=True, heads=("1", "3"))
    assert build_attention(place(), config).num_heads == 1
    message = r"attention\.encoder\.heads leaves 3 heads in layer 1, but model\.num_heads = 2"
    with pytest.raises(ConfigError, match=message):
        build_attention(place(layer=1), config)
    message = r"attention\.encoder\.heads names 2 layers, but there are more"
    with pytest.raises(ConfigError, match=message):
        build_attention(place(layer=2), config)


def test_each_role_has_settings_of_its_own() -> None:
    sections = build(AttentionSections, {"cross": {"dropout": 0.5}})
    assert sections == AttentionSections(cross=AttentionConfig(dropout=0.5))
    with pytest.raises(ConfigError, match=r"kernel must be one of auto, dense, .* not 'fast'"):
        build(AttentionSections, {"encoder": {"kernel": "fast"}})


OWN = """
from nmt.attention.multi_head import MultiHeadAttention

class Own(MultiHeadAttention):
    roles = frozenset({"cross"})

other = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of a user's own, found on the path and not yet imported."""
    (tmp_path / "own_mechanism.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "own_mechanism", None)
    monkeypatch.delitem(sys.modules, "own_mechanism")


def built(path: str, role: str = "cross") -> Attention:
    return build_attention(place(role), AttentionConfig(variant=path))


@pytest.mark.usefixtures("own")
def test_a_class_of_ones_own_is_built_once_its_module_is_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigError, match=f"allow it with .* {TRUST}=own_mechanism"):
        built("own_mechanism:Own")
    assert "own_mechanism" not in sys.modules  # nothing of it has run
    monkeypatch.setenv(TRUST, "another,own_mechanism")
    assert type(built("own_mechanism:Own")).__name__ == "Own"


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("path", "role", "message"),
    [
        ("own_mechanism:Own", "decoder", "'own_mechanism:Own' serves cross only"),
        ("own_mechanism:Absent", "cross", "module 'own_mechanism' has no attribute 'Absent'"),
        ("own_mechanism:other", "cross", "is no subclass of nmt.attention.contract.Attention"),
        ("absent_mechanism:Own", "cross", "No module named 'absent_mechanism'"),
        (":Own", "cross", "Empty module name"),
    ],
)
def test_what_is_no_class_of_ones_own_is_refused(
    monkeypatch: pytest.MonkeyPatch, path: str, role: str, message: str
) -> None:
    monkeypatch.setenv(TRUST, "own_mechanism,absent_mechanism,")
    with pytest.raises(ConfigError, match=rf"attention\.{role}\.variant = .*{message}"):
        built(path, role)


def test_multi_head_attention_is_that_of_pytorch() -> None:
    torch.manual_seed(9)
    mine = build_attention(place(), AttentionConfig()).double()
    assert isinstance(mine, MultiHeadAttention)
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
    attention = made(dropout=0.5)
    states, layout = given(5)
    whole = attention(states, states, layout).output
    assert torch.equal(attention(states, states, layout).output, whole)
    training = attention.train()(states, states, layout)
    assert not torch.equal(training.output, whole)


def test_gates_are_drawn_in_training_only() -> None:
    attention = made(gates=True)
    attention.gates.logit.data.zero_()
    states, layout = given(5)
    whole = attention(states, states, layout).output
    assert torch.equal(attention(states, states, layout).output, whole)
    torch.manual_seed(1)
    drawn = torch.stack([attention.gates.drawn() for _ in range(400)])
    assert drawn.min() == 0.0
    assert drawn.max() == 1.0
    assert abs(drawn.mean().item() - attention.gates.values().mean().item()) < 0.05
    assert not torch.equal(attention.train()(states, states, layout).output, whole)


def test_packed_projections_start_as_each_would_alone() -> None:
    torch.manual_seed(11)
    packed = PackedLinear(16, 4, {"query": 4, "key": 1, "value": 4})
    for part, heads in zip(packed.weight.split([16, 4, 16]), (4, 1, 4), strict=True):
        bound = (6 / (16 + 4 * heads)) ** 0.5
        assert 0.9 * bound < part.detach().abs().max() <= bound
    assert torch.equal(packed.bias, torch.zeros(36))


def test_no_heads_at_all_are_projected_to_nothing() -> None:
    packed = PackedLinear(16, 4, {"query": 0, "key": 0})
    assert {name: part.shape for name, part in packed.heads(torch.ones(2, 3, 16)).items()} == {
        "query": (2, 0, 3, 4), "key": (2, 0, 3, 4),
    }  # fmt: skip


def test_a_mechanism_adds_no_penalty_and_tells_nothing_unless_it_says_so() -> None:
    attention = made()
    assert attention.penalty() is None
    assert attention.statistics() == {}
    assert list(attention.regulators()) == []


def test_a_layer_that_borrows_must_be_lent_to_and_no_other() -> None:
    states, layout = given(5)
    with pytest.raises(AssertionError, match="one borrows what another lends"):
        made(layer=1, share="weights")(states, states, layout)
    with pytest.raises(AssertionError, match="one borrows what another lends"):
        made(share="weights")(states, states, layout, lent=Lent())
