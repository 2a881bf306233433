"""The command `nmt split`."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.settings import Table
from nmt.text.config import SplitConfig

if TYPE_CHECKING:
    from collections import Counter

log = logging.getLogger(__name__)


@click.command(
    cls=NmtCommand,
    example="""
    nmt split clean.en clean.de --output parts
    nmt split --tsv clean.tsv.gz --output parts --dev 1000 --test 2000
    """,
)
@click.argument("source", type=click.Path())
@click.argument("target", type=click.Path(), required=False)
@click.option("--tsv", is_flag=True, help="SOURCE holds both sides, separated by a tab.")
@click.option("--output", required=True, type=click.Path(), help="Folder to write.")
@setting_options(SplitConfig, "dev", "test", "seed")
@config_options
@verbosity_options
def split(source: str, target: str | None, tsv: bool, output: str, table: Table) -> None:
    """Set development and test pairs of SOURCE and TARGET apart from those to train on.

    The folder gets train.source, train.target, and the same for dev and test. No source and no
    target that is set apart occurs in training, whatever its case and spaces: pairs that share a
    side with one set apart are listed, with the reason, in dropped.tsv. The choice depends on the
    seed and the pairs, not on their order; pairs of more than a word a side go first.
    """
    from nmt.experiment import section
    from nmt.text.split import refuse_streams, split_pairs

    if tsv == bool(target):
        raise click.UsageError("give SOURCE and TARGET, or --tsv and one file with both sides")
    config = section(SplitConfig, table)
    refuse_streams([source, target] if target else [source])
    report(split_pairs(lambda: read(source, target), Path(output), config), output)


def read(source: str, target: str | None) -> Iterable[tuple[str, str]]:
    """Read the pairs from the first on, showing how far it is."""
    from tqdm import tqdm

    from nmt.text.lines import read_pairs, read_tsv

    pairs = read_pairs(source, target) if target else read_tsv(source)
    quiet = None if log.isEnabledFor(logging.INFO) else True  # None: only at a terminal
    return tqdm(pairs, desc="split", unit=" pairs", disable=quiet)


def report(counts: "Counter[str]", output: str) -> None:
    """Say how many pairs are where."""
    from nmt.text.split import DROPPED, PARTS, REASONS

    for name in filter(counts.get, PARTS):
        log.info("%s/%s: %s pairs", output, name, f"{counts[name]:,}")
    for reason in filter(counts.get, REASONS):
        log.info("dropped %s pairs: %s (%s/%s)", f"{counts[reason]:,}", reason, output, DROPPED)
