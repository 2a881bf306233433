"""The cells of a study: one training for each entry and seed, each in a folder of its own.

cells/NAME-seedN/
    request.json     settings, inputs by hash, and company: what the cell is made from
    settings.toml    the same settings, for `nmt train`
    run/             the training                     messages.log   what its processes said
    memory.json      the most memory of training      test.hyp       the test set, translated
    evaluation.json  what was measured afterwards     cell.json      the result, written last
"""

import copy
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.corpus.corpora import Corpora
from nmt.errors import CheckpointError, ConfigError
from nmt.experiment import Experiment, read_experiment
from nmt.files import read_json, write_json
from nmt.launch.development import segmenters_of
from nmt.launch.manifest import hash_of_text, make_manifest
from nmt.launch.start import refuse_unready
from nmt.launch.workbench import make_model
from nmt.settings import Table, assign, save_table, to_table
from nmt.study.entries import Entry


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is compared, and how.

    Attributes:
        entries: The rows of the table.
        baseline: The entry that all others are compared with.
        table: Settings that all entries share.
        test: Source and reference of the test set.
        seeds: Trainings of each entry; the baseline has at least `baseline_seeds`.
        jobs: Cells that run at a time.
        turns: Updates by turns that a cell's pace is measured by; 0: it is not.
        replace: Whether a cell of other settings or data is begun again, or refused.
    """

    folder: Path
    entries: tuple[Entry, ...]
    baseline: Entry
    table: Table
    test: tuple[str, str]
    seeds: int = 1
    baseline_seeds: int = 3
    jobs: int = 1
    turns: int = 0
    replace: bool = False


@dataclass(frozen=True, eq=False)
class Cell:
    """One training; settings hold tables, so cells are told apart by identity."""

    entry: Entry
    seed: int
    folder: Path
    experiment: Experiment

    @property
    def name(self) -> str:
        """Give the name that messages and folders have."""
        return cell_name(self.entry, self.seed)

    @property
    def run(self) -> Path:
        """Name the run folder."""
        return self.folder / "run"

    @property
    def result(self) -> Path:
        """Name the file that is written last."""
        return self.folder / "cell.json"

    def is_finished(self) -> bool:
        """Tell whether there is a result."""
        return self.result.is_file()


def cell_name(entry: Entry, seed: int) -> str:
    """Name a cell."""
    return f"{entry.name}-seed{seed}"


def plan_cells(study: Study) -> list[Cell]:
    """List the cells, all entries of a seed before the next seed, so that early results compare.

    Raises:
        ConfigError: The settings of a cell are wrong; the message names its entry.
    """
    first = int(experiment_of(study, study.baseline, None).compute.seed)
    return [
        Cell(
            entry, seed, study.folder / "cells" / cell_name(entry, seed),
            experiment_of(study, entry, seed),
        )
        for number in range(max(study.seeds, study.baseline_seeds))
        for entry in study.entries
        for seed in [first + number]
        if number < study.seeds or (entry == study.baseline and number < study.baseline_seeds)
    ]  # fmt: skip


def experiment_of(study: Study, entry: Entry, seed: int | None) -> Experiment:
    """Put together the settings of a cell."""
    table = copy.deepcopy(study.table)
    try:
        for name, value in entry.settings:
            assign(table, name, value)
        if seed is not None:
            assign(table, "compute.seed", seed)
        if not table.get("compute", {}).get("threads"):
            assign(table, "compute.threads", max(1, num_cores() // study.jobs))
        if not table.get("compute", {}).get("steps"):
            assign(table, "compute.steps", "torch")  # mechanisms are compared, not engines
        experiment = read_experiment(table)
        if not experiment.model.has_source:
            raise ConfigError(
                f"model.arch = {experiment.model.arch!r} translates nothing, but cells are "
                "compared by translations; choose another"
            )
        return experiment
    except ConfigError as error:
        raise ConfigError(f"{entry.name}: {error}") from None


def num_cores() -> int:
    """Count the cores that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def refuse_unbuildable(cells: list[Cell]) -> None:
    """Refuse, before anything runs, an entry whose model cannot be made.

    Raises:
        ConfigError: The message names the entry.
    """
    for name, cell in {cell.entry.name: cell for cell in cells}.items():
        refuse_unready(cell.experiment)
        segmenters = segmenters_of(Corpora(cell.experiment.data.train).first)
        try:
            make_model(cell.experiment, segmenters)
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from None


def request_of(cell: Cell, study: Study) -> dict[str, Any]:
    """Describe what a cell is made from."""
    source, target = study.test
    inputs = make_manifest(cell.experiment, None)["inputs"]
    inputs |= {"test_source": hash_of_text(source), "test_target": hash_of_text(target)}
    return {
        "settings": to_table(cell.experiment),
        "test": {"source": source, "target": target},
        "inputs": inputs,
        "jobs": study.jobs,
    }


def refuse_changed(requests: Mapping[Cell, dict[str, Any]]) -> None:
    """Refuse cells on disk that were made from something else.

    Raises:
        CheckpointError: The message names the first difference.
    """
    for cell, request in requests.items():
        if difference := first_difference(cell, request):
            raise CheckpointError(
                f"{cell.folder} was made with {difference}; put it back, choose another --output, "
                "or --existing replace"
            )


def open_cells(requests: Mapping[Cell, dict[str, Any]]) -> None:
    """Write down what each cell is made from, having removed what was made from something else."""
    for cell, request in requests.items():
        if first_difference(cell, request):
            shutil.rmtree(cell.folder)
        if not (cell.folder / "request.json").is_file():
            cell.folder.mkdir(parents=True, exist_ok=True)
            save_table(request["settings"], cell.folder / "settings.toml")
            write_json(cell.folder / "request.json", request)


def first_difference(cell: Cell, request: dict[str, Any]) -> str:
    """Name what differs between a cell on disk and what is asked for; empty if nothing does."""
    path = cell.folder / "request.json"
    if not path.is_file():
        return ""
    earlier = read_json(path)  # perhaps by a version that had fewer settings
    earlier["settings"] = to_table(read_experiment(earlier["settings"]))
    before, now = dict(flat(earlier)), dict(flat(request))
    for name in [*before, *now]:
        old, new = before.get(name), now.get(name)
        if old != new:
            shown = name.removeprefix("settings.")
            return f"other {shown}" if "inputs." in name else f"{shown} = {old!r}, not {new!r}"
    return ""


def flat(table: dict[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    """List the values of nested tables by dotted name."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{where}{key}.")
        else:
            yield f"{where}{key}", value
