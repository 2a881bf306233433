"""The command `nmt config explain`."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import EACH, MARK, arch_of, in_roles
from nmt.cli.train_options import train_options
from nmt.settings import Table, parse_assignment, spelt

if TYPE_CHECKING:
    from nmt.advice.origins import Explained

EXAMPLE = """
nmt config explain --config config.toml training
nmt config explain --preset transformer-base --attention rotary model attention.encoder
nmt config explain --config run/config.toml --format json training.warmup
"""


@click.command(cls=NmtCommand, example=EXAMPLE)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="Lines to read, or one JSON list.",
)  # fmt: skip
@train_options
@verbosity_options
@click.pass_context
def explain(ctx: click.Context, names: tuple[str, ...], style: str, table: Table) -> None:
    """Say of every setting what it is, where its value came from, and what it means.

    Takes the settings that nmt train takes. A NAME is a section or a setting, such as training or
    training.warmup. A value comes from the default, a preset or variant, a line of the file, --set
    or a flag.
    """
    from nmt.advice.origins import chosen, explained
    from nmt.experiment import read_experiment

    settings = chosen(list(explained(read_experiment(table), said(ctx, table))), names)
    if style == "json":
        click.echo(
            json.dumps(
                [dataclasses.asdict(each) for each in settings], indent=2, ensure_ascii=False
            )
        )
        return
    for each in settings:
        for line in told(each):
            click.echo(line)


def told(setting: "Explained") -> Iterator[str]:
    """Write a setting for people: its value and where from, and below what it means."""
    section, _, key = setting.name.rpartition(".")
    usual = spelt(key, setting.default).removeprefix(f"{key} = ")
    differs = "" if setting.value == setting.default else f"; default {usual}"
    yield f"{section}.{spelt(key, setting.value)}  ({setting.source}{differs})"
    allowed = f" One of: {', '.join(setting.choices)}." if setting.choices else ""
    yield f"    {setting.doc}{allowed}"


def said(ctx: click.Context, table: Table) -> dict[str, str]:
    """Tell by what each setting in the table was set on this command line; the last one wins."""
    from nmt.advice.lines import leaves

    path = ctx.params["config"]
    found = lines_of(path)
    for text in ctx.params["assignments"]:
        name, value = parse_assignment(text)
        found |= {each: "--set" for each, _ in leaves({name: value})}
    found |= dict(flags(ctx, arch_of(table, {})))
    return {name: found.get(name, f"file {path}") for name, _ in leaves(table)}


def lines_of(path: str | None) -> dict[str, str]:
    """Give the line of each setting in a file; what comes through a pipe was read and is gone."""
    from nmt.advice.lines import line_numbers

    if not path or not Path(path).is_file():
        return {}
    numbers = line_numbers(Path(path).read_text(encoding="utf-8"))
    return {name: f"file {path}:{number}" for name, number in numbers.items()}


def flags(ctx: click.Context, arch: str | None) -> Iterator[tuple[str, str]]:
    """Give the settings that flags set, those for one role after those for all."""
    given = ctx.params
    for name in in_roles({name: each for name, each in given.items() if each}, arch):
        setting = name.replace(MARK, ".")
        kernel = "-kernel" if setting.endswith("kernel") else ""
        yield setting, f"flag --attention{kernel}"
    for option in ctx.command.params:
        value = given.get(option.name or "")
        if (
            option.name
            and MARK in option.name
            and EACH not in option.name
            and value not in (None, ())
        ):
            spelling = (option.secondary_opts if value is False else option.opts)[0]
            yield option.name.replace(MARK, "."), f"flag {spelling}"
