"""The command `nmt encode`."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.cli.recording import begun, keep
from nmt.corpus.config import EncodeConfig
from nmt.settings import Table, to_table

if TYPE_CHECKING:
    from nmt.corpus.encoded import CorpusRecord

log = logging.getLogger(__name__)


@click.command(
    cls=NmtCommand,
    example="nmt encode train.en train.de --model joint.model --output train.encoded",
)
@click.argument("source", type=click.Path())
@click.argument("target", type=click.Path(), required=False)
@click.option(
    "--model", required=True, type=click.Path(), help="Segmenter of both sides, or of the source."
)
@click.option("--target-model", type=click.Path(), help="Segmenter of the target, if another.")
@click.option("--tsv", is_flag=True, help="SOURCE holds both sides, separated by a tab.")
@click.option("--output", required=True, type=click.Path(), help="Folder to write.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes that segment; the corpus is the same for any number.",
)
@setting_options(EncodeConfig, "max_pieces", "source_tag")
@config_options
@verbosity_options
def encode(
    source: str,
    target: str | None,
    model: str,
    target_model: str | None,
    tsv: bool,
    output: str,
    workers: int,
    table: Table,
) -> None:
    """Turn SOURCE and TARGET text into an encoded corpus.

    Without TARGET, and without --tsv, the corpus is monolingual. Lines that training cannot use
    are dropped and listed, with the reason, in dropped.tsv of the corpus. A tag, such as <2es> or
    <bt>, must be a piece of the segmenter: nmt segment learn --user-symbols '<2es>'.
    """
    from nmt.corpus.encode import encode_corpus
    from nmt.experiment import section
    from nmt.files import refuse_foreign
    from nmt.text.segmenter import Segmenter

    config = section(EncodeConfig, table)
    refuse_foreign(Path(output), "corpus.json", "encoded corpus")
    segmenters = [Segmenter.load(model)]
    if target or tsv:
        segmenters.append(Segmenter.load(target_model) if target_model else segmenters[0])
    quiet = None if log.isEnabledFor(logging.INFO) else True  # None: only at a terminal
    rows = tqdm(read_rows(source, target, tsv), "encode", unit=" lines", disable=quiet)
    inputs = ("source", "target", "model", "target_model")
    made = begun(click.get_current_context(), inputs, {"encode": to_table(config)})
    record = encode_corpus(rows, segmenters, Path(output), config, workers)
    keep(made, output)
    report_record(record, output)


def read_rows(source: str, target: str | None, tsv: bool) -> Iterable[tuple[str, ...]]:
    """Read rows of one or two texts."""
    from nmt.text.lines import read_lines, read_pairs, read_tsv

    if tsv and target:
        raise click.UsageError("--tsv takes one file, which holds both sides")
    if tsv:
        return read_tsv(source)
    return read_pairs(source, target) if target else ((line,) for line in read_lines(source))


def report_record(record: "CorpusRecord", output: str) -> None:
    """Say what was kept and what was dropped."""
    pieces = ", ".join(f"{count:,} {side} pieces" for side, count in record.pieces.items())
    log.info("%s: %s lines, %s", output, f"{record.lines:,}", pieces)
    for reason, count in record.dropped.items():
        log.info("dropped %s lines: %s (%s/dropped.tsv)", f"{count:,}", reason, output)
