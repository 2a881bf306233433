"""What a study found: a row for each entry, with means over its seeds."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.attention.config import ROLES
from nmt.files import read_json
from nmt.study.cells import Cell, Study
from nmt.study.entries import Entry
from nmt.study.pace import pace_of
from nmt.study.significance import p_values
from nmt.text.lines import read_lines

MEASURES = (
    "bleu", "chrf", "dev_bleu", "dev_chrf", "parameters", "updates", "train_seconds",
    "tokens_per_second", "sentences_per_second", "memory_bytes", "training_ratio",
    "translation_ratio",
    *(f"entropy_{role}" for role in ROLES), *(f"support_{role}" for role in ROLES),
)  # fmt: skip
WITH_DEVIATION = ("bleu", "chrf")


@dataclass(frozen=True, kw_only=True)
class Row:
    """What was found of one entry.

    Attributes:
        seeds: Of the cells that are finished.
        means: By measure; None where no cell has it.
        deviations: Sample deviations of the scores; None for fewer than two seeds.
        p_values: One for each seed that the baseline has too.
        failed: Why cells failed, by their names.
    """

    name: str
    seeds: tuple[int, ...] = ()
    means: dict[str, float | None]
    deviations: dict[str, float | None]
    p_values: tuple[float, ...] = ()
    failed: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a study found.

    Attributes:
        baseline: The name of the row that the others are compared with.
        signatures: sacreBLEU's, by metric.
        company: How cells ran: threads of each, cells at a time, machine, versions.
    """

    baseline: str
    rows: tuple[Row, ...]
    signatures: dict[str, str]
    company: dict[str, Any]

    @property
    def failed(self) -> dict[str, str]:
        """Give the reasons of all cells that failed, by their names."""
        return {name: reason for row in self.rows for name, reason in row.failed.items()}


def compare_cells(
    study: Study, cells: Sequence[Cell], failed: Mapping[str, str] | None = None
) -> Comparison:
    """Put together the results of all cells that are finished."""
    baseline = next(cell for cell in cells if cell.entry == study.baseline)
    results = {cell.name: (cell, result_of(cell, baseline)) for cell in cells if cell.is_finished()}
    found = [result for _, result in results.values()]
    chances = chances_of([cell for cell, _ in results.values()], study)
    rows = []
    for entry in study.entries:
        seeds = tuple(each["seed"] for each in found if each["entry"] == entry.name)
        own = {cell.name for cell in cells if cell.entry == entry}
        means = means_of(found, entry)
        row = Row(
            name=entry.name,
            seeds=seeds,
            means=means,
            deviations=deviations_of(found, entry),
            p_values=tuple(chances[entry.name, s] for s in seeds if (entry.name, s) in chances),
            failed={name: why for name, why in (failed or {}).items() if name in own},
        )
        rows.append(row)
    return Comparison(
        baseline=study.baseline.name,
        rows=tuple(rows),
        signatures=found[0]["signatures"] if found else {},
        company={"jobs": study.jobs, **company_of(found)},
    )


def result_of(cell: Cell, baseline: Cell) -> dict[str, Any]:
    """Read a cell's result, with its pace where that was measured."""
    result: dict[str, Any] = read_json(cell.result)
    return result | {"pace": pace_of(cell.folder, baseline.folder)}


def company_of(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Give what cells were measured on; of several machines or versions, all."""
    names = ("threads", "machine", "torch", "nmt")
    values = {name: sorted({str(each[name]) for each in found}) for name in names}
    return {name: ", ".join(each) for name, each in values.items()}


def values_of(found: Sequence[Mapping[str, Any]], entry: Entry, measure: str) -> list[float]:
    """List a measure of an entry's cells.

    A pace that was measured alone stands for what was logged, of that entry's other seeds as well:
    the mean of the two would be neither.
    """
    own = [each for each in found if each["entry"] == entry.name]
    alone = [each["pace"][measure] for each in own if measure in each["pace"]]
    values = alone or [each["measures"].get(measure) for each in own]
    return [value for value in values if value is not None]


def means_of(found: Sequence[Mapping[str, Any]], entry: Entry) -> dict[str, float | None]:
    """Average every measure over an entry's seeds."""
    listed = {measure: values_of(found, entry, measure) for measure in MEASURES}
    return {name: statistics.mean(each) if each else None for name, each in listed.items()}


def deviations_of(found: Sequence[Mapping[str, Any]], entry: Entry) -> dict[str, float | None]:
    """Give the sample deviations of an entry's scores."""
    listed = {measure: values_of(found, entry, measure) for measure in WITH_DEVIATION}
    return {
        name: statistics.stdev(each) if len(each) > 1 else None for name, each in listed.items()
    }


def chances_of(cells: Sequence[Cell], study: Study) -> dict[tuple[str, int], float]:
    """Give the p-value of each cell against the baseline's cell of the same seed."""
    chances: dict[tuple[str, int], float] = {}
    references = list(read_lines(study.test[1]))
    for base in (cell for cell in cells if cell.entry == study.baseline):
        others = {
            cell.entry.name: hypotheses(cell.folder)
            for cell in cells
            if cell.seed == base.seed and cell is not base
        }
        found = p_values(hypotheses(base.folder), others, references, base.experiment.score)
        chances |= {(name, base.seed): value for name, value in found.items()}
    return chances


def hypotheses(folder: Path) -> list[str]:
    """Read a cell's translation of the test set."""
    return list(read_lines(folder / "test.hyp"))
