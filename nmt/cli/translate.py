"""The command `nmt translate`."""

import json
import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from tqdm import tqdm

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.errors import ConfigError, DataError
from nmt.model.compute import ComputeConfig
from nmt.search.config import SearchConfig, inherited
from nmt.settings import Table, load_table

if TYPE_CHECKING:
    import torch

    from nmt.model.directory import TranslationPackage
    from nmt.search.fusion import LanguagePrior
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
    "--prefix",
    type=click.Path(),
    help="Text that translations must begin with, a line for each line of TEXT; an empty one asks "
    "for nothing.",
)
@click.option(
    "--lm", "language", type=click.Path(), help="Language model of the target, which has a say."
)
@click.option(
    "--lm-weight",
    type=float,
    default=0.2,
    show_default=True,
    help="Factor of the log-probability that it gives each piece.",
)
@setting_options(
    SearchConfig, "method", "beam", "length_alpha", "length_penalty", "coverage_beta", "stop",
    "nbest", "groups", "diversity", "temperature", "top_k", "top_p", "epsilon", "no_repeat_ngram",
    "limit_ratio", "limit_extra", "batch_tokens", "source_tag",
)  # fmt: skip
@setting_options(ComputeConfig, "seed", "threads", "device", "precision")
@config_options
@verbosity_options
@click.pass_context
def translate(
    ctx: click.Context,
    model: str,
    text: str,
    output: str,
    style: str,
    prefix: str | None,
    language: str | None,
    lm_weight: float,
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
    if language is None and ctx.get_parameter_source("lm_weight") != ParameterSource.DEFAULT:
        raise ConfigError("--lm-weight needs a language model: --lm MODEL")
    translator, nbest = load(model, table, (language, lm_weight) if language else None)
    found = translations(translator, text, prefix)
    with open_output(output) as stream:
        for number, translation in enumerate(found, start=1):
            for line in shown(translation, style, number, nbest):
                stream.write(encode_line(line))
            if output == "-":
                stream.flush()


def load(
    model: str, table: Table, language: tuple[str, float] | None = None
) -> tuple["Translator", int]:
    """Load a model with its own search settings, overridden by what was asked for.

    Args:
        language: A language model that has a say, and its weight.

    Returns:
        What translates, and how many translations of a line are wanted.
    """
    from nmt.experiment import read_experiment
    from nmt.model.compute import prepare
    from nmt.model.directory import load_package, resolve
    from nmt.translate import Translator

    package = load_package(model)
    asked = read_experiment(with_own(load_table(resolve(model) / "config.toml"), table))
    compute = prepare(asked.compute, training=False)
    network = package.model.to(compute.device)
    prior = prior_for(package, model, language, compute.device) if language else None
    translator = Translator(network, package.segmenters, asked.search, compute, prior)
    return translator, asked.search.nbest


def prior_for(
    package: "TranslationPackage", model: str, language: tuple[str, float], device: "torch.device"
) -> "LanguagePrior":
    """Load a language model that writes the pieces of a model that translates.

    Raises:
        ConfigError: It was trained with another segmenter, or the weight is below 0.
        CheckpointError: It is no language model.
    """
    from nmt.model.directory import load_language_package, resolve
    from nmt.search.fusion import LanguagePrior

    path, weight = language
    helper = load_language_package(path)
    own, other = package.segmenters.target.sha256, helper.segmenters.target.sha256
    if own != other:
        raise ConfigError(
            f"--lm {path} was trained with another segmenter ({other[:12]}) than the target of "
            f"{model} ({own[:12]}); train one on text encoded with {resolve(model)}/target.model"
        )
    return LanguagePrior(helper.model.to(device), weight)


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
