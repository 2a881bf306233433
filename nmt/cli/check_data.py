"""The command `nmt check data`."""

import json
import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.corpus.config import DataConfig, EncodeConfig
from nmt.settings import Table

if TYPE_CHECKING:
    from nmt.checks.data import Report
    from nmt.checks.findings import Finding
    from nmt.text.coverage import Coverage

log = logging.getLogger(__name__)

SHOWN = 100  # characters of an example

Text = tuple[str, tuple[str, ...], Iterator[str]]


@click.command(
    cls=NmtCommand,
    example="""
    nmt check data --source train.en --target train.de --test-source test.en --test-target test.de
    nmt check data --tsv --source train.tsv.gz --segmenter joint.model --format json
    nmt check data --source a.en --target a.de --faults faults.tsv
    nmt clean a.en a.de --faults faults.tsv --output-source b.en --output-target b.de --reasons r
    """,
)
@click.option("--source", required=True, type=click.Path(), help="Source text.")
@click.option("--target", type=click.Path(), help="Target text.")
@click.option("--tsv", is_flag=True, help="--source holds both sides, separated by a tab.")
@setting_options(DataConfig, "dev_source", "dev_target", "test")
@click.option("--test-source", multiple=True, type=click.Path(), help="Source of a test set.")
@click.option("--test-target", multiple=True, type=click.Path(), help="Target of a test set.")
@click.option("--segmenter", type=click.Path(), help="Segmenter of both sides, or of the source.")
@click.option("--target-segmenter", type=click.Path(), help="Segmenter of the target, if another.")
@setting_options(EncodeConfig, "max_pieces")
@click.option(
    "--faults", type=click.Path(),
    help="List all lines at fault in this file, for nmt clean --faults: number, kind, detail, "
    "source and target, separated by tabs.",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="How to print what was found.",
)  # fmt: skip
@config_options
@verbosity_options
def data(
    source: str, target: str | None, tsv: bool, test_source: tuple[str, ...],
    test_target: tuple[str, ...], segmenter: str | None, target_segmenter: str | None,
    faults: str | None, form: str, table: Table,
) -> None:  # fmt: skip
    """Check parallel text for faults, in one pass, and print counts with examples.

    Looks for empty lines, copies, damaged characters, unlikely lengths, other scripts, repeated
    pairs, lines of development and test sets, and runs of lines that are not each other's
    translations. With a segmenter, also for what it cannot spell or makes too long. A pair may
    have several faults. What is usual is learnt from the beginning of the text; [clean] sets
    the limits.
    """
    from tqdm import tqdm

    from nmt.checks.data import DataCheck, held_out_lines
    from nmt.cli.clean import read_input
    from nmt.experiment import read_experiment

    experiment = read_experiment(table)
    pairs = read_input(source, target, tsv)
    texts = held_out_texts(experiment.data, test_source, test_target)
    held_out, notes = held_out_lines(texts)
    check = DataCheck(
        experiment.clean, held_out, coverages(segmenter, target_segmenter),
        experiment.encode.max_pieces,
    )  # fmt: skip
    quiet = None if log.isEnabledFor(logging.INFO) else True  # None: only at a terminal
    report = check.run(tqdm(pairs, desc="checking", unit=" pairs", disable=quiet), faults)
    report.notes[:0] = notes
    lines = [json.dumps(report.table(), ensure_ascii=False, indent=2)]
    for line in lines if form == "json" else page(report):
        click.echo(line)


def held_out_texts(
    config: DataConfig, test_source: Sequence[str], test_target: Sequence[str]
) -> Iterator[Text]:
    """Name the texts that training must not see, with the sides that each may be on."""
    from nmt.text.held_out import read_test_set
    from nmt.text.lines import read_lines

    for path in (*filter(None, [config.dev_source]), *test_source):
        yield path, ("source",), read_lines(path, strict=False)
    for path in (*filter(None, [config.dev_target]), *test_target):
        yield path, ("target",), read_lines(path, strict=False)
    for path in config.test:
        for sides, lines in read_test_set(path):
            yield path, sides, iter(lines)


def coverages(segmenter: str | None, target_segmenter: str | None) -> "dict[str, Coverage]":
    """Load the segmenter of each side, if there is any."""
    from nmt.text.coverage import Coverage
    from nmt.text.segmenter import Segmenter

    if segmenter is None:
        if target_segmenter is not None:
            raise click.UsageError("--target-segmenter goes with --segmenter, that of the source")
        return {}
    source = Coverage(Segmenter.load(segmenter))
    target = Coverage(Segmenter.load(target_segmenter)) if target_segmenter else source
    return {"source": source, "target": target}


def page(report: "Report") -> Iterator[str]:
    """Write what was found for reading."""
    from nmt.checks.findings import KINDS

    yield f"{report.pairs:,} pairs"
    for kind, meaning in KINDS.items():
        if count := report.counts[kind]:
            runs = f", {report.runs:,} runs" if kind == "drift" else ""
            yield ""
            lines = "1 line" if count == 1 else f"{count:,} lines"
            yield f"{kind}: {lines} ({count / report.pairs:.2%}{runs}), {meaning}"
            for each in report.examples[kind]:
                yield from example(each)
    found = set(report.counts)
    yield ""
    yield f"nothing found: {', '.join(kind for kind in KINDS if kind not in found)}"
    for note in report.notes:
        yield f"note: {note}"


def example(each: "Finding") -> Iterator[str]:
    """Write one example, its text on lines of its own."""
    place = f"lines {each.number:,} to {each.last:,}" if each.last else f"line {each.number:,}"
    yield f"  {place}: {each.detail}"
    for text in (each.source, each.target) if not each.last else ():
        yield f"    {text[:SHOWN]!r}{' ...' if len(text) > SHOWN else ''}"
