"""The command `nmt show`."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import click
from tqdm import tqdm

from nmt.cli.command import NmtCommand, verbosity_options

HASH = re.compile("[0-9a-f]{64}")
SHORT = 12  # digits of a hash that tell one from another by eye
UNKNOWN = "-"
LABELS = {"seconds": "time", "settings": "settings other than the defaults"}
SETTINGS = ("settings", "model", "attention")  # shown as a file of settings has them


@click.command(
    cls=NmtCommand,
    example="""
    nmt show run
    nmt show run/best --format json
    """,
)
@click.argument("path", metavar="MODEL|RUN|CORPUS", type=click.Path())
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Tables to read, hashes shortened; or one JSON object, with everything in full.",
)
@verbosity_options
def show(path: str, style: str) -> None:
    """Show what a model, run, or encoded corpus holds.

    Of a model: its shape, segmenters and scores. Of a run: the settings that are not the defaults,
    how far it is, and its validations. Of a corpus: its size, what was dropped, and a sample.
    """
    from nmt.show import describe
    from nmt.text.lines import write_lines

    report = describe(path)
    if style == "json":
        write_lines("-", json.dumps(report, indent=2, ensure_ascii=False).split("\n"))
    else:
        write_lines("-", text_lines(report))


def text_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Write a report for people: single values first, then each table below its name."""
    tables = {name: each for name, each in report.items() if isinstance(each, dict | list)}
    single = {name: each for name, each in report.items() if name not in tables}
    yield from aligned({label(name): spelled(name, each) for name, each in single.items()})
    for name, value in tables.items():
        yield ""
        yield label(name) if value else f"{label(name)}: none"
        yield from (f"  {line}" for line in body(name, value))


def body(name: str, value: Any) -> Iterator[str]:
    """Write what stands below a name."""
    if name in SETTINGS:
        return aligned({key: json.dumps(each, ensure_ascii=False) for key, each in value.items()})
    if name == "sample":
        return sampled(value)
    if isinstance(value, dict):
        return aligned({label(key): spelled(key, each) for key, each in value.items()})
    return table(value) if value and isinstance(value[0], dict) else iter(value)


def aligned(values: Mapping[str, str]) -> Iterator[str]:
    """Write a name and a value a line; what is not known has no line."""
    width = max(map(len, values), default=0)
    return (f"{name:<{width}}  {value}" for name, value in values.items() if value != UNKNOWN)


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Write rows below the names of their columns, numbers to the right."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = [column(name, [row.get(name) for row in rows]) for name in names]
    return ("  ".join(cells).rstrip() for cells in zip(*columns, strict=True))


def column(name: str, values: Sequence[Any]) -> list[str]:
    """Write the cells of a column, of equal width, its name first."""
    cells = [label(name), *(spelled(name, value) for value in values)]
    width = max(map(len, cells))
    of_words = any(isinstance(value, str) for value in values)
    return [cell.ljust(width) if of_words else cell.rjust(width) for cell in cells]


def sampled(pairs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Write each line of a sample above its pieces."""
    for pair in pairs:
        for side in ("source", "target"):
            if side in pair:
                yield f"{pair['line']:,} {side}: {pair[side]['text']}"
                yield f"    {' '.join(pair[side]['pieces'])}"


def label(name: str) -> str:
    """Spell the name of a value for people."""
    plain = name.removesuffix("_bytes").removesuffix("_seconds")
    return LABELS.get(name) or plain.replace("_", " ")


def spelled(name: str, value: Any) -> str:
    """Spell a value for people, by its name and type."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value[:SHORT] if HASH.fullmatch(value) else value
    if name == "seconds" or name.endswith("_seconds"):
        return str(timedelta(seconds=round(value)))
    if name.endswith("_bytes"):
        return tqdm.format_sizeof(value, "B")
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.4g}"
