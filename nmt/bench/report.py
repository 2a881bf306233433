"""What was measured of attention, as text for people, as CSV and as JSON."""

import csv
import io
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from nmt.bench.cells import Measured, Scale
from nmt.bench.growth import Growth, growths
from nmt.bench.tables import text_lines

NOT_COUNTED = {"needed_seconds"}


@dataclass(frozen=True)
class Report:
    """What was measured, and what about it must be known.

    Attributes:
        machine: The machine, versions, threads and the command.
        fit_from: Shortest length that growth is fitted to.
    """

    measured: Measured
    scale: Scale
    machine: dict[str, Any]
    fit_from: int

    @cached_property
    def growths(self) -> list[Growth]:
        """Fit all that was measured."""
        return growths(self.measured, self.fit_from)


def written(report: Report, form: str) -> str:
    """Write a report as "text", "csv" or "json"."""
    if form == "csv":
        return as_csv(records(report))
    if form == "json":
        return json.dumps(as_object(report), indent=2) + "\n"
    lines = [title(report), "", *text_lines(report.measured, report.growths, report.fit_from)]
    return "".join(f"{line}\n" for line in lines)


def title(report: Report) -> str:
    """Say what was timed, and where."""
    of, machine = report.scale, report.machine
    timed = (
        "the whole mechanism"
        if of.what == "mechanism"
        else "the mechanism with a copy in place of every linear projection"
    )
    return (
        f"{timed}, model size {of.model_size}, {of.num_heads} heads, {machine['precision']}; "
        f"{machine['machine']}, {machine['device']}, threads: {machine['threads']}, "
        f"torch {machine['torch']}"
    )


def as_object(report: Report) -> dict[str, Any]:
    """Hold all of a report."""
    return {
        **report.machine,
        "scale": asdict(report.scale),
        "fit_from": report.fit_from,
        "growth": [asdict(each) for each in report.growths],
        "cells": records(report),
    }


def records(report: Report) -> list[dict[str, Any]]:
    """Write each cell as a flat record."""
    return [
        {"what": report.scale.what, **asdict(cell)}
        | {name: each for name, each in asdict(figures).items() if name not in NOT_COUNTED}
        for cell, figures in report.measured.items()
    ]


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Write a line for each cell below the names of the columns."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
