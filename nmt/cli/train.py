"""The command `nmt train`."""

import logging
from pathlib import Path

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import MARK
from nmt.cli.train_options import train_options
from nmt.errors import ConfigError
from nmt.settings import Table, parse_assignment

log = logging.getLogger(__name__)

EXAMPLE = """
nmt train --train corpus --dev-source dev.en --dev-target dev.de --output run
nmt train --resume run
nmt train --from run --train new-corpus --output tuned --learning-rate 1e-4
"""


@click.command(cls=NmtCommand, example=EXAMPLE)
@click.option("--output", type=click.Path(), help="Run folder to make.")
@click.option("--resume", type=click.Path(), help="Go on with this run; its settings hold.")
@click.option(
    "--from", "parent", type=click.Path(), help="Fine-tune this model: its shape, its segmenter."
)
@click.option(
    "--existing",
    type=click.Choice(["refuse", "resume", "replace", "auto"]),
    default="refuse",
    show_default=True,
    help="What to do if the run exists; auto: resume it if settings and data are these, else "
    "replace it.",
)
@train_options
@verbosity_options
def train(
    output: str | None, resume: str | None, parent: str | None, existing: str, table: Table
) -> None:
    """Train a translation model, or with --arch lm a language model.

    The run folder holds the best and the last model, checkpoints, settings and measurements.
    Ctrl-C saves and says how to go on.
    """
    from nmt.experiment import read_experiment
    from nmt.launch import start as launch
    from nmt.launch.parent import with_kind_of

    if resume:
        if table or parent or output:
            raise ConfigError("--resume takes no other settings: a run goes on as it was started")
        report(launch.resume(Path(resume)), resume)
        return
    refuse_two_lengths(table)
    if not output:
        raise click.UsageError("--output names the run folder to make (or --resume one)")
    experiment = read_experiment(with_kind_of(table, parent))
    start = launch.Start(experiment, Path(output), Path(parent) if parent else None, existing)
    report(launch.train(start), output)


def refuse_two_lengths(table: Table) -> None:
    """Refuse a number of updates beside a budget, which is turned into one of its own.

    A file of settings may hold both: that of a run records what its budget came to.
    """
    said, name = click.get_current_context().params, "training.max_updates"
    sets = {parse_assignment(text)[0] for text in said["assignments"]}
    asked = said[name.replace(".", MARK)] is not None or name in sets
    training = table.get("training")
    budget = training.get("budget") if isinstance(training, dict) else ""
    if asked and budget:
        raise ConfigError(
            f"a number of updates ({name}) and a budget (training.budget = {budget!r}) exclude "
            "each other; leave one out, or turn the budget off: --budget ''"
        )


def report(summary: Table, output: str) -> None:
    """Say where the model is and, if there is a development set, how good."""
    value = summary["value"]
    score = "" if value is None else f": dev {summary['metric']} {value:.4g}"
    log.info(
        "%s/best is %s after %s updates%s",
        output, summary["best"], f"{summary['update']:,}", score,
    )  # fmt: skip
