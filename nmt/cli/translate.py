"""The command `nmt translate`."""

import json
import logging
from collections.abc import Iterator, Sequence
from itertools import islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.errors import DataError
from nmt.model.compute import ComputeConfig
from nmt.search.config import SearchConfig, inherited
from nmt.settings import Table, load_table

if TYPE_CHECKING:
    from nmt.forced.reading import Details, Reading
    from nmt.model.compute import Compute
    from nmt.model.directory import Package
    from nmt.translate import Translation, Translator

log = logging.getLogger(__name__)


@click.command(
    cls=NmtCommand,
    example="""
    nmt translate run test.en --output test.hyp.de
    echo "Click OK to save the changes." | nmt translate run
    nmt translate run test.en --method sample --top-p 0.9 --nbest 5 --seed 7 --format tsv
    """,
)
@click.argument("model", type=click.Path())
@click.argument("text", type=click.Path(), default="-")
@click.option("--output", type=click.Path(), default="-", help="Where translations go.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "tsv", "json"]),
    default="text",
    show_default=True,
    help="Text: translations alone. TSV: line number, score, translation; a line for each of the "
    "n best. JSON: an object a line.",
)
@click.option(
    "--details",
    is_flag=True,
    help="As TSV or JSON, tell pieces, the log-probability of each, and which words go with which.",
)
@click.option(
    "--prefix",
    type=click.Path(),
    help="Text that translations must begin with, a line for each line of TEXT; an empty one asks "
    "for nothing.",
)
@setting_options(
    SearchConfig, "method", "beam", "length_alpha", "length_penalty", "coverage_beta", "stop",
    "nbest", "groups", "diversity", "temperature", "top_k", "top_p", "epsilon", "no_repeat_ngram",
    "limit_ratio", "limit_extra", "batch_tokens", "source_tag",
)  # fmt: skip
@setting_options(ComputeConfig, "seed", "threads", "device", "precision")
@config_options
@verbosity_options
def translate(
    model: str,
    text: str,
    output: str,
    style: str,
    details: bool,
    prefix: str | None,
    table: Table,
) -> None:
    """Translate TEXT (default: standard input) with MODEL, a model directory or a run.

    Writes one line for each line, in order, empty ones included. With --nbest, text is as many
    lines for each. Search settings and precision are those of the model's training, unless given;
    another --method than the model's own starts from that method's defaults.
    """
    from nmt.cli.details import refuse_without_columns, teller
    from nmt.text.lines import STANDARD, encode_line, open_output

    refuse_without_columns(details, style)
    if text == prefix == STANDARD:
        raise DataError("only one of text and --prefix can be read from standard input")
    package, search, compute = load_parts(model, table)
    from nmt.translate import Translator  # what is refused before needs no torch

    translator = Translator(package.model, package.segmenters, search, compute)
    tell = teller(model, package, search, compute) if details else None
    found = translations(translator, text, prefix, tell)
    with open_output(output) as stream:
        for number, (translation, readings) in enumerate(found, start=1):
            for line in shown(translation, style, number, search.nbest, readings):
                stream.write(encode_line(line))
            if output == "-":
                stream.flush()


def load_parts(model: str, table: Table) -> tuple["Package", SearchConfig, "Compute"]:
    """Load a model where it will compute, and settle how it searches and computes.

    What it was trained with holds, but for what is asked for.
    """
    from nmt.experiment import read_experiment
    from nmt.model.compute import prepare
    from nmt.model.directory import load_package, resolve

    asked = read_experiment(with_own(load_table(resolve(model) / "config.toml"), table))
    package = load_package(model)
    compute = prepare(asked.compute, training=False)
    package.model.to(compute.device)
    return package, asked.search, compute


def with_own(own: Table, table: Table) -> Table:
    """Put settings that the model was trained with under those that are asked for."""
    precision = {"precision": own.get("compute", {}).get("precision", "auto")}
    merged, search = dict(table), own.get("search", {})
    if isinstance(table.get("search", {}), dict):
        search = inherited(search, table.get("search", {}))
    for name, values in (("search", search), ("compute", precision)):
        given = table.get(name, {})
        merged[name] = {**values, **given} if isinstance(given, dict) else given
    return merged


def translations(
    translator: "Translator", text: str, prefix: str | None, tell: "Details | None"
) -> Iterator[tuple["Translation", "list[Reading] | None"]]:
    """Translate lines, with progress; beside each what there is to tell of its translations."""
    done, prefixes = 0, Prefixes(prefix, text)
    quiet = None if log.isEnabledFor(logging.INFO) else True  # None: only at a terminal
    with tqdm(desc="translate", unit=" lines", disable=quiet) as bar:
        for lines in groups(text):
            begun = prefixes.take(done, len(lines))
            found = translator.translate_together(lines, done + 1, begun)
            readings = repeat(None) if tell is None else tell.of(found, done + 1)
            yield from zip(found, readings, strict=tell is not None)
            done += len(lines)
            bar.update(len(lines))
    prefixes.refuse_more(done)


class Prefixes:
    """What translations must begin with, read beside the text."""

    def __init__(self, path: str | None, text: str) -> None:
        from nmt.text.lines import read_lines, shown_path

        self._lines = read_lines(path) if path else None
        self._names = (shown_path(path), shown_path(text)) if path else ("", "")

    def take(self, done: int, count: int) -> list[str]:
        """Read those of the next lines; none where there are none at all."""
        if self._lines is None:
            return []
        taken = list(islice(self._lines, count))
        if len(taken) < count:
            raise DataError(
                f"{self._names[0]} has {done + len(taken):,} lines, but {self._names[1]} has more; "
                "--prefix needs as many, empty ones where nothing is asked for"
            )
        return taken

    def refuse_more(self, done: int) -> None:
        """Raise DataError where prefixes are left over."""
        if self._lines is not None and next(self._lines, None) is not None:
            raise DataError(
                f"{self._names[1]} has {done:,} lines, but {self._names[0]} has more; "
                "--prefix needs as many, empty ones where nothing is asked for"
            )


def groups(text: str) -> Iterator[list[str]]:
    """Group lines: those of a file by number alone, so that batches depend on no clock; others
    as they arrive.
    """
    from nmt.text.arrival import arriving
    from nmt.text.lines import read_lines
    from nmt.translate import LINES_AT_ONCE

    lines = read_lines(text)
    if not Path(text).is_file():
        yield from arriving(lines, LINES_AT_ONCE)
    while group := list(islice(lines, LINES_AT_ONCE)):
        yield group


def shown(
    translation: "Translation",
    style: str,
    number: int,
    nbest: int,
    readings: "Sequence[Reading] | None" = None,
) -> list[str]:
    """Spell a translation, one line for each of its candidates, or one object.

    As text, a line with fewer candidates than were asked for, such as an empty one, is filled
    up, so that the n-th line of the output is known to be of the n-th line of the input.
    """
    from nmt.cli.details import in_columns, in_object

    candidates = translation.candidates
    if style == "text":
        return [each.text for each in candidates] + [""] * (nbest - len(candidates))
    told = [None] * len(candidates) if readings is None else readings
    if style == "tsv":
        rows = [[str(number), f"{each.score:.6f}", each.text] for each in candidates]
        for row, each, reading in zip(rows, candidates, told, strict=True):
            row += [] if reading is None else in_columns(each.log_prob, reading)
        return ["\t".join(cell.replace("\t", " ") for cell in row) for row in rows]
    best = [{"text": c.text, "score": c.score, "log_prob": c.log_prob} for c in candidates]
    best = [one | in_object(each) for one, each in zip(best, told, strict=True)]
    record: dict[str, Any] = {"line": number, "source": translation.source}
    if readings:
        record["source_pieces"] = readings[0].source_pieces
    return [json.dumps({**record, "translations": best}, ensure_ascii=False)]
