"""The command `nmt show`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.tables import aligned, label, spelled, table

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
        return aligned({key: spelled(key, each) for key, each in value.items()})
    return table(value) if value and isinstance(value[0], dict) else iter(value)


def sampled(pairs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Write each line of a sample above its pieces."""
    for pair in pairs:
        for side in ("source", "target"):
            if side in pair:
                yield f"{pair['line']:,} {side}: {pair[side]['text']}"
                yield f"    {' '.join(pair[side]['pieces'])}"
