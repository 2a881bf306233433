"""The command `nmt config check`."""

import dataclasses
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.train_options import train_options
from nmt.errors import ConfigError
from nmt.settings import Table

if TYPE_CHECKING:
    from nmt.advice.case import Case

log = logging.getLogger(__name__)

EXAMPLE = """
nmt config check --config config.toml --train corpus --dev-source dev.en --dev-target dev.de
nmt config check --resume run
"""


@click.command(cls=NmtCommand, example=EXAMPLE)
@click.option("--resume", type=click.Path(), help="Check what this run would go on with.")
@click.option("--from", "parent", type=click.Path(), help="Check fine-tuning this model.")
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="Lines to read, or one JSON list.",
)  # fmt: skip
@train_options
@verbosity_options
@click.pass_context
def check(
    ctx: click.Context, resume: str | None, parent: str | None, style: str, table: Table
) -> None:
    """Warn of settings that ruin a run together, or are not what was meant.

    Takes the settings that nmt train takes, and prints a line for each warning: what, why, and
    what would be right. The exit status is 0 without a warning and 1 with one. nmt train gives
    the same warnings as it starts. Data that are named and there are looked at; nothing is
    written.
    """
    from nmt.advice.table import pitfalls

    if resume and (table or parent):
        raise ConfigError("--resume takes no other settings: a run goes on as it was started")
    case = case_of_run(Path(resume)) if resume else case_of_table(table, parent)
    found = list(pitfalls(case))
    if style == "json":
        report = [{"name": name, **dataclasses.asdict(each)} for name, each in found]
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    for _, each in found if style == "text" else ():
        click.echo(str(each))
    if not found:
        log.info("no warnings")
    ctx.exit(1 if found else 0)


def case_of_table(table: Table, parent: str | None) -> "Case":
    """Read settings as a training would begin with them; a model to fine-tune has its shape."""
    from nmt.advice.facts import case_of
    from nmt.experiment import read_experiment
    from nmt.launch.parent import with_kind_of, with_parent
    from nmt.training.budget import parse_budget

    experiment = read_experiment(with_kind_of(table, parent))
    parse_budget(experiment.training.budget)  # refuses what is no time
    if parent and not any(experiment.data.train):
        raise ConfigError("--from needs the corpus to train on as well (--train FOLDER)")
    return case_of(with_parent(experiment, Path(parent) if parent else None))


def case_of_run(folder: Path) -> "Case":
    """Read the settings of a run, as it would go on with them."""
    from nmt.advice.facts import case_of
    from nmt.experiment import read_experiment
    from nmt.settings import load_table
    from nmt.training.run import ReadOnlyRun

    run = ReadOnlyRun(folder)
    run.manifest()  # refuses what is no run
    case = case_of(read_experiment(load_table(folder / "config.toml")))
    return dataclasses.replace(case, resumed=max(run.updates(), default=0), is_planned=True)
