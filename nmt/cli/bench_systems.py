"""The command `nmt bench systems`."""

import json
from typing import TYPE_CHECKING

import click

from nmt.cli.bench_translate import SEARCH
from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.cli.translate_models import assembled, load_parts
from nmt.errors import ConfigError
from nmt.model.compute import ComputeConfig
from nmt.scoring.config import ScoreConfig
from nmt.search.config import SearchConfig
from nmt.settings import Table

if TYPE_CHECKING:
    from nmt.bench.systems import System


@click.command(
    cls=NmtCommand,
    example="""
    nmt bench systems test.en --ref test.de run averaged
    nmt bench systems test.en --ref test.de one=run1 "three seeds=run1,run2,run3" small=distilled
    """,
)
@click.argument("text", type=click.Path())
@click.argument("systems", metavar="[NAME=]MODEL[,MODEL]...", nargs=-1, required=True)
@click.option("--ref", "reference", type=click.Path(), required=True, help="Reference text.")
@click.option(
    "--turns", type=click.IntRange(1), default=3, show_default=True,
    help="Times that each system translates the text, by turns, after a few lines that warm up.",
)  # fmt: skip
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="A table to read, or one JSON object.",
)  # fmt: skip
@setting_options(SearchConfig, *SEARCH)
@setting_options(ScoreConfig, "lowercase", "tokenize")
@setting_options(ComputeConfig, "seed", "threads", "device", "precision")
@config_options
@verbosity_options
def systems(
    text: str,
    systems: tuple[str, ...],
    reference: str,
    turns: int,
    style: str,
    table: Table,
) -> None:
    """Compare SYSTEMS, each one model or several that translate together: quality, size, speed.

    Each translates TEXT as its first model is set to search. BLEU and chrF have 95 % intervals by
    bootstrap resampling and p-values against the first system; sentences a second are medians over
    the turns, loading left out.
    """
    from nmt.bench.systems import as_object, compare, text_lines
    from nmt.experiment import section
    from nmt.scoring.checks import refuse_uneven
    from nmt.scoring.texts import read_text

    named = split(systems)
    source, expected = read_text(text), read_text(reference)
    refuse_uneven(source, [expected])
    loaded = {name: load(models, table) for name, models in named.items()}
    found = compare(loaded, source, expected, section(ScoreConfig, table), turns)
    if style == "json":
        click.echo(json.dumps(as_object(found), indent=2, ensure_ascii=False))
        return
    for line in text_lines(found):
        click.echo(line)


def split(systems: tuple[str, ...]) -> dict[str, list[str]]:
    """Read names and models; without a name, the models are it.

    Raises:
        ConfigError: A name stands twice, or a name or a model is empty.
    """
    named: dict[str, list[str]] = {}
    for system in systems:
        name, equals, models = system.partition("=")
        parts = (models if equals else system).split(",")
        if not (name and all(parts)):
            raise ConfigError(f"{system!r} names no system; write NAME=MODEL or NAME=MODEL,MODEL")
        if name in named:
            raise ConfigError(f"two systems are called {name}; give each a name: NAME=MODEL")
        named[name] = parts
    return named


def load(models: list[str], table: Table) -> "System":
    """Load the models of a system, and how the first is set to search."""
    from nmt.bench.systems import System
    from nmt.ensemble import Fusion

    first, *others = models
    parts = load_parts(first, table)
    ensemble = assembled(first, parts, (others, table), Fusion())
    return System(models, ensemble, parts[1].search)
