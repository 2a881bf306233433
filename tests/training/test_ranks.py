"""Several processes move weights as one does, and tell one another what they must know."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import SGD

from nmt.attention.config import AttentionConfig, AttentionSections
from nmt.corpus.batches import Batch
from nmt.model.build import build_model
from nmt.model.compute import Compute
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder
from nmt.training.distributed import joined
from nmt.training.engine import make_engine
from nmt.training.objective import Objective
from nmt.training.ranks import Ranks
from nmt.training.update import Totals, Updater
from tests.processes import forks, in_processes

pytestmark = forks

MakeBatches = Callable[..., list[Batch]]
Weights = dict[str, np.ndarray]

SPAN = AttentionConfig(pattern="span", window=8, span_ramp=2, penalty=0.1)
MODELS = {
    "transformer": ({}, AttentionSections()),
    "shared layers": (
        {"encoder_layers": 3, "encoder_distinct": 2, "layer_sharing": "cycle"},
        AttentionSections(),
    ),
    "recurrent": ({"arch": "rnn", "ffn_size": ModelConfig().ffn_size}, AttentionSections()),
    "penalty": ({}, AttentionSections(encoder=SPAN, decoder=SPAN)),
}

SHARDINGS = ["ddp", pytest.param("fsdp", marks=pytest.mark.slow)]


def make_model(name: str) -> EncoderDecoder:
    torch.manual_seed(1)
    changes, attention = MODELS[name]
    shape: dict[str, Any] = {"encoder_layers": 1, "decoder_layers": 1, "model_size": 16}
    small = {"ffn_size": 32, "num_heads": 2, "max_length": 32, "dropout": 0.0}
    return build_model(ModelConfig(**{**shape, **small, **changes}), attention, 60, 60)


def after_updates(
    model: EncoderDecoder, compute: Compute, ranks: Ranks, work: list[list[Batch]]
) -> tuple[Weights, Totals]:
    """Update by the gradient itself, and give the weights and what was counted."""
    engine, trained = make_engine(model, compute, ranks)
    updater = Updater(
        trained, SGD(trained.parameters(), lr=1.0), compute, Objective(0.1), 1.0, engine=engine
    )
    totals = Totals()
    for batches in work:
        updater.update(batches, totals)
    totals.collect(ranks)
    with engine.whole(trained) as whole:
        return {name: each.detach().numpy() for name, each in whole.named_parameters()}, totals


@pytest.mark.parametrize("sharding", SHARDINGS)
@pytest.mark.parametrize("name", MODELS)
def test_one_batch_and_parts_of_it_in_processes_move_the_weights_alike(
    make_batches: MakeBatches, compute: Compute, name: str, sharding: str
) -> None:
    cuts = [make_batches(*cut) for cut in ((4, 2), (1, 2, 3), (6,))]  # the last leaves one idle
    several = replace(compute, sharding=sharding)

    def work(rank: int) -> tuple[Weights, Totals]:
        with joined(1) as ranks:
            return after_updates(make_model(name), several, ranks, cuts)

    first, second = in_processes(work)
    whole = [make_batches()] * len(cuts)
    weights, totals = after_updates(make_model(name), compute, Ranks(), whole)
    for name in weights:
        np.testing.assert_allclose(first[0][name], weights[name], rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(second[0][name], first[0][name])
    assert vars(first[1]) == pytest.approx(vars(totals), rel=1e-5)


def test_every_process_gets_as_many_turns_and_every_item_counts_once() -> None:
    for size in range(1, 5):
        for count in range(1, 9):
            dealt = [Ranks(rank, size).turns(range(count)) for rank in range(size)]
            assert len(set(map(len, dealt))) == 1
            counted = [turn.item for turns in dealt for turn in turns if turn.factor]
            assert sorted(counted) == list(range(count))
            factors = {turn.factor for turns in dealt for turn in turns}
            assert {float(size)} <= factors <= {0.0, float(size)}
            assert all(
                [turn.last for turn in turns].index(True) == len(turns) - 1 for turns in dealt
            )


def test_processes_draw_random_numbers_of_their_own_and_the_first_those_of_one_alone() -> None:
    torch.manual_seed(5)
    alone = torch.rand(3)
    drawn = []
    for rank in range(3):
        torch.manual_seed(5)
        Ranks(rank, 3).seed(5)
        drawn.append(torch.rand(3))
    assert torch.equal(drawn[0], alone)
    assert not torch.equal(drawn[1], alone) and not torch.equal(drawn[1], drawn[2])


def test_processes_exchange_numbers_words_and_tensors() -> None:
    def exchange(rank: int) -> Any:
        with joined(1) as ranks:
            return (
                ranks.sums([1.0, rank]),
                ranks.highest([3.0 * rank, -rank]),
                ranks.told({"é": [rank, None]}),
                [int(each) for each in ranks.gathered(torch.tensor(rank))],
            )

    expected = ([3.0, 3.0], [6.0, 0.0], {"é": [0, None]}, [0, 1, 2])
    assert in_processes(exchange, size=3) == [expected] * 3


def test_one_alone_joins_nobody() -> None:
    with joined(1) as ranks:
        assert ranks == Ranks(0, 1)
        assert not torch.distributed.is_initialized()
        assert (ranks.sums([2.0]), ranks.told("x")) == ([2.0], "x")
