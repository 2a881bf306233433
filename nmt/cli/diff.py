"""The command `nmt diff`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import tables_option
from nmt.tables import UNKNOWN, columns, label, spelled

TITLES = {"data": "data", "settings": "settings", "versions": "versions and machine"}


@click.command(
    cls=NmtCommand,
    example="""
    nmt diff run-1 run-2
    nmt diff run-1 run-2 --plot curves.svg
    nmt diff run-1/best model --format json
    """,
)
@click.argument("first", metavar="RUN1", type=click.Path())
@click.argument("second", metavar="RUN2", type=click.Path())
@tables_option
@click.option(
    "--plot", type=click.Path(), help="Draw the learning curves of both to this .svg or .png file."
)
@verbosity_options
def diff(first: str, second: str, style: str, plot: str | None) -> None:
    """Say what differs between two runs in data, settings and versions, next to their scores.

    A model directory works too, as far as it tells. The status is 0 whether they differ or not.
    """
    from nmt.text.lines import write_lines
    from nmt.watch.difference import difference

    report = difference(first, second)
    if plot is not None:
        draw(first, second, plot)
    if style == "json":
        write_lines("-", json.dumps(report, indent=2, ensure_ascii=False).split("\n"))
    else:
        write_lines("-", text_lines(report))


def draw(first: str, second: str, output: str) -> None:
    """Draw the curves of both.

    Raises:
        ConfigError: They are the same run.
    """
    from nmt.cli import show
    from nmt.errors import ConfigError
    from nmt.show import describe

    if first == second:
        raise ConfigError(f"--plot needs two runs; both are {first}")
    show.draw({path: describe(path) for path in (first, second)}, output)


def text_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Write a report for people: what differs, then all results, then what to mind."""
    if report["same"]:
        yield f"the same: {', '.join(TITLES.values())}"
    for part, title in TITLES.items():
        if report[part]:
            rows = [cells(part, name, pair) for name, pair in report[part].items()]
            yield from section(title, report["paths"], rows)
        elif not report["same"]:
            yield f"{title}: the same"
            yield ""
    yield from [""] * report["same"]
    results = report["results"].items()
    rows = [[*cells("results", name, pair), change(name, *pair)] for name, pair in results]
    yield from section("results", [*report["paths"], "change"], rows)
    yield from (f"note: {note}" for note in report["notes"])


def section(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Write rows below the name of their section and those of the columns."""
    lines = columns([[title, *names], *([f"  {row[0]}", *row[1:]] for row in rows)])
    yield from lines
    yield ""


def cells(part: str, name: str, pair: Sequence[Any]) -> list[str]:
    """Spell a name and both values; settings as a file of settings has them."""
    if part == "settings":
        return [name, *(UNKNOWN if each is None else json.dumps(each, ensure_ascii=False)
                        for each in pair)]  # fmt: skip
    return [label(name), *(spelled_any(name, each) for each in pair)]


def spelled_any(name: str, value: Any) -> str:
    """Spell a value, or each of several."""
    if isinstance(value, list):
        return ", ".join(spelled_any(name, each) for each in value)
    return spelled(name, value)


def change(name: str, first: Any, second: Any) -> str:
    """Spell what the second has more than the first."""
    if first == second:
        return "the same"
    if any(isinstance(each, bool | str | None) for each in (first, second)):
        return UNKNOWN
    sign = "+" if second > first else "-"
    return sign + spelled(name, abs(second - first))
