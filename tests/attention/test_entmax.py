"""Sparsemax and entmax against bisection, brute force, limits and their papers' gradients."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.testing import assert_close

from nmt.attention.entmax import entmax, entmax15, sparsemax

FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "sparsemax": (sparsemax, 2.0),
    "entmax15": (entmax15, 1.5),
    "entmax-1.05": (lambda scores: entmax(scores, 1.05), 1.05),
    "entmax-1.3": (lambda scores: entmax(scores, 1.3), 1.3),
    "entmax-1.9": (lambda scores: entmax(scores, 1.9), 1.9),
}
every = pytest.mark.parametrize(("function", "alpha"), FUNCTIONS.values(), ids=FUNCTIONS)


def draw(*shape: int, seed: int = 1, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def by_bisection(scores: Tensor, alpha: float) -> Tensor:
    """Halve the interval that holds the threshold until it is a number: the definition."""
    beta = alpha - 1.0
    scaled = scores * beta
    low = scaled.amax(-1, keepdim=True) - 1.0
    high = low + 1.0 - scores.size(-1) ** -beta
    for _ in range(80):
        middle = (low + high) / 2
        total = ((scaled - middle).clamp(min=0) ** (1 / beta)).sum(-1, keepdim=True)
        low, high = torch.where(total > 1, middle, low), torch.where(total > 1, high, middle)
    return (scaled - low).clamp(min=0) ** (1 / beta)


def by_brute_force(scores: Tensor) -> Tensor:
    """Project one row onto the simplex: the nearest of the points that each support offers."""
    size = len(scores)
    points = []
    for support in itertools.product([False, True], repeat=size):
        inside = torch.tensor(support)
        point = torch.zeros_like(scores)
        point[inside] = scores[inside] - (scores[inside].sum() - 1) / max(1, sum(support))
        if any(support) and (point >= 0).all():
            points.append(point)
    return min(points, key=lambda point: float((point - scores).square().sum()))


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("size", [2, 3, 16, 300])
@every
def test_agrees_with_bisection(
    function: Callable[[Tensor], Tensor], alpha: float, size: int, scale: float
) -> None:
    scores = draw(5, size, scale=scale)
    assert_close(function(scores), by_bisection(scores, alpha), rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_sparsemax_is_the_nearest_point_of_the_simplex(seed: int) -> None:
    scores = draw(6, seed=seed)
    assert_close(sparsemax(scores), by_brute_force(scores), rtol=0, atol=1e-14)


@pytest.mark.parametrize("ratio", [0.5, 0.9, 0.99])
@every
def test_scores_that_drop_one_key_after_another_still_converge(
    function: Callable[[Tensor], Tensor], alpha: float, ratio: float
) -> None:
    scores = -(ratio ** torch.arange(200, dtype=torch.float64)).flip(0)
    assert_close(function(scores), by_bisection(scores, alpha), rtol=0, atol=1e-12)


@every
def test_weights_are_a_distribution_in_single_precision(
    function: Callable[[Tensor], Tensor], alpha: float
) -> None:
    scores = draw(50, 16, scale=3.0).float()
    weights = function(scores)
    assert weights.dtype == torch.float32
    assert (weights >= 0).all()
    assert_close(weights.sum(-1), torch.ones(50), rtol=0, atol=1e-5)
    assert_close(weights.double(), by_bisection(scores.double(), alpha), rtol=0, atol=1e-5)


@every
def test_a_constant_added_to_scores_changes_nothing(
    function: Callable[[Tensor], Tensor], alpha: float
) -> None:
    scores = draw(5, 8)
    assert_close(function(scores + 100.0), function(scores), rtol=0, atol=1e-12)


def test_alpha_two_is_sparsemax_and_one_and_a_half_is_entmax15() -> None:
    scores = draw(20, 12)
    assert_close(entmax(scores, 2.0), sparsemax(scores), rtol=0, atol=1e-12)
    assert_close(entmax(scores, 1.5), entmax15(scores), rtol=0, atol=1e-12)


def test_alpha_near_one_nears_softmax_in_proportion() -> None:
    scores = draw(20, 8)
    far, near, nearer = (
        (entmax(scores, 1.0 + step) - scores.softmax(-1)).abs().max().item()
        for step in (1e-2, 1e-3, 1e-4)
    )
    assert 1e-3 < far < 3e-2
    assert far / near == pytest.approx(10, rel=0.05)
    assert near / nearer == pytest.approx(10, rel=0.005)


def test_alpha_at_one_is_softmax_for_all_that_float32_can_tell_and_stays_a_number() -> None:
    scores = draw(20, 8).float().requires_grad_()
    alpha = torch.ones((), requires_grad=True)
    weights = entmax(scores, alpha)
    assert_close(weights, scores.softmax(-1), rtol=0, atol=1e-3)
    for slope in torch.autograd.grad(weights[:, 0].sum(), (scores, alpha)):
        assert slope.isfinite().all()


@pytest.mark.parametrize("alpha", [0.9, 2.1])
def test_an_alpha_out_of_range_is_a_bug(alpha: float) -> None:
    with pytest.raises(AssertionError):
        entmax(draw(3), alpha)


@every
def test_the_gradient_is_the_closed_form(
    function: Callable[[Tensor], Tensor], alpha: float
) -> None:
    scores, slope = draw(6, 8, scale=2.0).requires_grad_(), draw(6, 8, seed=2)
    weights = function(scores)
    (mine,) = torch.autograd.grad(weights, scores, slope)
    s = torch.where(weights > 0, weights ** (2 - alpha), 0.0)
    expected = s * slope - s * (s * slope).sum(-1, keepdim=True) / s.sum(-1, keepdim=True)
    assert_close(mine, expected, rtol=0, atol=1e-12)
    assert ((weights > 0) | (mine == 0)).all()


@every
def test_the_gradient_is_that_of_finite_differences(
    function: Callable[[Tensor], Tensor], alpha: float
) -> None:
    scores = draw(4, 2, 5).requires_grad_()
    assert gradcheck(function, (scores,), eps=1e-7, atol=1e-6)


@pytest.mark.parametrize("start", [1.03, 1.3, 1.5, 1.8])
def test_the_gradient_in_alpha_is_that_of_finite_differences(start: float) -> None:
    alpha = torch.tensor([start, start + 0.1]).double().view(2, 1, 1).requires_grad_()
    assert gradcheck(entmax, (draw(3, 2, 2, 5).requires_grad_(), alpha), eps=1e-7, atol=1e-6)


@pytest.mark.parametrize("alpha", [1.05, 1.4, 1.9])
def test_the_gradient_in_alpha_is_the_papers(alpha: float) -> None:
    scores, slope = draw(6, 8, scale=2.0), draw(6, 8, seed=2)
    learnt = torch.full((6, 1), alpha, dtype=torch.float64, requires_grad=True)
    weights = entmax(scores, learnt)
    (mine,) = torch.autograd.grad(weights, learnt, slope)
    weights = weights.detach()
    s = torch.where(weights > 0, weights ** (2 - alpha), 0.0)
    s = s / s.sum(-1, keepdim=True)
    entropy = torch.xlogy(weights, weights)
    expected = (weights - s) / (alpha - 1) ** 2
    expected -= (entropy - s * entropy.sum(-1, keepdim=True)) / (alpha - 1)
    assert_close(mine, (expected * slope).sum(-1, keepdim=True), rtol=1e-9, atol=1e-10)


def test_the_gradient_in_alpha_survives_single_precision_near_softmax() -> None:
    slopes = []
    for dtype in (torch.float64, torch.float32):
        alpha = torch.tensor(1.02, dtype=dtype, requires_grad=True)
        weights = entmax(draw(6, 8).to(dtype), alpha)
        slopes += torch.autograd.grad(weights, alpha, draw(6, 8, seed=2).to(dtype))
    assert_close(slopes[1].double(), slopes[0], rtol=1e-3, atol=0)


@every
def test_no_key_or_one_or_no_query_is_no_special_case(
    function: Callable[[Tensor], Tensor], alpha: float
) -> None:
    for shape in ((2, 3, 0), (2, 0, 3), (2, 0, 0)):
        scores = draw(*shape).requires_grad_()
        weights = function(scores)
        assert weights.shape == shape
        assert torch.autograd.grad(weights.sum(), scores)[0].shape == shape
    scores = draw(4, 1).requires_grad_()
    weights = function(scores)
    assert_close(weights, torch.ones_like(scores), rtol=0, atol=1e-15)
    assert torch.equal(torch.autograd.grad(weights.sum(), scores)[0], torch.zeros(4, 1).double())


@every
def test_ties_share_evenly(function: Callable[[Tensor], Tensor], alpha: float) -> None:
    assert_close(function(torch.zeros(4).double()), torch.full((4,), 0.25).double())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@every
def test_narrow_scores_are_taken_in_single_precision(
    function: Callable[[Tensor], Tensor], alpha: float, dtype: torch.dtype
) -> None:
    scores = draw(5, 8, scale=5.0).to(dtype).requires_grad_()
    weights = function(scores)
    assert torch.equal(weights, function(scores.float()))
    (slope,) = torch.autograd.grad(weights.square().sum(), scores)
    assert slope.dtype == dtype
    assert slope.isfinite().all()


@every
def test_autocast_does_not_narrow_the_work(
    function: Callable[[Tensor], Tensor], alpha: float
) -> None:
    scores = draw(5, 8).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        weights = function(scores)
    assert torch.equal(weights, function(scores))


@every
def test_the_scores_that_are_given_stay_as_they_are(
    function: Callable[[Tensor], Tensor], alpha: float
) -> None:
    scores = draw(5, 8)
    before = scores.clone()
    function(scores)
    assert torch.equal(scores, before)
