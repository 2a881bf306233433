"""Learning rates: tables of (update, expected), torch's own schedules, what stands at the ends."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler

from nmt.training.config import TrainingConfig
from nmt.training.schedule import SCHEDULES, Schedule, make_schedule

PEAK, WARMUP, LAST = 0.5, 4, 20


def schedule(name: str, warmup: int = WARMUP, peak: float = PEAK) -> Schedule:
    return make_schedule(
        TrainingConfig(learning_rate=peak, warmup=warmup, schedule=name, max_updates=LAST)
    )


@pytest.mark.parametrize(
    ("name", "update", "expected"),
    [
        *((name, update, PEAK * update / 4) for name in SCHEDULES for update in (1, 2, 3, 4)),
        ("inverse-sqrt", 9, PEAK * 2 / 3),
        ("inverse-sqrt", 16, PEAK / 2),
        ("inverse-sqrt", 400, PEAK / 10),  # it knows no last update
        ("linear", 5, PEAK * 16 / 17),
        ("linear", 20, PEAK / 17),
        ("linear", 21, 0.0),
        ("linear", 99, 0.0),
        ("cosine", 21, 0.0),
        ("cosine", 99, 0.0),
    ],
)
def test_the_rate_of_an_update(name: str, update: int, expected: float) -> None:
    assert schedule(name)(update) == pytest.approx(expected)


@pytest.mark.parametrize("warmup", [1, 4, 30])
def test_inverse_sqrt_is_the_papers_formula(warmup: int) -> None:
    rate = schedule("inverse-sqrt", warmup)
    for update in range(1, 100):
        paper = min(update**-0.5, update * warmup**-1.5) * warmup**0.5
        assert rate(update) == pytest.approx(PEAK * paper)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("cosine", lambda optimizer, updates: CosineAnnealingLR(optimizer, updates)),
        ("linear", lambda optimizer, updates: LinearLR(optimizer, 1.0, 0.0, updates)),
    ],
)
def test_the_fall_is_that_of_torch(name: str, reference: Callable[[SGD, int], LRScheduler]) -> None:
    optimizer = SGD([torch.zeros(1)], lr=PEAK)
    torch_schedule = reference(optimizer, LAST + 1 - WARMUP)
    rate = schedule(name)
    for update in range(WARMUP, LAST + 2):
        assert rate(update) == pytest.approx(torch_schedule.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        torch_schedule.step()


@pytest.mark.parametrize("warmup", [0, 1, 4, 19, 20])
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_rate_rises_to_the_peak_then_falls_and_is_never_zero(name: str, warmup: int) -> None:
    rates = [schedule(name, warmup)(update) for update in range(1, LAST + 1)]
    top = max(warmup, 1)
    assert all(one < two for one, two in pairwise(rates[:top]))
    assert all(one > two for one, two in pairwise(rates[top - 1 :]))
    assert all(0 < rate <= PEAK for rate in rates)
    if warmup:
        assert rates[warmup - 1] == PEAK


@pytest.mark.parametrize("name", SCHEDULES)
def test_there_is_no_jump_at_the_end_of_the_warm_up(name: str) -> None:
    rate = schedule(name, warmup=10)
    rise = rate(9) - rate(8)
    assert rate(10) - rate(9) == pytest.approx(rise)
    assert abs(rate(11) - rate(10)) < rise


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_warm_up_that_never_ends_only_rises(name: str) -> None:
    rate = schedule(name, warmup=1000)
    assert [rate(update) for update in (1, LAST)] == [PEAK / 1000, PEAK * LAST / 1000]


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_rate_is_in_proportion_to_its_peak(name: str) -> None:
    for update in range(1, LAST + 1):
        once, twice = schedule(name)(update), schedule(name, peak=2 * PEAK)(update)
        assert twice == pytest.approx(2 * once)
