"""Weights of attention are heard in every mechanism, under the name of each of its places."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.config import AttentionConfig, AttentionSections
from nmt.attention.variants import VARIANTS
from nmt.model.contract import EncoderDecoder
from nmt.model.layers import EncoderLayer
from nmt.model.transformer import self_layout
from nmt.model.weights import Listener, attention_weights, outermost

MakeModel = Callable[..., EncoderDecoder]

Pair = tuple[Tensor, Tensor]


@pytest.fixture
def source() -> Pair:
    ids = torch.randint(9, (2, 5), generator=torch.Generator().manual_seed(2))
    return ids, torch.tensor([5, 3])


@pytest.fixture
def target() -> Pair:
    ids = torch.randint(9, (2, 4), generator=torch.Generator().manual_seed(3))
    return ids, torch.tensor([4, 4])


def test_every_layer_is_heard_in_its_role(
    make_model: MakeModel, source: Pair, target: Pair
) -> None:
    model = make_model(decoder_layers=3)
    heard = attention_weights(model, source, target)
    assert heard.keys() == model.mechanisms().keys()
    sizes = {"encoder": (5, 5), "decoder": (4, 4), "cross": (4, 5)}
    for name, each in heard.items():
        side, layer, kind = name.split(".")
        assert each.role == ("cross" if kind == "cross_attention" else side)
        assert each.layer == int(layer)
        assert each.weights is not None
        assert each.weights.shape == (2, 2, *sizes[each.role])
        assert_close(each.weights.sum(-1), torch.ones_like(each.weights[..., 0]))
        if each.role != "decoder":
            assert not each.weights[1, :, :, 3:].any()  # padding


def test_what_is_heard_is_what_the_mechanism_gives(
    make_model: MakeModel, source: Pair, target: Pair
) -> None:
    model = make_model()
    heard = attention_weights(model, source, target)["encoder.0.attention"]
    (layer, *_) = (each for each in model.modules() if isinstance(each, EncoderLayer))
    entered = layer.around_attention.enter(model.source_embeddings(source[0]))
    given = layer.attention(entered, entered, self_layout(*source, None), need_weights=True)
    assert_close(heard.weights, given.weights)


def test_listening_changes_nothing_and_ends(
    make_model: MakeModel, source: Pair, target: Pair
) -> None:
    model = make_model()
    before = model.decode(model.encode(*source), *target)
    attention_weights(model, source, target)
    assert torch.equal(model.decode(model.encode(*source), *target), before)
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in model.modules())


def test_a_layer_that_serves_twice_is_heard_twice(
    make_model: MakeModel, source: Pair, target: Pair
) -> None:
    model = make_model(encoder_layers=4, encoder_distinct=2)
    heard = attention_weights(model, source, target)
    layers = [f"encoder.{layer}.attention" for layer in range(4)]
    assert [name for name in heard if name.startswith("encoder")] == layers
    first, again = heard[layers[0]], heard[layers[2]]
    assert (first.layer, again.layer) == (0, 2)
    assert not torch.equal(first.weights, again.weights)  # type: ignore[arg-type]


def test_weights_that_layers_share_are_heard_in_each(
    make_model: MakeModel, source: Pair, target: Pair
) -> None:
    shared = AttentionConfig(variant="shared-weights")
    model = make_model(AttentionSections(encoder=shared, cross=shared))
    heard = attention_weights(model, source, target)
    for name in ("encoder.{}.attention", "decoder.{}.cross_attention"):
        one, other = (heard[name.format(layer)].weights for layer in range(2))
        assert_close(one, other)


def test_a_recurrent_model_is_heard_position_by_position(
    make_model: MakeModel, source: Pair, target: Pair
) -> None:
    (each,) = attention_weights(make_model(arch="rnn"), source, target).values()
    assert (each.role, each.layer) == ("cross", 0)
    assert each.weights is not None
    assert each.weights.shape == (2, 2, 4, 5)
    assert_close(each.weights.sum(-1), torch.ones_like(each.weights[..., 0]))


def test_where_there_are_no_weights_there_are_none(
    make_model: MakeModel, source: Pair, target: Pair
) -> None:
    sections = AttentionSections(decoder=AttentionConfig(heads=("0", "1")))
    heard = attention_weights(make_model(sections), source, target)
    assert heard["decoder.0.attention"].weights is None
    assert heard["decoder.1.attention"].layer == 1
    assert heard["decoder.1.attention"].weights is not None


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_heard_in_every_place(
    make_model: MakeModel, source: Pair, target: Pair, name: str
) -> None:
    places = VARIANTS[name].roles
    model = make_model(
        AttentionSections(**{role: AttentionConfig(variant=name) for role in places})
    )
    before, heard = model.decode(model.encode(*source), *target), Listener(model)
    with heard.attached():
        states = model.decode(model.encode(*source), *target)
    assert_close(states, before)
    mechanisms = dict(outermost(model))
    assert heard.heard.keys() == mechanisms.keys()
    for place, each in heard.heard.items():
        assert (each.weights is not None) == mechanisms[place].gives_weights


def test_a_mechanism_inside_another_is_not_heard_apart(make_model: MakeModel) -> None:
    model = make_model()
    mechanisms = model.mechanisms()
    outer, inner = mechanisms["encoder.0.attention"], mechanisms["encoder.1.attention"]
    before = [name for name, _ in outermost(model)]
    outer.inner = inner
    assert [name for name, _ in outermost(model)] == before
