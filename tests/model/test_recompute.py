"""What is computed once more is what was: gradients to the last bit, from less memory.

Three sentences of 6, 1 and 2 source ids, targets of 5.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.attention.config import AttentionConfig, AttentionSections
from nmt.attention.variants import VARIANTS
from nmt.bench.memory import peak_bytes
from nmt.model.build import build_model
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder
from nmt.model.recompute import set_recompute

MakeModel = Callable[..., EncoderDecoder]

LENGTHS = torch.tensor([6, 1, 2])
SHAPES: dict[str, dict[str, Any]] = {
    "pre-norm": {},
    "post-norm": {"norm": "post", "feed_forward": "gated", "ffn_dropout": 0.2},
    "shared-layers": {"encoder_layers": 3, "encoder_distinct": 1, "decoder_distinct": 1},
    "lstm-luong": {"arch": "rnn"},
    "gru-bahdanau": {"arch": "rnn", "cell": "gru", "feeding": "bahdanau"},
}


def ids(size: int) -> Tensor:
    return torch.randint(3, 9, (3, size), generator=torch.Generator().manual_seed(2))


def gradients(model: EncoderDecoder, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """Train on one batch with dropout, the same at every call."""
    torch.manual_seed(3)
    model.train().zero_grad()
    with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
        memory = model.encode(ids(6), LENGTHS)
        states = model.decode(memory, ids(5), torch.tensor([5, 3, 4]))
    loss = states.square().sum()
    penalty = model.penalty()
    (loss if penalty is None else loss + penalty).backward()
    drawn = {"random numbers": torch.rand(4)}
    return drawn | {
        name: each.grad for name, each in model.named_parameters() if each.grad is not None
    }


def assert_the_same_when_recomputed(
    model: EncoderDecoder, dtype: torch.dtype | None = None
) -> None:
    kept = gradients(model, dtype)
    assert len(kept) > 5
    set_recompute(model, True)
    again = gradients(model, dtype)
    set_recompute(model, False)
    assert kept.keys() == again.keys()
    for name, each in kept.items():
        assert torch.equal(each, again[name]), name


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_with_dropout_are_the_same_to_the_last_bit(
    make_model: MakeModel, shape: str
) -> None:
    assert_the_same_when_recomputed(make_model(dropout=0.3, **SHAPES[shape]))


@pytest.mark.parametrize("shape", SHAPES)
def test_so_they_are_in_half_precision(make_model: MakeModel, shape: str) -> None:
    model = make_model(dropout=0.3, **SHAPES[shape]).float()
    assert_the_same_when_recomputed(model, torch.bfloat16)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", VARIANTS)
def test_every_attention_is_computed_once_more(make_model: MakeModel, name: str) -> None:
    roles = VARIANTS[name].roles
    sections = AttentionSections(**{role: AttentionConfig(variant=name) for role in roles})
    assert_the_same_when_recomputed(make_model(sections, dropout=0.3))


@pytest.mark.parametrize("arch", ["transformer", "rnn"])
def test_layers_keep_less(arch: str) -> None:
    source, target = torch.full((8, 24), 5), torch.full((8, 24), 5)
    lengths = torch.full((8,), 24)
    model = build_model(
        ModelConfig(arch=arch, encoder_layers=4, decoder_layers=4, model_size=32, num_heads=2),
        AttentionSections(), 16, 16,
    ).train()  # fmt: skip

    def work() -> None:
        model.decode(model.encode(source, lengths), target, lengths).sum().backward()
        model.zero_grad()

    kept = peak_bytes(work, torch.device("cpu"))
    set_recompute(model, True)
    assert peak_bytes(work, torch.device("cpu")) < 0.6 * kept


def test_where_no_gradient_is_wanted_nothing_is_set_apart(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model()
    monkeypatch.setattr("nmt.model.recompute.checkpoint", None)
    set_recompute(model, True)
    with torch.no_grad():
        model.decode(model.encode(ids(6), LENGTHS), ids(5), LENGTHS)
