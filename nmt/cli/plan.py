"""The command `nmt plan`."""

import json
from pathlib import Path

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import attention_options, config_options, setting_options
from nmt.corpus.config import DataConfig
from nmt.model.compute import ComputeConfig
from nmt.model.config import ModelConfig
from nmt.settings import Table
from nmt.training.config import TrainingConfig

EXAMPLE = """
nmt plan --config settings.toml --train corpus
nmt plan --config settings.toml --train corpus --memory 4G --fit
"""


@click.command(cls=NmtCommand, example=EXAMPLE)
@click.option("--memory", default="", help="Memory for tensors, as 4G or 15GiB; else what is free.")
@click.option("--fit", is_flag=True, help="Choose the largest data.batch_tokens that has room.")
@click.option(
    "--updates", type=click.IntRange(min=0), default=5, show_default=True,
    help="Updates that are timed, after three that are not; 0: time nothing.",
)  # fmt: skip
@click.option("--from", "parent", type=click.Path(), help="Plan to fine-tune this model.")
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="Tables to read, or one JSON object.",
)  # fmt: skip
@setting_options(DataConfig, "train", "dev_source", "dev_target", "batch_tokens")
@setting_options(ModelConfig, "preset", "arch")
@attention_options
@setting_options(TrainingConfig, "max_updates", "budget")
@setting_options(ComputeConfig, "seed", "threads", "device", "precision")
@config_options
@verbosity_options
def plan(
    memory: str, fit: bool, updates: int, parent: str | None, style: str, table: Table
) -> None:
    """Say what a training will take, before it runs.

    Parameters, memory at the worst batch, tokens and batches of an epoch, dropped lines, time.
    Takes the settings that nmt train takes. Some updates are made on parts of batches to measure
    them; nothing is written.
    """
    from nmt.cli.show import text_lines
    from nmt.experiment import read_experiment
    from nmt.launch.parent import with_kind_of
    from nmt.plan.plan import Question, make_plan
    from nmt.text.lines import write_lines

    experiment = read_experiment(with_kind_of(table, parent))
    question = Question(experiment, Path(parent) if parent else None, memory, fit, updates)
    report = make_plan(question)
    if style == "json":
        write_lines("-", json.dumps(report, indent=2).split("\n"))
    else:
        write_lines("-", text_lines(report))
