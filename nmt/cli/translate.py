"""The command `nmt translate`."""

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.errors import ConfigError, DataError
from nmt.model.compute import ComputeConfig
from nmt.search.config import SearchConfig, inherited
from nmt.settings import Table, load_table

if TYPE_CHECKING:
    from nmt.model.compute import Compute
    from nmt.model.directory import Package
    from nmt.translate import Translation, Translator

log = logging.getLogger(__name__)

SEARCH = (
    "method", "beam", "length_alpha", "length_penalty", "coverage_beta", "stop", "nbest", "groups",
    "diversity", "temperature", "top_k", "top_p", "epsilon", "no_repeat_ngram", "shortlist",
    "limit_ratio",
    "limit_extra", "batch_tokens", "batch_invariant", "source_tag",
)  # fmt: skip
COMPUTE = ("seed", "threads", "device", "precision")


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
    "--prefix",
    type=click.Path(),
    help="Text that translations must begin with, a line for each line of TEXT; an empty one asks "
    "for nothing.",
)
@click.option(
    "--engine",
    type=click.Choice(["native", "ctranslate2"]),
    default="native",
    show_default=True,
    help="What computes: nmt itself, or CTranslate2, which takes an export of nmt export as MODEL, "
    "or exports the model first.",
)
@setting_options(SearchConfig, *SEARCH)
@setting_options(ComputeConfig, *COMPUTE)
@config_options
@verbosity_options
def translate(
    model: str,
    text: str,
    output: str,
    style: str,
    prefix: str | None,
    engine: str,
    table: Table,
) -> None:
    """Translate TEXT (default: standard input) with MODEL, a model directory or a run.

    Writes one line for each line, in order, empty ones included. With --nbest, text is as many
    lines for each. Search settings and precision are those of the model's training, unless given;
    another --method than the model's own starts from that method's defaults.
    """
    from nmt.text.lines import STANDARD, encode_line, open_output

    if text == prefix == STANDARD:
        raise DataError("only one of text and --prefix can be read from standard input")
    with ExitStack() as stack:
        if engine == "native":
            translator, nbest = load(model, table)
        else:
            translator, nbest = stack.enter_context(load_export(model, table))
        found = translations(translator, text, prefix)
        stream = stack.enter_context(open_output(output))
        for number, translation in enumerate(found, start=1):
            for line in shown(translation, style, number, nbest):
                stream.write(encode_line(line))
            if output == "-":
                stream.flush()


def load(model: str, table: Table) -> tuple["Translator", int]:
    """Load a model with its own search settings, overridden by what was asked for.

    Returns:
        What translates, and how many translations of a line are wanted.
    """
    from nmt.translate import Translator

    package, search, compute = load_parts(model, table)
    return Translator(package.model, package.segmenters, search, compute), search.nbest


def load_parts(model: str, table: Table) -> tuple["Package", SearchConfig, "Compute"]:
    """Load a model where it will compute, and settle how it searches and computes."""
    from nmt.experiment import read_experiment
    from nmt.model.compute import prepare
    from nmt.model.directory import load_package, resolve

    asked = read_experiment(with_own(load_table(resolve(model) / "config.toml"), table))
    package = load_package(model)
    compute = prepare(asked.compute, training=False)
    package.model.to(compute.device)
    return package, asked.search, compute


@contextmanager
def load_export(model: str, table: Table) -> Iterator[tuple["Translator", int]]:
    """Load an export, or a model of which one is made, with search settings as `load` does.

    CTranslate2 has rules of its own for when to stop; the rest is searched for in the same way.

    Raises:
        ConfigError: The search, or the precision, is none that CTranslate2 has in the same way.
    """
    from nmt.experiment import read_experiment
    from nmt.export.engine import exported, open_engine

    asked = {name: table[name] for name in table if isinstance(table[name], dict)}
    if "precision" in asked.get("compute", {}):
        raise ConfigError(
            "compute.precision is not for --engine ctranslate2, where the weights decide: nmt "
            "export --quantization"
        )
    with exported(model) as export:
        merged = with_own(export.settings, table)
        search = merged["search"]
        if isinstance(search, dict) and search.get("method", "beam") == "beam":
            stop = asked.get("search", {}).get("stop", "ctranslate2")
            merged["search"] = {**search, "stop": stop}
        experiment = read_experiment(merged)
        translator = open_engine(export, experiment.search, experiment.compute)
        yield translator, experiment.search.nbest


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
    translator: "Translator", text: str, prefix: str | None
) -> Iterator["Translation"]:
    """Translate lines, with progress."""
    done, prefixes = 0, Prefixes(prefix, text)
    quiet = None if log.isEnabledFor(logging.INFO) else True  # None: only at a terminal
    with tqdm(desc="translate", unit=" lines", disable=quiet) as bar:
        for lines in groups(text):
            begun = prefixes.take(done, len(lines))
            yield from translator.translate_together(lines, done + 1, begun)
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


def shown(translation: "Translation", style: str, number: int, nbest: int) -> list[str]:
    """Spell a translation, one line for each of its candidates, or one object.

    As text, a line with fewer candidates than were asked for, such as an empty one, is filled
    up, so that the n-th line of the output is known to be of the n-th line of the input.
    """
    candidates = translation.candidates
    if style == "text":
        return [each.text for each in candidates] + [""] * (nbest - len(candidates))
    if style == "tsv":
        return [f"{number}\t{each.score:.6f}\t{each.text}" for each in candidates]
    best = [{"text": c.text, "score": c.score, "log_prob": c.log_prob} for c in candidates]
    record = {"line": number, "source": translation.source, "translations": best}
    return [json.dumps(record, ensure_ascii=False)]
