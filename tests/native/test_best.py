"""The best of rows of scores, as PyTorch finds them, and equals in order.

M rows, V columns.
"""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.native.best import find_best, is_served, log_probs_of
from nmt.native.compiler import unavailable

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 31, 32, 33, 64, 100, 1000, 8003])
@pytest.mark.parametrize("width", [1, 2, 10, 40])
def test_the_best_come_first_and_equals_by_their_place(size: int, width: int) -> None:
    width = min(width, size)
    for steps in (3.0, 1e6):  # with many equals, with few
        scores = (drawn(6, size) * steps).round() / steps
        log_probs, places = find_best(scores, width)
        _, order = scores.sort(dim=-1, descending=True, stable=True)
        assert torch.equal(places, order[:, :width])
        normal = scores.double().log_softmax(-1).gather(-1, places).float()
        assert_close(log_probs, normal, rtol=1e-6, atol=2e-6)
        assert torch.equal(log_probs, log_probs_of(scores).gather(-1, places))


@pytest.mark.parametrize("spread", [1.0, 30.0, 1000.0])
def test_log_probabilities_are_exact_however_unlikely(spread: float) -> None:
    scores = drawn(5, 77) * spread
    scores[:, ::7] = -torch.inf
    found, exact = log_probs_of(scores), scores.double().log_softmax(-1).float()
    assert_close(found, exact, rtol=2e-6, atol=2e-6)
    assert found[:, ::7].isneginf().all()


def test_rows_that_are_sorted_either_way() -> None:
    rising = torch.arange(500.0).expand(2, -1).contiguous()
    assert find_best(rising, 4)[1].tolist() == [[499, 498, 497, 496]] * 2
    assert find_best(-rising, 4)[1].tolist() == [[0, 1, 2, 3]] * 2


def test_what_is_impossible_everywhere_has_no_log_probability() -> None:
    nothing = torch.full((1, 20), -torch.inf)
    assert log_probs_of(nothing).isnan().all()
    assert nothing.log_softmax(-1).isnan().all()


def test_scores_that_are_no_numbers_are_found_out() -> None:
    scores = drawn(2, 50)
    scores[0, 20] = torch.nan
    log_probs, _ = find_best(scores, 3)
    assert log_probs[0].isnan().all()
    assert log_probs[1].isfinite().all()


def test_only_plain_rows_on_a_processor_are_served() -> None:
    scores = drawn(4, 6)
    assert is_served(scores)
    assert not is_served(scores.T)
    assert not is_served(scores.double())
    assert not is_served(scores.bfloat16())
    assert not is_served(scores.to("meta"))
