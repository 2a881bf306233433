"""What came of making something again, for people."""

from collections.abc import Iterator
from typing import Any

from nmt.tables import columns, label, spelled

Report = dict[str, Any]


def text_lines(report: Report) -> Iterator[str]:
    """Write a report for people: the verdict, what differs, and what may be why."""
    told = ", ".join(
        f"{spelled(name, value)} {label(name)}" if isinstance(value, int) else
        f"{name} {spelled(name, value)}"
        for name, value in report["compared"].items()
        if value is not None and not name.endswith("signature")
    )  # fmt: skip
    yield f"{'the same' if report['same'] else 'not the same'}: {told}"
    yield from weight_lines(report.get("weights", []))
    yield from metric_lines(report.get("metrics", {}))
    yield from output_lines(report.get("lines", {}))
    for name, pair in report["results"].items():
        yield f"{name}: {pair[0]} -> {pair[1]}"
    if report["surroundings"]:
        yield "versions and machine that differ:"
        rows = [["  " + name, *(spelled(name, each) for each in pair)]
                for name, pair in report["surroundings"].items()]  # fmt: skip
        yield from columns(rows, left=(0, 1, 2))
    elif not report["same"]:
        yield "versions and machine are the same"


def weight_lines(weights: list[Report]) -> Iterator[str]:
    """List the weights that differ, and by how much."""
    if weights:
        yield f"{len(weights)} tensors differ: values that do, and by how much at most"
        rows = [
            [f"  {each['model']}: {each['tensor']}",
             "another shape" if each["values"] is None else f"{each['values']:,} of {each['of']:,}",
             "" if each["largest"] is None else f"{each['largest']:.3g}"]
            for each in weights
        ]  # fmt: skip
        yield from columns(rows)


def metric_lines(metrics: Report) -> Iterator[str]:
    """Say where measurements begin to differ."""
    if metrics:
        values = ", ".join(f"{name} {a} -> {b}" for name, (a, b) in metrics["values"].items())
        yield (f"metrics.jsonl: {metrics['lines']:,} lines differ, the first at update "
               f"{metrics['update']} ({metrics['event']}): {values}")  # fmt: skip


def output_lines(lines: Report) -> Iterator[str]:
    """Say which lines of text differ."""
    if lines and lines["lines"] is None:
        yield "the content differs; the original is no text, or is no longer there to compare with"
    elif lines:
        one, other = lines["values"]
        many = f"{lines['lines']:,} of {lines['of']:,} lines differ"
        yield f"{many}, the first is line {lines['first']}:"
        yield f"  {one if one is not None else '(none)'}"
        yield f"  {other if other is not None else '(none)'}"
