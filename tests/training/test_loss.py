"""The chunked loss is PyTorch's cross-entropy of the projected states.

Thirteen positions, width 6, a vocabulary of 9.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from nmt.training import loss
from nmt.training.loss import smoothed_loss

NUM_POSITIONS, WIDTH, VOCAB = 13, 6, 9
CHUNKS = [0, 1, VOCAB, 4 * VOCAB, 5 * VOCAB - 1, NUM_POSITIONS * VOCAB, 2**21]


@pytest.fixture(params=CHUNKS, ids=lambda values: f"{values} scores at once")
def chunk(request: pytest.FixtureRequest) -> int:
    size: int = request.param
    return size


@pytest.fixture
def operands() -> tuple[Tensor, Tensor, Tensor]:
    """States, projection and ids."""
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(NUM_POSITIONS, WIDTH, generator=generator).double()
    weight = torch.randn(VOCAB, WIDTH, generator=generator).double()
    ids = torch.randint(VOCAB, (NUM_POSITIONS,), generator=generator)
    return states.requires_grad_(), weight.requires_grad_(), ids


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_loss_and_gradients_are_those_of_pytorch(
    operands: tuple[Tensor, Tensor, Tensor], smoothing: float, chunk: int
) -> None:
    states, weight, ids = operands
    sums = smoothed_loss(states, weight, ids, smoothing, chunk)
    expected = F.cross_entropy(states @ weight.mT, ids, reduction="sum", label_smoothing=smoothing)
    assert_close(sums.loss, expected, rtol=1e-12, atol=1e-12)
    inputs = (states, weight)
    for mine, theirs in zip(
        torch.autograd.grad(sums.loss / 7, inputs),
        torch.autograd.grad(expected / 7, inputs),
        strict=True,
    ):
        assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


def test_the_sums_beside_the_loss_are_what_they_say(
    operands: tuple[Tensor, Tensor, Tensor], chunk: int
) -> None:
    states, weight, ids = operands
    scores = (states @ weight.mT).detach()
    ids[:5] = scores[:5].argmax(-1)
    sums = smoothed_loss(states, weight, ids, 0.3, chunk)
    assert_close(sums.nll, F.cross_entropy(scores, ids, reduction="sum"), rtol=1e-12, atol=1e-12)
    assert sums.correct == (scores.argmax(-1) == ids).sum() >= 5
    assert sums.tokens == NUM_POSITIONS
    assert not sums.nll.requires_grad
    assert not sums.correct.requires_grad


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_without_smoothing_the_loss_is_the_negative_log_likelihood(
    operands: tuple[Tensor, Tensor, Tensor], smoothing: float
) -> None:
    sums = smoothed_loss(*operands, smoothing)
    assert bool(sums.loss == sums.nll) == (smoothing == 0.0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_states_in_bfloat16_give_nearly_the_same(
    operands: tuple[Tensor, Tensor, Tensor], smoothing: float
) -> None:
    states, weight, ids = operands
    exact = smoothed_loss(states, weight, ids, smoothing).loss
    slopes = torch.autograd.grad(exact / NUM_POSITIONS, (states, weight))
    narrow = states.detach().bfloat16().requires_grad_()
    master = weight.detach().float().requires_grad_()
    sums = smoothed_loss(narrow, master, ids, smoothing)
    assert_close(sums.loss, exact, rtol=2e-2, atol=0)
    found = torch.autograd.grad(sums.loss / NUM_POSITIONS, (narrow, master))
    assert [each.dtype for each in found] == [torch.bfloat16, torch.float32]
    for mine, expected in zip(found, slopes, strict=True):
        assert_close(mine.double(), expected, rtol=2e-2, atol=2e-2)


def test_the_sums_are_in_double_whatever_the_states_are(
    operands: tuple[Tensor, Tensor, Tensor],
) -> None:
    states, weight, ids = operands
    sums = smoothed_loss(states.detach().float(), weight.detach().float(), ids, 0.1)
    assert sums.loss.dtype == sums.nll.dtype == torch.float64


@pytest.mark.parametrize("frozen", [0, 1])
def test_a_frozen_operand_leaves_the_others_gradient(
    operands: tuple[Tensor, Tensor, Tensor], frozen: int
) -> None:
    states, weight, ids = operands
    both = torch.autograd.grad(smoothed_loss(states, weight, ids, 0.1).loss, (states, weight))
    inputs = [states.detach(), weight.detach()]
    inputs[1 - frozen].requires_grad_()
    smoothed_loss(*inputs, ids, 0.1).loss.backward()
    assert inputs[frozen].grad is None
    assert_close(inputs[1 - frozen].grad, both[1 - frozen], rtol=1e-12, atol=1e-12)


def test_where_no_gradient_is_wanted_none_is_made(
    operands: tuple[Tensor, Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    states, weight, ids = operands
    expected = smoothed_loss(states, weight, ids, 0.1).loss.detach()
    with torch.inference_mode():
        assert torch.equal(smoothed_loss(states, weight, ids, 0.1).loss, expected)
    monkeypatch.setattr(loss, "score_gradient", None)
    alone = smoothed_loss(states.detach(), weight.detach(), ids, 0.1)
    assert torch.equal(alone.loss, expected)
    assert not alone.loss.requires_grad


def test_the_gradient_is_that_of_finite_differences(
    operands: tuple[Tensor, Tensor, Tensor], chunk: int
) -> None:
    states, weight, ids = operands

    def summed(states: Tensor, weight: Tensor) -> Tensor:
        return smoothed_loss(states, weight, ids, 0.1, chunk).loss

    assert torch.autograd.gradcheck(summed, (states, weight), fast_mode=True)


def test_a_sum_over_many_positions_keeps_its_last_digits() -> None:
    generator = torch.Generator().manual_seed(3)
    states, weight = torch.randn(4005, 2, generator=generator).split([4000, 5])
    ids = torch.randint(5, (4000,), generator=generator)
    each = -(states @ weight.mT).log_softmax(-1).gather(-1, ids.unsqueeze(-1))
    expected = each.sum(dtype=torch.float64)
    assert_close(smoothed_loss(states, weight, ids, 0.0, 7 * 5).nll, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("chunk", [0, 1])
def test_no_positions_make_no_loss_and_no_gradient(chunk: int) -> None:
    states = torch.zeros(0, WIDTH, requires_grad=True)
    weight = torch.ones(VOCAB, WIDTH, requires_grad=True)
    sums = smoothed_loss(states, weight, torch.zeros(0, dtype=torch.long), 0.1, chunk)
    sums.loss.backward()
    assert (float(sums.loss.detach()), float(sums.correct), sums.tokens) == (0.0, 0.0, 0)
    assert torch.equal(weight.grad, torch.zeros(VOCAB, WIDTH))


def test_an_embedding_tied_to_the_output_gets_both_gradients() -> None:
    weight = torch.randn(VOCAB, WIDTH, generator=torch.Generator().manual_seed(2)).double()
    weight.requires_grad_()
    ids = torch.tensor([1, 4, 4, 8])

    def states() -> Tensor:
        return F.embedding(ids.flip(0), weight).tanh()

    expected = F.cross_entropy(states() @ weight.mT, ids, reduction="sum", label_smoothing=0.1)
    (wanted,) = torch.autograd.grad(expected, weight)
    (found,) = torch.autograd.grad(smoothed_loss(states(), weight, ids, 0.1).loss, weight)
    assert_close(found, wanted, rtol=1e-12, atol=1e-12)
