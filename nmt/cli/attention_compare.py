"""The command `nmt attention compare`."""

from pathlib import Path

import click

from nmt.attention.config import ROLES
from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, roles_option, setting_options
from nmt.corpus.config import DataConfig
from nmt.errors import ConfigError, NmtError
from nmt.model.compute import ComputeConfig
from nmt.model.config import ModelConfig
from nmt.settings import Table, assign


@click.command(
    cls=NmtCommand,
    example="""
    nmt attention compare --variants multi-head,mqa,additive@cross --train corpus \\
      --dev-source dev.en --dev-target dev.de --test-source test.en --test-target test.de \\
      --updates 1500 --output study
    """,
)
@click.option(
    "--variants", multiple=True, required=True, metavar="ENTRY,...",
    help="What to compare: VARIANT, VARIANT@ROLE+ROLE, or LABEL:SECTION.KEY=VALUE,... for any "
    "settings. Repeat it for more.",
)  # fmt: skip
@click.option(
    "--baseline", default="multi-head", show_default=True, metavar="ENTRY",
    help="What the others are compared with: one of them by name, or one more.",
)  # fmt: skip
@roles_option(
    "Where a variant is put that names no role; of these, where it can stand.", ",".join(ROLES)
)
@click.option("--output", type=click.Path(), required=True, help="Study folder to make or go on.")
@setting_options(DataConfig, "train", "dev_source", "dev_target", "batch_tokens")
@click.option("--test-source", type=click.Path(), required=True, help="Test set, raw source.")
@click.option("--test-target", type=click.Path(), required=True, help="Test set, raw target.")
@click.option(
    "--seeds", type=click.IntRange(1), default=1, show_default=True,
    help="Trainings of each entry, from compute.seed on.",
)  # fmt: skip
@click.option(
    "--baseline-seeds", type=click.IntRange(1), default=3, show_default=True,
    help="Trainings of the baseline; at least --seeds.",
)  # fmt: skip
@click.option("--updates", type=click.IntRange(1), help="Updates of each training.")
@click.option(
    "--budget", metavar="TIME",
    help="Instead, the time of each training, such as 8m: its own speed tells how many updates "
    "fit. Either wins over what the settings say.",
)  # fmt: skip
@setting_options(ModelConfig, "preset")
@setting_options(ComputeConfig, "threads", "device", "precision")
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True,
    help="Cells at a time; each has its share of the cores, unless --threads says otherwise.",
)  # fmt: skip
@click.option(
    "--turns", type=click.IntRange(0), default=10, show_default=True,
    help="At the end, do so many updates of each entry and the baseline by turns, and "
    "translations, to compare their speeds; 0: do not.",
)  # fmt: skip
@click.option(
    "--existing", type=click.Choice(["refuse", "replace"]), default="refuse", show_default=True,
    help="What to do with a cell that was made with other settings or data.",
)  # fmt: skip
@click.option(
    "--format", "style", type=click.Choice(["text", "json", "csv"]), default="text",
    show_default=True, help="How the table is printed.",
)  # fmt: skip
@config_options
@verbosity_options
def compare(
    variants: tuple[str, ...],
    baseline: str,
    roles: list[str],
    output: str,
    test_source: str,
    test_target: str,
    seeds: int,
    baseline_seeds: int,
    updates: int | None,
    budget: str | None,
    jobs: int,
    turns: int,
    existing: str,
    style: str,
    table: Table,
) -> None:
    """Train variants of attention under one recipe and compare them.

    Each entry and seed is a training in a folder of its own under STUDY/cells; the same command
    goes on with what is not finished. Writes table.md, table.csv, plot.svg and plot.png.
    """
    from nmt.study.cells import Study
    from nmt.study.entries import with_baseline
    from nmt.study.study import run_study
    from nmt.study.table import STYLES

    entries, base = with_baseline(variants, baseline, roles)
    study = Study(
        folder=Path(output), entries=entries, baseline=base,
        table=with_length(table, updates, budget), test=(test_source, test_target), seeds=seeds,
        baseline_seeds=baseline_seeds, jobs=jobs, turns=turns, replace=existing == "replace",
    )  # fmt: skip
    comparison = run_study(study)
    for line in STYLES[style](comparison):
        click.echo(line)
    if comparison.failed:
        raise NmtError(
            f"failed: {', '.join(comparison.failed)}; see messages.log in their folders under "
            f"{output}/cells; the same command tries again"
        )


def with_length(table: Table, updates: int | None, budget: str | None) -> Table:
    """Set how long trainings are: by updates, by time, or as the settings say.

    Raises:
        ConfigError: Both are given.
    """
    if updates is not None and budget is not None:
        raise ConfigError("--updates and --budget exclude each other; leave one out")
    if updates is not None:
        assign(table, "training.max_updates", updates)
        assign(table, "training.budget", "")
    if budget is not None:
        assign(table, "training.budget", budget)
    return table
