"""One update: the same however its pairs are cut into batches; shortened; refused if not finite.

B sentences, T target length, V vocabulary.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import SGD

from nmt.corpus.batches import Batch
from nmt.model.compute import Compute
from nmt.model.contract import EncoderDecoder
from nmt.training.loss import LossSums
from nmt.training.objective import Objective
from nmt.training.update import NotFinite, Totals, Updater, held_out_loss

MakeModel = Callable[..., EncoderDecoder]
MakeBatches = Callable[..., list[Batch]]
CUTS = [(1,) * 6, (1, 5), (4, 2), (2, 3, 1)]


def weights(model: EncoderDecoder) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def make_updater(
    model: EncoderDecoder, compute: Compute, clip_norm: float = 0.0, rate: float = 1.0
) -> Updater:
    """Make an updater whose step is the gradient itself."""
    return Updater(model, SGD(model.parameters(), lr=rate), compute, Objective(0.1), clip_norm)


def plain_loss(model: EncoderDecoder, batch: Batch, smoothing: float) -> Tensor:
    """Sum the loss of a batch pair by pair, so that there is no padding."""
    losses = []
    for row in range(len(batch.source)):
        source = torch.tensor(batch.source[row : row + 1, : batch.source_lengths[row]])
        target = torch.tensor(batch.target[row : row + 1, : batch.target_lengths[row] + 1])
        memory = model.encode(source, torch.tensor([source.size(1)]))
        lengths = torch.tensor([target.size(1) - 1])
        logits = model.decode(memory, target[:, :-1], lengths) @ model.output_weight().T
        losses.append(
            F.cross_entropy(logits[0], target[0, 1:], reduction="sum", label_smoothing=smoothing)
        )
    return torch.stack(losses).sum()


def test_the_loss_of_a_batch_is_that_of_its_pairs_alone(
    make_model: MakeModel, make_batches: MakeBatches, compute: Compute
) -> None:
    model, (batch,) = make_model(), make_batches()
    for smoothing in (0.0, 0.1):
        sums = Objective(smoothing).sum(model, batch, compute)
        expected = plain_loss(model, batch, smoothing)
        torch.testing.assert_close(sums.loss.float(), expected)
        gradients = [
            torch.autograd.grad(each, list(model.parameters())) for each in (sums.loss, expected)
        ]
        torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_parts_of_a_batch_move_the_weights_as_the_whole_does(
    make_model: MakeModel, make_batches: MakeBatches, compute: Compute, cut: tuple[int, ...]
) -> None:
    whole, parts = make_model(), make_model()
    totals, sums = Totals(), Totals()
    make_updater(whole, compute).update(make_batches(), totals)
    make_updater(parts, compute).update(make_batches(*cut), sums)
    torch.testing.assert_close(weights(parts), weights(whole), rtol=1e-4, atol=1e-6)
    assert vars(sums) == pytest.approx(vars(totals), rel=1e-5)


def test_an_update_is_the_gradient_of_the_mean_over_target_tokens(
    make_model: MakeModel, make_batches: MakeBatches, compute: Compute
) -> None:
    model, before = make_model(), weights(make_model())
    batches = make_batches(1, 5)
    tokens = sum(int(batch.target_lengths.sum()) for batch in batches)
    loss = torch.stack([plain_loss(model, batch, 0.1) for batch in batches]).sum() / tokens
    gradient = torch.autograd.grad(loss, list(model.parameters()))
    make_updater(model, compute).update(batches, Totals())
    moves = [before[name] - weight for name, weight in weights(model).items()]
    torch.testing.assert_close(moves, list(gradient), rtol=1e-4, atol=1e-6)


def test_what_the_model_adds_to_the_loss_counts_once_however_many_batches(
    make_model: MakeModel,
    make_batches: MakeBatches,
    compute: Compute,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        EncoderDecoder, "penalty", lambda model: model.output_weight().square().sum()
    )
    start, whole, parts, plain = (make_model() for _ in range(4))
    make_updater(whole, compute).update(make_batches(), Totals())
    make_updater(parts, compute).update(make_batches(1, 2, 3), Totals())
    torch.testing.assert_close(weights(parts), weights(whole), rtol=1e-4, atol=1e-6)
    monkeypatch.undo()
    make_updater(plain, compute).update(make_batches(), Totals())
    pull = 2 * start.output_weight()  # the gradient of the sum of squares
    torch.testing.assert_close(whole.output_weight(), plain.output_weight() - pull)


def test_gradients_do_not_stay_for_the_next_update(
    make_model: MakeModel, make_batches: MakeBatches, compute: Compute
) -> None:
    still = make_model()
    updater = make_updater(still, compute, rate=0.0)
    first, second = Totals(), Totals()
    updater.update(make_batches(), first)
    updater.update(make_batches(), second)
    assert first == second


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_a_long_gradient_is_shortened_and_keeps_its_direction(
    make_model: MakeModel, make_batches: MakeBatches, compute: Compute, share: float
) -> None:
    start, free, clipped = weights(make_model()), make_model(), make_model()
    totals, shortened = Totals(), Totals()
    make_updater(free, compute).update(make_batches(), totals)
    make_updater(clipped, compute, clip_norm=share * totals.gradient).update(
        make_batches(), shortened
    )
    for name, before in start.items():
        move, short = weights(free)[name] - before, weights(clipped)[name] - before
        torch.testing.assert_close(short, move * share, rtol=1e-3, atol=1e-6)
    assert shortened.gradient == totals.gradient  # what is logged is the length before


def test_a_short_gradient_is_left_alone(
    make_model: MakeModel, make_batches: MakeBatches, compute: Compute
) -> None:
    free, limited = make_model(), make_model()
    totals = Totals()
    make_updater(free, compute).update(make_batches(), totals)
    make_updater(limited, compute, clip_norm=2 * totals.gradient).update(make_batches(), Totals())
    torch.testing.assert_close(weights(limited), weights(free), rtol=0, atol=0)


def test_a_gradient_that_is_no_number_is_refused_and_moves_nothing(
    make_model: MakeModel,
    make_batches: MakeBatches,
    compute: Compute,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for bad in (float("nan"), float("inf")):
        model = make_model()
        monkeypatch.setattr(
            EncoderDecoder, "penalty", lambda model, bad=bad: model.output_weight().sum() * bad
        )
        for clip_norm in (0.0, 1.0):
            updater = make_updater(model, compute, clip_norm=clip_norm)
            totals = Totals()
            with pytest.raises(NotFinite, match=r"the gradient is not finite: length (nan|inf)"):
                updater.update(make_batches(), totals)
            torch.testing.assert_close(weights(model), weights(make_model()), rtol=0, atol=0)
            assert totals == Totals()
            assert all(weight.grad is None for weight in model.parameters())


def test_a_loss_that_is_not_finite_is_refused_though_its_gradient_is(
    make_model: MakeModel,
    make_batches: MakeBatches,
    compute: Compute,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = Objective.sum

    def overflowing(*given: Any) -> LossSums:
        return replace(sums := original(*given), loss=sums.loss + torch.inf)

    monkeypatch.setattr(Objective, "sum", overflowing)
    model = make_model()
    with pytest.raises(NotFinite, match=r"the gradient is not finite: length [0-9.]+, loss inf"):
        make_updater(model, compute).update(make_batches(), Totals())
    torch.testing.assert_close(weights(model), weights(make_model()), rtol=0, atol=0)


def test_held_out_loss_is_the_mean_over_tokens_however_they_are_cut(
    make_model: MakeModel, make_batches: MakeBatches, compute: Compute
) -> None:
    model, (batch,) = make_model().eval(), make_batches()
    measured = held_out_loss(model, [batch], compute)
    assert measured["loss"] == pytest.approx(
        float(plain_loss(model, batch, 0.0).detach()) / batch.tokens
    )
    assert measured["perplexity"] == pytest.approx(2.718281828459045 ** measured["loss"])
    for cut in CUTS:
        assert held_out_loss(model, make_batches(*cut), compute) == pytest.approx(measured)


def test_padding_says_nothing(
    make_model: MakeModel, make_batches: MakeBatches, compute: Compute
) -> None:
    model, (batch,) = make_model(), make_batches()
    noisy = replace(batch, source=batch.source.copy(), target=batch.target.copy())
    for row in range(len(batch.source)):
        noisy.source[row, batch.source_lengths[row] :] = 7
        noisy.target[row, batch.target_lengths[row] + 1 :] = 7
    clean = Objective(0.1).sum(model, batch, compute)
    torch.testing.assert_close(Objective(0.1).sum(model, noisy, compute).loss, clean.loss)
