"""Exponents and crossings are found where they are known."""

import pytest

from nmt.bench.cells import BASELINE, PASS, STEP, Cell, Figures, Measured
from nmt.bench.growth import curve, exponent, growths, overtaking

LENGTHS = [2**power for power in range(4, 14)]


@pytest.mark.parametrize("power", [0.0, 1.0, 1.5, 2.0])
def test_a_power_is_recovered(power: float) -> None:
    assert exponent({n: 3e-4 * n**power for n in LENGTHS}, 16) == pytest.approx(power, abs=1e-12)


def test_short_lengths_do_not_count() -> None:
    costs = {n: 5.0 if n < 1024 else 1e-6 * n**2 for n in LENGTHS}
    assert exponent(costs, 1024) == pytest.approx(2.0)
    assert exponent(costs, 16) < 1.5  # type: ignore[operator]


@pytest.mark.parametrize("costs", [{}, {8192: 1.0}, {16: 1.0, 32: 2.0, 1024: 3.0}], ids=len)
def test_one_length_has_no_exponent(costs: dict[int, float]) -> None:
    assert exponent(costs, 1024) is None


def test_powers_cross_where_they_are_equal() -> None:
    linear, square = ({n: c * n**p for n in LENGTHS} for c, p in ((300.0, 1), (1.0, 2)))
    assert overtaking(linear, square) == pytest.approx(300.0)
    assert overtaking(square, linear) is None


def test_what_is_below_all_along_is_so_from_the_first_length() -> None:
    assert overtaking(dict.fromkeys(LENGTHS, 1.0), dict.fromkeys(LENGTHS, 2.0)) == 16


def test_the_last_crossing_counts() -> None:
    ours, theirs = {16: 1.0, 32: 4.0, 64: 2.0, 128: 1.0}, {16: 2.0, 32: 2.0, 64: 2.0, 128: 2.0}
    assert overtaking(ours, theirs) == 64
    assert overtaking({**ours, 128: 3.0}, theirs) is None


def test_only_lengths_that_both_reached_count() -> None:
    assert overtaking({16: 2.0, 32: 2.0, 64: 1.0}, {16: 1.0, 32: 1.0}) is None
    assert overtaking({16: 1.0}, {32: 1.0}) is None


def grid(costs: dict[str, dict[int, float]]) -> Measured:
    """Turn costs by variant into what was measured; 0 was cut off."""
    return {
        Cell(PASS, "decoder", length, name): Figures(
            seconds=cost or None, peak_bytes=8 * length if cost else None, cut="" if cost else "cut"
        )
        for name, by_length in costs.items()
        for length, cost in by_length.items()
    }


def test_each_variant_is_fitted_and_compared() -> None:
    square = {n: 1e-6 * n**2 for n in LENGTHS}
    measured = grid({BASELINE: square, "linear": {n: 5e-4 * n for n in LENGTHS}})
    baseline, linear = growths(measured, 16)
    assert (baseline.variant, baseline.overtakes) == (BASELINE, None)
    assert (baseline.time, linear.time) == (pytest.approx(2.0), pytest.approx(1.0))
    assert linear.memory == pytest.approx(1.0)
    assert linear.overtakes == pytest.approx(500.0)
    assert linear.compared_to == 8192


def test_what_was_cut_off_is_no_point() -> None:
    measured = grid({BASELINE: {16: 1.0, 32: 0.0}, "linear": {16: 2.0, 32: 1.0}})
    assert curve(measured, (PASS, "decoder", BASELINE), "seconds") == {16: 1.0}
    assert growths(measured, 16)[1].compared_to == 16
    assert curve(measured, (STEP, "decoder", BASELINE), "seconds") == {}
