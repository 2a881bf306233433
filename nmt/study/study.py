"""A whole study: cells trained and evaluated, then the table and the plot."""

import logging
from collections.abc import Sequence
from pathlib import Path

from nmt.errors import ConfigError
from nmt.files import cannot_write, refuse_foreign, write_json
from nmt.study.cells import (
    Cell,
    Study,
    open_cells,
    plan_cells,
    refuse_changed,
    refuse_unbuildable,
    request_of,
)
from nmt.study.comparison import Comparison, compare_cells
from nmt.study.evaluation import read_test
from nmt.study.plot import plot
from nmt.study.running import Steps, pace_cells, run_cells, steps_in_processes
from nmt.study.table import csv_table, markdown_table
from nmt.text.lines import write_lines

log = logging.getLogger(__name__)

MARK = "study.json"


def run_study(study: Study, steps: Steps | None = None) -> Comparison:
    """Train, evaluate and compare; cells that are finished are not done again.

    Args:
        steps: What is done to a cell; by default in processes of its own.

    Raises:
        NmtError: Whatever is wrong with settings or data, before anything runs.
        Interrupted: By a signal, with everything saved.
    """
    refuse_foreign(study.folder, MARK, "study")
    read_test(*study.test)
    cells = plan_cells(study)
    refuse_unbuildable([cell for cell in cells if not cell.is_finished()])
    requests = {cell: request_of(cell, study) for cell in cells}
    if not study.replace:
        refuse_changed(requests)
    make_folder(study, cells)
    open_cells(requests)
    steps = steps or steps_in_processes()
    failed = run_cells(cells, steps, study.jobs)
    if study.turns:
        first = [cell for cell in cells if cell.seed == cells[0].seed]
        baseline = next(cell for cell in first if cell.entry == study.baseline)
        failed |= pace_cells(first, baseline, steps, study.turns)
    comparison = compare_cells(study, cells, failed)
    report(comparison, study.folder)
    return comparison


def make_folder(study: Study, cells: Sequence[Cell]) -> None:
    """Make the study's folder, and say there what it is.

    Raises:
        DataError: It cannot be written.
    """
    try:
        study.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(study.folder, error) from error
    description = {
        "entries": {entry.name: dict(entry.settings) for entry in study.entries},
        "baseline": study.baseline.name,
        "cells": [cell.name for cell in cells],
        "test": list(study.test),
        "jobs": study.jobs,
    }
    write_json(study.folder / MARK, description)


def report(comparison: Comparison, folder: Path) -> None:
    """Write table.md, table.csv and the plot; without matplotlib there is no plot."""
    write_lines(folder / "table.md", markdown_table(comparison))
    write_lines(folder / "table.csv", csv_table(comparison))
    try:
        plot(comparison, folder)
    except ConfigError as error:
        log.warning("%s", error)
