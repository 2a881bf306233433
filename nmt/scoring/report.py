"""Scores as lines to quote, side by side, line by line, and as JSON to keep."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from nmt.scoring.buckets import Buckets
from nmt.scoring.config import NO_TEST
from nmt.scoring.evaluation import Evaluation
from nmt.scoring.metrics import Score
from nmt.scoring.resampling import Assessed, Interval

P_DIGITS = 4
GAP = "  "
SYSTEM, TEXT = "system", "text"  # heads of columns that hold names
TEST_NAMES = {"bootstrap": "paired bootstrap", "randomisation": "approximate randomisation"}


def text_report(
    scores: Iterable[Score], width: int, intervals: Sequence[Interval | None] = ()
) -> list[str]:
    """Write one line for each score: name, value, interval, signature, details.

    Args:
        width: Decimals of the value.
        intervals: One for each score, or none.
    """
    scores = list(scores)
    return [
        f"{score.name} {score.value:.{width}f}"
        + (f" (μ = {spread(interval, width)})" if interval else "")
        + f"{GAP}{score.signature}"
        + (f"{GAP}({score.details})" if score.details else "")
        for score, interval in zip(scores, intervals or [None] * len(scores), strict=True)
    ]


def spread(interval: Interval, width: int) -> str:
    """Write an interval as sacreBLEU does."""
    return f"{interval.mean:.{width}f} ± {interval.margin:.{width}f}"


def number_report(scores: Iterable[Score], width: int) -> list[str]:
    """Write the values alone, one a line."""
    return [f"{score.value:.{width}f}" for score in scores]


def full_text(evaluation: Evaluation, width: int) -> list[str]:
    """Write what is to be read: one system in lines to quote, several as a table."""
    if len(evaluation.systems) == 1:
        found = evaluation.of_system(0).values()
        lines = text_report([each.score for each in found], width, [e.interval for e in found])
    else:
        lines = [*aligned(comparison(evaluation, width)), "", *footnotes(evaluation)]
    for part in evaluation.parts:
        lines += ["", f"by {part.about}", *aligned(part_rows(evaluation, part, width))]
    return lines


def full_numbers(evaluation: Evaluation, width: int) -> list[str]:
    """Write the values alone: a line for each metric, in it the systems with tabs between."""
    return [
        "\t".join(number_report((each.score for each in results), width))
        for results in evaluation.results.values()
    ]


def comparison(evaluation: Evaluation, width: int) -> list[list[str]]:
    """Put systems side by side: a head, and a row for each."""
    head = [SYSTEM]
    rows = [[system.name] for system in evaluation.systems]
    for name, results in zip(evaluation.names, evaluation.results.values(), strict=True):
        columns = columns_of(results, width)
        head += [name, *list(columns)[1:]]
        for row, *cells in zip(rows, *columns.values(), strict=True):
            row += cells
    return [head, *rows]


def columns_of(results: Sequence[Assessed], width: int) -> dict[str, list[str]]:
    """Write the columns that one metric fills."""
    columns = {"score": [f"{each.score.value:.{width}f}" for each in results]}
    if any(each.interval for each in results):
        columns["μ ± 95 %"] = [
            spread(each.interval, width) if each.interval else "" for each in results
        ]
    if any(each.p_value is not None for each in results):
        columns["p"] = [
            "" if each.p_value is None else f"{each.p_value:.{P_DIGITS}f}" for each in results
        ]
    return columns


def footnotes(evaluation: Evaluation) -> list[str]:
    """Say what is needed to quote a table."""
    signatures = [
        f"{results[0].score.name}{GAP}{results[0].score.signature}"
        for results in evaluation.results.values()
    ]
    test = described_test(evaluation)
    return [*signatures, *([f"p{GAP}{test}"] if test else [])]


def described_test(evaluation: Evaluation) -> str:
    """Say which test the p-values are of, if there are any."""
    asked = evaluation.resampling
    if asked.paired == NO_TEST:
        return ""
    name = TEST_NAMES[asked.paired]
    return f"{name} against {evaluation.systems[0].name}, {asked.rounds:,} samples"


def part_rows(evaluation: Evaluation, part: Buckets, width: int) -> list[list[str]]:
    """Write the scores of each part of the test set, system by system."""
    several = len(evaluation.systems) > 1
    rows = [[part.kind, "lines", *([SYSTEM] if several else []), *evaluation.names]]
    for bucket in part.buckets:
        for system in evaluation.systems:
            values = evaluation.in_bucket(system, bucket).values()
            named = [system.name] if several else []
            numbers = [f"{value:.{width}f}" for value in values]
            rows.append([bucket.name, f"{len(bucket.numbers):,}", *named, *numbers])
    return rows


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align columns: names to the left, what holds numbers to the right."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    named = [is_name(rows[0], number) for number in range(len(columns))]
    return [
        GAP.join(
            f"{cell:<{width}}" if left else f"{cell:>{width}}"
            for cell, width, left in zip(row, widths, named, strict=True)
        ).rstrip()
        for row in rows
    ]


def is_name(head: Sequence[str], number: int) -> bool:
    """Tell whether a column holds names and no numbers."""
    return number == 0 or head[number] in (SYSTEM, TEXT)


def line_report(evaluation: Evaluation, width: int, *, bare: bool = False) -> Iterator[str]:
    """Write the scores of every line between tabs, below a head: line, system, scores.

    Args:
        bare: The scores alone, without a head.
    """
    if not bare:
        yield "\t".join(["line", SYSTEM, *evaluation.names])
    for number, name, scores in line_scores(evaluation):
        values = [f"{value:.{width}f}" for value in scores.values()]
        yield "\t".join(values if bare else [str(number), name, *values])


def line_json(evaluation: Evaluation) -> Iterator[str]:
    """Write the scores of every line as a JSON object each, unrounded."""
    for number, name, scores in line_scores(evaluation):
        entry = {"line": number, "hypothesis": name, "scores": scores}
        yield json.dumps(entry, ensure_ascii=False)


def line_scores(evaluation: Evaluation) -> Iterator[tuple[int, str, dict[str, float]]]:
    """Go through the lines and, on each, the systems: number from 1, name, scores by metric."""
    scores = [
        {metric: measure.line_scores(system) for metric, measure in evaluation.measures.items()}
        for system in evaluation.systems
    ]
    for number in range(len(evaluation.systems[0].lines)):
        for system, found in zip(evaluation.systems, scores, strict=True):
            yield number + 1, system.name, {name: each[number] for name, each in found.items()}


def json_report(evaluation: Evaluation) -> list[str]:
    """Write the lines of a JSON object with unrounded values and what was compared.

    Several systems stand in a list; one stands by itself.
    """
    described = [
        {"hypothesis": system.name, "scores": json_scores(evaluation.of_system(number))}
        for number, system in enumerate(evaluation.systems)
    ]
    references = [reference.name for reference in evaluation.material.references]
    compared = {"references": references, "lines": len(evaluation.systems[0].lines)}
    report: dict[str, Any]
    if len(described) == 1:
        report = {"hypothesis": described[0]["hypothesis"], **compared, **described[0]}
    else:
        report = {**compared, "test": described_test(evaluation) or None, "systems": described}
    if evaluation.parts:
        report["buckets"] = json_buckets(evaluation)
    return json.dumps(report, indent=2, ensure_ascii=False).split("\n")


def json_scores(found: Mapping[str, Assessed]) -> list[dict[str, Any]]:
    """Describe the scores of one system; what was not asked for is left out."""
    return [
        {"metric": metric, **asdict(each.score)}
        | (asdict(each.interval) if each.interval else {})
        | ({} if each.p_value is None else {"p_value": each.p_value})
        for metric, each in found.items()
    ]


def json_buckets(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Describe the parts of the test set, one entry for each and each system."""
    return [
        {
            "by": part.kind,
            "bucket": bucket.name,
            "lines": len(bucket.numbers),
            "hypothesis": system.name,
            "scores": evaluation.in_bucket(system, bucket),
        }
        for part in evaluation.parts
        for bucket in part.buckets
        for system in evaluation.systems
    ]
