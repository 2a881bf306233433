"""The command `nmt translate`."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.model.compute import ComputeConfig
from nmt.search.config import SearchConfig
from nmt.settings import Table

if TYPE_CHECKING:
    from nmt.translate import Translation, Translator


@click.command(
    cls=NmtCommand,
    example="""
    nmt translate run test.en --output test.hyp.de
    echo "Click OK to save the changes." | nmt translate run
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
@setting_options(
    SearchConfig, "beam", "length_alpha", "nbest", "limit_ratio", "limit_extra", "batch_tokens"
)
@setting_options(ComputeConfig, "seed", "threads", "device", "precision")
@config_options
@verbosity_options
def translate(model: str, text: str, output: str, style: str, table: Table) -> None:
    """Translate TEXT (default: standard input) with MODEL, a model directory or a run.

    Writes one line for each line, in order, empty ones included. With --nbest, text is as many
    lines for each. Search settings are those that the model was trained with, unless given.
    """
    from nmt.text.lines import encode_line, open_output

    translator = load(model, table)
    with open_output(output) as stream:
        for number, translation in enumerate(translations(translator, text), start=1):
            for line in shown(translation, style, number):
                stream.write(encode_line(line))
            if output == "-":
                stream.flush()


def load(model: str, table: Table) -> "Translator":
    """Load a model with its own search settings, overridden by what was asked for."""
    from nmt.experiment import read_experiment
    from nmt.model.compute import prepare
    from nmt.model.directory import load_package
    from nmt.translate import Translator

    read_experiment(table)  # refuses what is unknown before the model takes time to load
    package = load_package(model)
    search = {**package.settings.get("search", {}), **table.get("search", {})}
    asked = read_experiment({**table, "search": search})
    compute = prepare(asked.compute, training=False)
    network = package.model.to(compute.device)
    return Translator(network, package.segmenters, asked.search, compute)


def translations(translator: "Translator", text: str) -> Iterator["Translation"]:
    """Translate lines as they arrive."""
    from nmt.text.arrival import arriving
    from nmt.text.lines import read_lines
    from nmt.translate import LINES_AT_ONCE

    done = 0
    with tqdm(desc="translate", unit=" lines", disable=None) as bar:
        for lines in arriving(read_lines(text), LINES_AT_ONCE):
            yield from translator.translate_together(lines, done + 1)
            done += len(lines)
            bar.update(len(lines))


def shown(translation: "Translation", style: str, number: int) -> list[str]:
    """Spell a translation, one line for each of its candidates, or one object."""
    candidates = translation.candidates
    if style == "text":
        return [each.text for each in candidates]
    if style == "tsv":
        return [f"{number}\t{each.score:.6f}\t{each.text}" for each in candidates]
    best = [{"text": c.text, "score": c.score, "log_prob": c.log_prob} for c in candidates]
    record = {"line": number, "source": translation.source, "translations": best}
    return [json.dumps(record, ensure_ascii=False)]
