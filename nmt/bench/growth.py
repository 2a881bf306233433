"""How a cost grows with the length, and from which length on one is below another."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from nmt.bench.cells import BASELINE, PASS, Measured

Costs = Mapping[int, float]  # by length


@dataclass(frozen=True)
class Growth:
    """How a variant's cost grows in a role.

    Attributes:
        time, memory: Fitted exponents of the length; None where too few lengths were measured.
        overtakes: The length from which on it takes less time than multi-head attention.
        compared_to: The longest length at which both were measured.
    """

    work: str
    role: str
    variant: str
    time: float | None
    memory: float | None
    overtakes: float | None
    compared_to: int | None


def growths(measured: Measured, start: int) -> list[Growth]:
    """Fit what was measured, over the lengths from `start` on."""
    series = dict.fromkeys((cell.work, cell.role, cell.variant) for cell in measured)
    return [growth(measured, *each, start=start) for each in series]


def growth(measured: Measured, work: str, role: str, variant: str, *, start: int) -> Growth:
    """Fit one variant in one role."""
    costs, baseline = (
        curve(measured, (work, role, name), "seconds") for name in (variant, BASELINE)
    )
    memory = "peak_bytes" if work == PASS else "cache_bytes"
    return Growth(
        work=work,
        role=role,
        variant=variant,
        time=exponent(costs, start),
        memory=exponent(curve(measured, (work, role, variant), memory), start),
        overtakes=None if variant == BASELINE else overtaking(costs, baseline),
        compared_to=max(costs.keys() & baseline.keys(), default=None),
    )


def curve(measured: Measured, series: tuple[str, str, str], quantity: str) -> dict[int, float]:
    """Give a quantity by length; what was cut off, or is nothing, is left out."""
    return {
        cell.length: getattr(figures, quantity)
        for cell, figures in measured.items()
        if (cell.work, cell.role, cell.variant) == series and getattr(figures, quantity)
    }


def exponent(costs: Costs, start: int) -> float | None:
    """Fit cost = c length^p by least squares of logarithms.

    Args:
        start: The shortest length that counts: below, what does not grow prevails.

    Returns:
        p; None where fewer than two lengths count.
    """
    points = [
        (math.log(length), math.log(cost)) for length, cost in costs.items() if length >= start
    ]
    if len(points) < 2:
        return None
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def overtaking(costs: Costs, baseline: Costs) -> float | None:
    """Find the length from which on a cost stays below the baseline's.

    Between two lengths it is interpolated, the ratio of the costs taken as a power of the
    length. Only lengths at which both were measured count.

    Returns:
        The shortest length where it is below all along; None where it is not below at the longest.
    """
    lengths = sorted(costs.keys() & baseline.keys())
    ratios = [math.log(costs[length] / baseline[length]) for length in lengths]
    behind = [index for index, ratio in enumerate(ratios) if ratio >= 0]
    if not lengths or (behind and behind[-1] == len(lengths) - 1):
        return None
    if not behind:
        return float(lengths[0])
    last = behind[-1]
    share = ratios[last] / (ratios[last] - ratios[last + 1])
    return lengths[last] * math.pow(lengths[last + 1] / lengths[last], share)
