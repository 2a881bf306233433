"""Two passes over a batch are that batch twice, told apart by what dropout drops."""

from collections.abc import Callable

import pytest
import torch
from torch.testing import assert_close

from nmt.corpus.batches import Batch
from nmt.model.compute import Compute
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder
from nmt.training.objective import Objective, predictions

MakeModel = Callable[..., EncoderDecoder]
MakeBatches = Callable[..., list[Batch]]
SHAPES: list[dict[str, object]] = [{}, {"arch": "rnn", "ffn_size": ModelConfig.ffn_size}]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_where_nothing_is_dropped_two_passes_are_one(
    make_model: MakeModel, make_batches: MakeBatches, compute: Compute, shape: dict[str, object]
) -> None:
    model, (batch,) = make_model(**shape), make_batches()
    once, twice = (Objective(0.1, strength).sum(model, batch, compute) for strength in (0.0, 5.0))
    assert_close(twice.loss, once.loss, rtol=1e-6, atol=0)
    assert_close(twice.nll, once.nll, rtol=1e-6, atol=0)
    assert twice.tokens == once.tokens == batch.tokens
    slopes = [torch.autograd.grad(each.loss, list(model.parameters())) for each in (once, twice)]
    assert_close(slopes[1], slopes[0], rtol=1e-4, atol=1e-5)


def test_the_passes_drop_different_values(
    make_model: MakeModel, make_batches: MakeBatches, compute: Compute
) -> None:
    model, (batch,) = make_model(dropout=0.3), make_batches()
    torch.manual_seed(1)
    states, ids = predictions(model, batch, compute, 2)
    assert states.shape == (2, batch.tokens, 16)
    assert ids.shape == (batch.tokens,)
    assert not torch.equal(*states)
    still, _ = predictions(model.eval(), batch, compute, 2)
    assert_close(*still)


def test_what_the_passes_differ_by_is_paid_for(
    make_model: MakeModel, make_batches: MakeBatches, compute: Compute
) -> None:
    model, (batch,) = make_model(dropout=0.3), make_batches()
    losses = []
    for strength in (1e-9, 1.0, 5.0):
        torch.manual_seed(1)
        losses.append(Objective(0.1, strength).sum(model, batch, compute).loss.detach())
    assert losses[0] < losses[1] < losses[2]
    assert_close((losses[2] - losses[0]) / 5, losses[1] - losses[0], rtol=1e-6, atol=0)
