"""R-Drop's loss is that of its paper, written out with PyTorch's own functions.

Thirteen positions, width 6, a vocabulary of 9.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from nmt.training.consistency import consistent_loss
from nmt.training.loss import smoothed_loss

NUM_POSITIONS, WIDTH, VOCAB = 13, 6, 9
CHUNKS = [0, 1, 2 * VOCAB, 5 * VOCAB, 8 * VOCAB - 1, 2 * NUM_POSITIONS * VOCAB, 2**21]


@pytest.fixture
def operands() -> tuple[Tensor, Tensor, Tensor]:
    """States of two passes, projection and ids."""
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(2, NUM_POSITIONS, WIDTH, generator=generator).double()
    weight = torch.randn(VOCAB, WIDTH, generator=generator).double()
    ids = torch.randint(VOCAB, (NUM_POSITIONS,), generator=generator)
    return states.requires_grad_(), weight.requires_grad_(), ids


def defined(
    states: Tensor, weight: Tensor, ids: Tensor, smoothing: float, strength: float
) -> Tensor:
    """Write the paper's loss out, halved."""
    scores = states @ weight.mT
    likelihood = sum(
        F.cross_entropy(each, ids, reduction="sum", label_smoothing=smoothing) for each in scores
    )
    first, second = scores.log_softmax(-1)
    there = F.kl_div(second, first, log_target=True, reduction="sum")
    back = F.kl_div(first, second, log_target=True, reduction="sum")
    return (likelihood + strength * (there + back) / 2) / 2


@pytest.mark.parametrize("chunk", CHUNKS, ids=lambda size: f"{size} scores at once")
@pytest.mark.parametrize(
    ("smoothing", "strength"), [(0.0, 0.0), (0.0, 5.0), (0.1, 1.0), (0.9, 5.0)]
)
def test_loss_and_gradients_are_the_papers(
    operands: tuple[Tensor, Tensor, Tensor], smoothing: float, strength: float, chunk: int
) -> None:
    states, weight, ids = operands
    sums = consistent_loss(states, weight, ids, smoothing, strength, chunk)
    expected = defined(states, weight, ids, smoothing, strength)
    assert_close(sums.loss, expected, rtol=1e-12, atol=1e-12)
    for mine, theirs in zip(
        torch.autograd.grad(sums.loss / 7, (states, weight)),
        torch.autograd.grad(expected / 7, (states, weight)),
        strict=True,
    ):
        assert_close(mine, theirs, rtol=1e-11, atol=1e-12)


def test_two_passes_that_agree_cost_what_one_costs(
    operands: tuple[Tensor, Tensor, Tensor],
) -> None:
    states, weight, ids = operands
    once = smoothed_loss(states[0], weight, ids, 0.1)
    twice = consistent_loss(states[:1].expand(2, -1, -1), weight, ids, 0.1, 5.0)
    for mine, expected in zip(
        (twice.loss, twice.nll, twice.correct), (once.loss, once.nll, once.correct), strict=True
    ):
        assert_close(mine, expected, rtol=1e-12, atol=1e-12)
    assert twice.tokens == once.tokens == NUM_POSITIONS


def test_what_is_beside_the_loss_is_the_mean_of_both_passes(
    operands: tuple[Tensor, Tensor, Tensor],
) -> None:
    states, weight, ids = operands
    twice = consistent_loss(states, weight, ids, 0.1, 5.0)
    each = [smoothed_loss(part, weight, ids, 0.1) for part in states]
    assert_close(twice.nll, (each[0].nll + each[1].nll) / 2, rtol=1e-12, atol=0)
    assert_close(twice.correct, (each[0].correct + each[1].correct) / 2, rtol=0, atol=0)
    assert not twice.nll.requires_grad


def test_states_in_bfloat16_give_nearly_the_same(
    operands: tuple[Tensor, Tensor, Tensor],
) -> None:
    states, weight, ids = operands
    exact = consistent_loss(states, weight, ids, 0.1, 5.0).loss
    slopes = torch.autograd.grad(exact / NUM_POSITIONS, (states, weight))
    narrow = states.detach().bfloat16().requires_grad_()
    master = weight.detach().float().requires_grad_()
    sums = consistent_loss(narrow, master, ids, 0.1, 5.0)
    assert_close(sums.loss, exact, rtol=2e-2, atol=0)
    found = torch.autograd.grad(sums.loss / NUM_POSITIONS, (narrow, master))
    assert [each.dtype for each in found] == [torch.bfloat16, torch.float32]
    for mine, expected in zip(found, slopes, strict=True):
        assert_close(mine.double(), expected, rtol=5e-2, atol=5e-2)
