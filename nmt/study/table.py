"""The table of a study: as text, Markdown, CSV and JSON."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from nmt.attention.config import ROLES
from nmt.study.comparison import MEASURES, WITH_DEVIATION, Comparison, Row
from nmt.study.evaluation import WARM_UP_LINES, WEIGHED_PAIRS
from nmt.study.pace import TRANSLATED_LINES
from nmt.study.significance import SAMPLES
from nmt.study.weights import SUPPORT_FROM
from nmt.tables import columns

NOTHING = "-"


def scored(metric: str) -> Callable[[Row], str]:
    """Spell mean ± deviation."""

    def spell(row: Row) -> str:
        deviation = row.deviations[metric]
        mean = number(row.means[metric], ".2f")
        return mean if deviation is None else f"{mean} ± {deviation:.2f}"

    return spell


def measured(measure: str, form: str, scale: float = 1.0) -> Callable[[Row], str]:
    """Spell a mean in a form of Python's, divided by a scale."""

    def spell(row: Row) -> str:
        value = row.means[measure]
        return number(None if value is None else value / scale, form)

    return spell


def by_role(measure: str, form: str) -> Callable[[Row], str]:
    """Spell a measure of each role."""
    return lambda row: "/".join(number(row.means[f"{measure}_{role}"], form) for role in ROLES)


def number(value: float | None, form: str) -> str:
    """Spell a number that may be missing."""
    return NOTHING if value is None else format(value, form)


COLUMNS: dict[str, Callable[[Row], str]] = {
    "variant": lambda row: row.name,
    "BLEU": scored("bleu"),
    "chrF": scored("chrf"),
    "p": lambda row: "/".join(f"{value:.3f}" for value in row.p_values) or NOTHING,
    "parameters": measured("parameters", ",.0f"),
    "updates": measured("updates", ",.0f"),
    "tokens/s": measured("tokens_per_second", ",.0f"),
    "training": measured("training_ratio", ".2f"),
    "sentences/s": measured("sentences_per_second", ".1f"),
    "translating": measured("translation_ratio", ".2f"),
    "MiB": measured("memory_bytes", ",.0f", 2**20),
    "entropy": by_role("entropy", ".2f"),
    "support": by_role("support", ".1f"),
}


def text_table(comparison: Comparison) -> list[str]:
    """Write aligned columns, then what they mean."""
    lines = columns([list(COLUMNS), *spelled(comparison)])
    return [*lines, "", *notes(comparison)]


def markdown_table(comparison: Comparison) -> list[str]:
    """Write a table of Markdown, then what it means as a list."""
    rule = ["---", *("---:" for _ in list(COLUMNS)[1:])]
    cells = [list(COLUMNS), rule, *spelled(comparison)]
    lines = ["| " + " | ".join(line) + " |" for line in cells]
    return [*lines, "", *(f"* {note}" for note in notes(comparison))]


def spelled(comparison: Comparison) -> list[list[str]]:
    """Spell every row."""
    return [[spell(row) for spell in COLUMNS.values()] for row in comparison.rows]


def csv_table(comparison: Comparison) -> list[str]:
    """Write unrounded values, one column each; several p-values stand in one, by seed."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["variant", "seeds", *MEASURES, *(f"{name}_deviation" for name in WITH_DEVIATION),
         "p_values", "failed"]
    )  # fmt: skip
    for row in comparison.rows:
        writer.writerow(
            [row.name, joined(row.seeds), *(row.means[name] for name in MEASURES),
             *(row.deviations[name] for name in WITH_DEVIATION), joined(row.p_values),
             joined([f"{name}: {why}" for name, why in row.failed.items()])]
        )  # fmt: skip
    return stream.getvalue().removesuffix("\n").split("\n")


def joined(values: Sequence[object]) -> str:
    """Put values into one field."""
    return ";".join(str(value) for value in values)


def json_table(comparison: Comparison) -> list[str]:
    """Write all that was found as one object."""
    report = asdict(comparison) | {"notes": notes(comparison)}
    return json.dumps(report, indent=2, ensure_ascii=False).split("\n")


STYLES: dict[str, Callable[[Comparison], list[str]]] = {
    "text": text_table,
    "json": json_table,
    "csv": csv_table,
}


def notes(comparison: Comparison) -> list[str]:
    """Say what the columns mean, how they were measured, and what failed."""
    company, baseline = comparison.company, comparison.baseline
    signatures = "; ".join(f"{name} {each}" for name, each in comparison.signatures.items())
    failures = [f"failed: {name}: {why}" for name, why in comparison.failed.items()]
    return [
        *failures,
        f"BLEU, chrF: of the test set, mean ± sample deviation over seeds; {signatures}",
        f"p: of the difference in BLEU from {baseline}, by sacreBLEU's paired bootstrap "
        f"resampling ({SAMPLES} samples), one for each seed against the baseline of that seed; 1 "
        "where there is no difference at all; it knows of the sampling of test lines alone, not of "
        "seeds, and of twenty equal entries one is below 0.05 by chance",
        "a seed: all variants see the same batches in the same order; first weights and dropout "
        "are drawn from that seed too, but in other shapes they are other numbers",
        "tokens/s, sentences/s: target tokens a second in training, without validation, and test "
        "lines a second in translating, loading left out",
        f"training, translating: their ratio to those of {baseline}, the median of turns (half as "
        f"many of translations, {TRANSLATED_LINES} lines each) "
        f"in one process, alone ({NOTHING}: not measured; speeds are then those of the log, "
        f"{company['jobs']} cells at a time, and of the test set after {WARM_UP_LINES} lines)",
        f"machine: {company['machine']}, {company['threads']} threads a cell, "
        f"torch {company['torch']}, nmt {company['nmt']}",
        "MiB: the most that the process of training held resident, its validations included",
        f"entropy (nats), support (keys with a weight above {SUPPORT_FROM}): "
        f"{'/'.join(ROLES)}, means over layers, heads and queries of the first {WEIGHED_PAIRS} "
        f"test pairs, references forced, each row of weights scaled to sum to 1; {NOTHING}: the "
        "mechanism gives no weights",
    ]
