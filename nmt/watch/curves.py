"""Learning curves: what a report of a run holds, as curves over updates."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

LOGGED, VALIDATIONS = "logged", "validations"  # in a report
TRAINING, DEVELOPMENT = "training", "development"
LOSSES = ("loss", "perplexity")  # what the first panel shows already


@dataclass(frozen=True)
class Curve:
    """A name and points (update, value), of which there is one at least.

    Attributes:
        run: The run that it is of; empty where there is one alone.
        kind: What was measured: `training` or `development`.
    """

    run: str
    kind: str
    points: tuple[tuple[int, float], ...]

    @property
    def name(self) -> str:
        """Tell it from the others of its panel."""
        return f"{self.run} {self.kind}".strip()


@dataclass(frozen=True)
class Panel:
    """Curves of one quantity."""

    title: str
    curves: tuple[Curve, ...]


def panels(reports: Mapping[str, Mapping[str, Any]]) -> list[Panel]:
    """Give the loss, and each metric that chooses a best: a panel each, if anything was measured.

    The loss of training and that of the development set are both cross-entropies without label
    smoothing; dropout is at work in the first alone.

    Args:
        reports: What `nmt show` says of runs, by what to call them.
    """
    losses = [
        curve
        for run, report in reports.items()
        for curve in (
            curve_of(run, TRAINING, report[LOGGED], "nll"),
            curve_of(run, DEVELOPMENT, report[VALIDATIONS], "loss"),
        )
    ]
    metrics = dict.fromkeys(report["metric"] for report in reports.values())
    chosen = [
        (metric, [curve_of(run, DEVELOPMENT, each[VALIDATIONS], metric) for run, each in
                  reports.items()])
        for metric in metrics
        if metric is not None and metric not in LOSSES
    ]  # fmt: skip
    drawn = [panel(title, curves) for title, curves in [("loss, nats a token", losses), *chosen]]
    return [each for each in drawn if each.curves]


def panel(title: str, curves: Iterable[Curve]) -> Panel:
    """Put the curves together that have points."""
    return Panel(title, tuple(curve for curve in curves if curve.points))


def curve_of(run: str, kind: str, events: Iterable[Mapping[str, Any]], name: str) -> Curve:
    """Take what events say of one quantity, as far as it is a number."""
    values = ((each.get("update"), each.get(name)) for each in events)
    points = [(x, y) for x, y in values if isinstance(x, int) and is_number(y) and math.isfinite(y)]
    return Curve(run, kind, tuple(points))


def is_number(value: Any) -> TypeGuard[float]:
    """Tell numbers from whatever else a damaged log may hold."""
    return isinstance(value, int | float) and not isinstance(value, bool)
