"""Where memory ends, a batch is cut in two and the update is the same.

Six pairs; a pretended machine has room for fewer.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.optim import SGD

from nmt.corpus.batches import Batch
from nmt.errors import ConfigError
from nmt.model.compute import Compute
from nmt.model.contract import EncoderDecoder
from nmt.training.objective import Objective
from nmt.training.room import halves
from nmt.training.update import Totals, Updater

MakeModel = Callable[..., EncoderDecoder]
MakeBatches = Callable[..., list[Batch]]
Shrink = Callable[[EncoderDecoder, int], list[int]]


def refuse(*_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def shrink_forward(model: EncoderDecoder, most: int) -> list[int]:
    """Let a model have room for some pairs alone, and list how many it was given each time."""
    encode, given = model.encode, []

    def encode_few(source: Tensor, lengths: Tensor) -> Any:
        given.append(len(source))
        if len(source) > most:
            refuse()
        return encode(source, lengths)

    model.encode = encode_few  # type: ignore[method-assign]
    return given


def shrink_backward(model: EncoderDecoder, most: int) -> list[int]:
    """Do so when half of the gradients are there: those of the decoder."""
    encode, given = model.encode, []

    def encode_few(source: Tensor, lengths: Tensor) -> Any:
        given.append(len(source))
        memory = encode(source, lengths)
        if len(source) > most:
            memory.states.register_hook(refuse)
        return memory

    model.encode = encode_few  # type: ignore[method-assign]
    return given


def moved(model: EncoderDecoder, batches: list[Batch]) -> tuple[dict[str, Tensor], Totals]:
    """Update a model by its gradient, and give its weights."""
    totals = Totals()
    compute = Compute(torch.device("cpu"), torch.float32)
    Updater(model, SGD(model.parameters(), lr=1.0), compute, Objective(0.1), 0.0).update(
        batches, totals
    )
    assert all(weight.grad is None for weight in model.parameters())
    return {name: weight.detach() for name, weight in model.named_parameters()}, totals


@pytest.mark.parametrize("shrink", [shrink_forward, shrink_backward])
@pytest.mark.parametrize(
    ("sizes", "most", "expected"),
    [
        ((6,), 6, [6]),
        ((6,), 3, [6, 3, 3]),
        ((6,), 1, [6, 3, 1, 2, 1, 1, 1, 3, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1]),
        ((2, 4), 2, [2, 4, 2, 2, 2]),  # the first was done and is done again
        ((4, 1, 1), 3, [4, 2, 2, 1, 1]),
    ],
)
def test_a_batch_without_room_is_cut_and_the_update_is_the_same(
    make_model: MakeModel,
    make_batches: MakeBatches,
    shrink: Shrink,
    sizes: tuple[int, ...],
    most: int,
    expected: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        EncoderDecoder, "penalty", lambda model: model.output_weight().square().sum()
    )
    weights, totals = moved(make_model(), make_batches(*sizes))
    small = make_model()
    given = shrink(small, most)
    found, sums = moved(small, make_batches(*sizes))
    assert given == expected
    torch.testing.assert_close(found, weights, rtol=1e-4, atol=1e-6)
    assert vars(sums) == pytest.approx(vars(totals), rel=1e-5)


def test_one_warning_says_what_would_be_faster(
    make_model: MakeModel, make_batches: MakeBatches, caplog: pytest.LogCaptureFixture
) -> None:
    model = make_model()
    shrink_forward(model, 3)
    with caplog.at_level(logging.WARNING):
        moved(model, make_batches())
    assert caplog.messages == [
        "no room for a batch of 6 pairs: it is done in two halves; a lower data.batch_tokens is "
        "faster (nmt plan --fit finds it)"
    ]


def test_a_single_pair_without_room_is_one_error(
    make_model: MakeModel, make_batches: MakeBatches
) -> None:
    model = make_model()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    shrink_backward(model, 0)
    expected = r"a pair of 2 source and 10 target tokens has no room in memory, .*recompute = true"
    with pytest.raises(ConfigError, match=expected):
        moved(model, make_batches())
    torch.testing.assert_close(dict(model.named_parameters()), before, rtol=0, atol=0)
    assert all(weight.grad is None for weight in model.parameters())


def test_halves_are_the_pairs_without_needless_padding(make_batches: MakeBatches) -> None:
    (whole,) = make_batches()
    for half, alone in zip(halves(whole), make_batches(3, 3), strict=True):
        for name, array in vars(alone).items():
            np.testing.assert_array_equal(getattr(half, name), array)
    first, second = halves(halves(replace(whole))[0])
    assert (len(first.source), len(second.source)) == (1, 2)


def test_other_faults_are_no_lack_of_memory(
    make_model: MakeModel, make_batches: MakeBatches, compute: Compute
) -> None:
    model = make_model()
    model.encode = lambda *_: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(ZeroDivisionError):
        moved(model, make_batches())
