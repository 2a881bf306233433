"""`nmt clean`: drop damaged and unlikely pairs from parallel text."""

import dataclasses
import logging
from collections.abc import Iterator
from typing import Any

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.text.config import CleanConfig

log = logging.getLogger(__name__)


@click.command(
    cls=NmtCommand,
    example="""
    nmt clean raw.en raw.de --output-source train.en --output-target train.de --reasons dropped.tsv
    nmt clean raw.tsv.gz --tsv --output-tsv train.tsv.gz --reasons dropped.tsv --max-words 100
    """,
)
@click.argument("source", type=click.Path())
@click.argument("target", required=False, type=click.Path())
@click.option("--tsv", is_flag=True, help="SOURCE holds both sides, separated by a tab.")
@click.option("--output-source", type=click.Path(), help="Source of the pairs kept.")
@click.option("--output-target", type=click.Path(), help="Target of the pairs kept.")
@click.option("--output-tsv", type=click.Path(), help="Both sides of the pairs kept, with --tsv.")
@click.option(
    "--reasons",
    type=click.Path(),
    required=True,
    help="Pairs dropped: line number, reason, detail, source and target, separated by tabs.",
)
@click.option(
    "--faults", type=click.Path(), help="Drop the lines, too, that nmt check data listed here."
)
@setting_options(CleanConfig, *(field.name for field in dataclasses.fields(CleanConfig)))
@config_options
@verbosity_options
def clean(
    source: str,
    target: str | None,
    tsv: bool,
    output_source: str | None,
    output_target: str | None,
    output_tsv: str | None,
    reasons: str,
    faults: str | None,
    table: dict[str, Any],
) -> None:
    """Drop damaged and unlikely pairs from SOURCE and TARGET.

    Rules are tried in this order, and the first that objects gives the reason: empty, control,
    mojibake, identical, words, characters, word-ratio, character-ratio, script, duplicate. What
    --faults lists comes before the last of them. A limit of 0 is no limit.
    """
    from tqdm import tqdm  # deferred, as every command's machinery is

    from nmt.experiment import section
    from nmt.text.clean import clean_pairs, read_faults, summary, write_cleaned

    config = section(CleanConfig, table)
    listed = read_faults(faults) if faults else {}
    pairs = read_input(source, target, tsv)
    kept = output_paths(tsv, output_source, output_target, output_tsv)
    quiet = None if log.isEnabledFor(logging.INFO) else True  # None: only at a terminal
    progress = tqdm(pairs, desc="cleaning", unit=" pairs", disable=quiet)
    for line in summary(write_cleaned(clean_pairs(progress, config, listed), kept, reasons)):
        log.info(line)


def read_input(source: str, target: str | None, tsv: bool) -> Iterator[tuple[str, str]]:
    """Read the pairs in the one form that was given; carriage returns are for the rules."""
    from nmt.text.lines import read_pairs, read_tsv

    if tsv and target is None:
        return read_tsv(source, strict=False)
    if target is not None and not tsv:
        return read_pairs(source, target, strict=False)
    raise click.UsageError("give SOURCE and TARGET, or --tsv and one file with both sides")


def output_paths(
    tsv: bool,
    output_source: str | None,
    output_target: str | None,
    output_tsv: str | None,
) -> tuple[str, ...]:
    """Name the outputs, which have the form of the input."""
    if tsv and output_tsv is not None and not (output_source or output_target):
        return (output_tsv,)
    if not tsv and output_source and output_target and output_tsv is None:
        return output_source, output_target
    wanted = "--output-tsv" if tsv else "--output-source and --output-target"
    raise click.UsageError(f"this input needs {wanted}, and no other output but --reasons")
