"""The command `nmt show`."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import tables_option
from nmt.tables import aligned, label, spelled, table

log = logging.getLogger(__name__)

SETTINGS = ("settings", "model", "attention")  # shown as a file of settings has them
LOGGED = "logged"  # shown as curves


@click.command(
    cls=NmtCommand,
    example="""
    nmt show run
    nmt show run --plot curves.svg
    nmt show run/best --format json
    """,
)
@click.argument("path", metavar="MODEL|RUN|CORPUS", type=click.Path())
@tables_option
@click.option(
    "--plot", type=click.Path(), help="Draw a run's learning curves to this .svg or .png file too."
)
@verbosity_options
def show(path: str, style: str, plot: str | None) -> None:
    """Show what a model, run, or encoded corpus holds.

    Of a model: its shape, segmenters and scores. Of a run: the settings that are not the defaults,
    how far it is, its validations and learning curves. Of a corpus: its size, what was dropped,
    and a sample.
    """
    from nmt.show import describe
    from nmt.text.lines import write_lines

    report = describe(path)
    if plot is not None:
        draw({"": report}, plot)
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
        lines = list(curves(report) if name == LOGGED else body(name, value))
        yield ""
        yield label(name) if lines else f"{label(name)}: none"
        yield from (f"  {line}".rstrip() for line in lines)


def curves(report: Mapping[str, Any]) -> Iterator[str]:
    """Draw a run's learning curves below one another."""
    from nmt.watch.curves import panels
    from nmt.watch.terminal import drawn

    for number, panel in enumerate(panels({"": report})):
        yield from [""] * (number > 0)
        yield from drawn(panel)


def draw(reports: Mapping[str, Mapping[str, Any]], output: str) -> None:
    """Draw the learning curves of runs to a file.

    Raises:
        ConfigError: The file's name ends in no known form, or there is nothing to draw.
    """
    from nmt.errors import ConfigError
    from nmt.files import atomic_write
    from nmt.pictures import form_of
    from nmt.watch.curves import panels
    from nmt.watch.picture import picture

    form = form_of(output, "--plot")
    for report in reports.values():
        if report["kind"] != "run":
            raise ConfigError(
                f"--plot draws the learning curves of a run; {report['path']} is a {report['kind']}"
            )
    found = panels(reports)
    if not found:
        paths = " nor ".join(report["path"] for report in reports.values())
        raise ConfigError(f"--plot: nothing has been measured yet in {paths}")
    drawn = picture(found, form)
    with atomic_write(output) as stream:
        stream.write(drawn)
    log.info("%s", output)


def body(name: str, value: Any) -> Iterator[str]:
    """Write what stands below a name."""
    if name in SETTINGS:
        return aligned({key: json.dumps(each, ensure_ascii=False) for key, each in value.items()})
    if name == "sample":
        return sampled(value)
    if isinstance(value, dict):
        return aligned({label(key): spelled(key, each) for key, each in value.items()})
    return table(value) if value and isinstance(value[0], dict) else iter(value)


def sampled(pairs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Write each line of a sample above its pieces."""
    for pair in pairs:
        for side in ("source", "target"):
            if side in pair:
                yield f"{pair['line']:,} {side}: {pair[side]['text']}"
                yield f"    {' '.join(pair[side]['pieces'])}"
