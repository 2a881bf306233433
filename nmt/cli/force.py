"""The command `nmt force`."""

import json
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.cli.pairs import (
    Passed,
    Row,
    readings_of,
    refuse_ambiguous,
    row_groups,
    skip_option,
    tsv_option,
)
from nmt.model.compute import ComputeConfig
from nmt.search.config import SearchConfig
from nmt.settings import Table

if TYPE_CHECKING:
    from nmt.forced.reader import Unfit
    from nmt.forced.reading import Details, Reading

log = logging.getLogger(__name__)


@click.command(
    cls=NmtCommand,
    example="""
    nmt force run test.en test.de --output test.scores
    nmt force run test.en test.de --format json --details
    paste crawl.en crawl.de | nmt force run - --tsv --skip --format tsv
    """,
)
@click.argument("model", type=click.Path())
@click.argument("source", type=click.Path())
@click.argument("target", type=click.Path(), required=False)
@tsv_option
@click.option("--output", type=click.Path(), default="-", help="Where scores go.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "tsv", "json"]),
    default="text",
    show_default=True,
    help="Text: a score a line. TSV and JSON: as nmt translate writes its translations.",
)
@click.option(
    "--details",
    is_flag=True,
    help="As TSV or JSON, tell pieces, the log-probability of each, and which words go with which.",
)
@skip_option
@setting_options(
    SearchConfig, "length_alpha", "length_penalty", "coverage_beta", "batch_tokens", "source_tag"
)
@setting_options(ComputeConfig, "threads", "device", "precision")
@config_options
@verbosity_options
def force(
    model: str,
    source: str,
    target: str | None,
    tsv: bool,
    output: str,
    style: str,
    details: bool,
    skip: bool,
    table: Table,
) -> None:
    """Score TARGET as MODEL's translation of SOURCE, line by line: forced decoding.

    The score is what a search would rank this translation by, had it found it: log-probability
    divided by the length penalty, and the coverage penalty if there is one. Settings are those of
    the model's training, unless given.
    """
    from nmt.cli.details import refuse_without_columns, teller
    from nmt.cli.translate_models import load_parts
    from nmt.forced.reader import Reader
    from nmt.forced.reading import Details
    from nmt.text.lines import encode_line, open_output

    refuse_without_columns(details, style)
    refuse_ambiguous(target, tsv)
    package, asked, compute = load_parts(model, table)
    search = asked.search
    plain = Details(Reader(package.model, package.segmenters, search, compute), None)
    tell = teller(model, package, search, compute) if details else plain
    rows = row_groups(source, target, "force")
    with open_output(output) as stream:
        for line in scored(tell, rows, skip, Style(style, details)):
            stream.write(encode_line(line))
            if output == "-":
                stream.flush()


def scored(
    tell: "Details", groups: Iterator[list[Row]], skip: bool, style: "Style"
) -> Iterator[str]:
    """Write a line for each pair; in the end say what all come to."""
    from nmt.forced.reader import Unfit

    done, totals, passed = 0, Totals(), Passed(skip)
    for rows in groups:
        readings = readings_of(tell, rows, done + 1, passed, known=True)
        for number, (row, reading) in enumerate(zip(rows, readings, strict=True), done + 1):
            if isinstance(reading, Unfit):
                yield style.skipped(row, reading)
            else:
                totals.add(reading)
                yield style.shown(row, number, reading)
        done += len(rows)
    passed.report()
    totals.report()


@dataclass(frozen=True)
class Style:
    """How a pair's score is written."""

    form: str
    details: bool

    def shown(self, row: Row, number: int, reading: "Reading") -> str:
        """Spell the score of a pair, and what else is asked for."""
        from nmt.cli.translate_forms import Form
        from nmt.translate import Candidate, Translation

        if self.form == "text":
            return f"{reading.score:.6f}"
        translation = Translation(row[0], (Candidate(row[1], reading.score, reading.log_prob),))
        (line,) = Form(self.form, 1).shown(translation, number, [reading] if self.details else None)
        return line

    def skipped(self, row: Row, unfit: "Unfit") -> str:
        """Stand in for a pair that was passed over."""
        if self.form == "text":
            return "nan"
        if self.form == "tsv":
            return "\t".join(
                [str(unfit.number), "nan", row[1], *(["nan", "", "", ""] if self.details else [])]
            )
        record = {"line": unfit.number, "source": row[0], "translations": []}
        return json.dumps({**record, "skipped": unfit.reason}, ensure_ascii=False)


class Totals:
    """Sums over all pairs."""

    def __init__(self) -> None:
        self.pairs = self.pieces = 0
        self.log_prob = 0.0

    def add(self, reading: "Reading") -> None:
        """Count a pair."""
        self.pairs += 1
        self.pieces += len(reading.log_probs)
        self.log_prob += reading.log_prob

    def report(self) -> None:
        """Say what they come to."""
        if self.pieces:
            perplexity = math.exp(min(-self.log_prob / self.pieces, 700.0))
            log.info(
                "%s pairs, %s target pieces with ends: perplexity %.4f",
                f"{self.pairs:,}", f"{self.pieces:,}", perplexity,
            )  # fmt: skip
