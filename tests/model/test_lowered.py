"""Weights that are cast once give what autocast gives, and leave the model as it was."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nmt.attention.config import AttentionSections
from nmt.attention.variants import VARIANTS
from nmt.checks.case import small
from nmt.model.build import build_model
from nmt.model.compute import Compute, why_not_compiled
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder
from nmt.model.lowered import QuantisedLayer, lowered
from nmt.model.packed import PackedMatrix, has_packed_products
from nmt.model.quantised import QuantisedMatrix
from nmt.model.sentences import Breaks
from nmt.native.matrix import NativeMatrix

VOCAB = 11
LOW = Compute(torch.device("cpu"), torch.bfloat16)
WHOLE = replace(LOW, dtype=torch.float32)
INTEGERS = replace(WHOLE, int8=True)
BY_TORCH = replace(INTEGERS, steps="torch")
SIZES = {"encoder_layers": 2, "decoder_layers": 2, "model_size": 8, "max_length": 12}
OF_TRANSFORMERS = {"ffn_size": 12, "num_heads": 2}


def build(variant: str, **settings: object) -> EncoderDecoder:
    """Make a model with a mechanism in every role that it can have."""
    torch.manual_seed(1)
    roles = VARIANTS[variant].roles
    if settings.get("arch") == "rnn":
        roles = tuple(role for role in roles if role == "cross")
    sections = AttentionSections(**{role: small(variant) for role in roles})
    own = {} if settings.get("arch") == "rnn" else OF_TRANSFORMERS
    config = ModelConfig(**{**SIZES, **own, **settings})
    return build_model(config, sections, VOCAB, VOCAB).eval()


def said(model: EncoderDecoder, compute: Compute = LOW) -> Tensor:
    """Search's part of a model, step by step, in autocast where there is any."""
    ids = torch.randint(VOCAB, (2, 5), generator=torch.Generator().manual_seed(2))
    parents, found = torch.zeros(2, 1, dtype=torch.long), []
    with torch.inference_mode(), compute.autocast():
        state = model.start(model.encode(ids, torch.tensor([5, 3])), 1, 5)
        for place in range(5):
            states, state = model.step(state, ids[:, place : place + 1], parents)
            found.append(states.float())
    return torch.cat(found, 1)


def check(model: EncoderDecoder) -> None:
    copied = lowered(model, LOW)
    assert torch.equal(said(copied), said(model))
    kinds = {each.weight.dtype for each in copied.modules() if isinstance(each, nn.Linear)}
    assert kinds == {torch.bfloat16}
    assert {each.dtype for each in model.parameters()} == {torch.float32}
    own = {each.data_ptr() for each in [*model.parameters(), *model.buffers()] if each.numel()}
    assert own.isdisjoint(
        each.data_ptr() for each in [*copied.parameters(), *copied.buffers()] if each.numel()
    )


@pytest.mark.sampled(2)
@pytest.mark.parametrize("variant", [name for name, each in VARIANTS.items() if each.roles])
def test_every_attention_gives_what_autocast_gave(variant: str) -> None:
    model = build(variant)
    if variant == "sentence-local":
        model.breaks = Breaks(4, 4)
    check(model)


@pytest.mark.parametrize("tie", ["all", "target", "none"])
def test_tied_embeddings_stay_as_they_are(tie: str) -> None:
    model = build("multi-head", tie=tie)
    check(model)
    assert lowered(model, LOW).output_weight().dtype == torch.float32


@pytest.mark.parametrize("feeding", ["luong", "bahdanau"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_recurrent_models_give_what_autocast_gave(cell: str, feeding: str) -> None:
    check(build("multi-head", arch="rnn", cell=cell, feeding=feeding))


def test_in_float32_it_is_the_model_itself() -> None:
    model = build("multi-head")
    assert lowered(model, Compute(LOW.device, torch.float32)) is model


def test_a_model_in_training_goes_on_as_if_there_were_no_copy() -> None:
    model = build("multi-head").train()
    ids, lengths = torch.tensor([[4, 9, 2]]), torch.tensor([3])
    loss = model.decode(model.encode(ids, lengths), ids, lengths).square().sum()
    loss.backward()
    before = [weight.grad for weight in model.parameters()]
    copied = lowered(model, LOW)
    assert model.training
    for weight, grad in zip(model.parameters(), before, strict=True):
        assert weight.grad is grad
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(1.0)
    for weight, other in zip(model.parameters(), copied.parameters(), strict=True):
        assert not torch.equal(weight, other.float())


@pytest.mark.sampled(2)
@pytest.mark.parametrize("variant", [name for name, each in VARIANTS.items() if each.roles])
def test_every_attention_in_integers_is_nearly_the_same(variant: str) -> None:
    model, whole = build(variant), replace(LOW, dtype=torch.float32, int8=True)
    if variant == "sentence-local":
        model.breaks = Breaks(4, 4)
    before = [weight.clone() for weight in model.parameters()]
    expected, found = (said(each, whole) for each in (model, lowered(model, whole)))
    assert not torch.equal(found, expected)
    similar = torch.cosine_similarity(found, expected, dim=-1)
    assert similar.mean() > 0.99
    assert all(map(torch.equal, model.parameters(), before))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_recurrent_models_in_integers_are_nearly_the_same(cell: str) -> None:
    model, whole = build("multi-head", arch="rnn", cell=cell), replace(LOW, dtype=torch.float32)
    found = said(lowered(model, replace(whole, int8=True)), whole)
    assert_close(found, said(model, whole), atol=0.05, rtol=0.0)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", [NativeMatrix, QuantisedMatrix, PackedMatrix])
def test_a_layer_is_nearly_what_it_was(
    bias: bool, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = INTEGERS if kind is NativeMatrix else BY_TORCH
    if kind is PackedMatrix and not has_packed_products():
        pytest.skip("needs AVX2 and oneDNN")
    if kind is NativeMatrix and why_not_compiled(compute):
        pytest.skip(why_not_compiled(compute))
    monkeypatch.setattr("nmt.model.lowered.has_vnni", lambda: kind is QuantisedMatrix)
    torch.manual_seed(1)
    layer, states = nn.Linear(24, 17, bias=bias), torch.randn(2, 3, 24)
    made = QuantisedLayer(layer, compute)
    assert isinstance(made.matrix, kind)
    assert_close(made.forward(states), layer(states), atol=0.05, rtol=0.0)


def test_only_what_a_rectifier_leaves_is_taken_for_unsigned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not has_packed_products():
        pytest.skip("needs AVX2 and oneDNN")
    monkeypatch.setattr("nmt.model.lowered.has_vnni", lambda: False)
    for kind in ("plain", "gated"):
        model = lowered(build("multi-head", feed_forward=kind), replace(WHOLE, int8=True))
        unsigned = {
            name.rpartition(".")[2]
            for name, each in model.named_modules()
            if isinstance(each, nn.Linear) and not each.forward.__self__.matrix.signed
        }
        assert unsigned == ({"outer"} if kind == "plain" else set())
