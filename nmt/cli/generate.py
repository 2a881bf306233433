"""The command `nmt generate`."""

import json
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.cli.translate_models import with_own
from nmt.cli.translate_texts import Texts, groups
from nmt.model.compute import ComputeConfig
from nmt.search.config import SearchConfig
from nmt.settings import Table, load_table

if TYPE_CHECKING:
    from nmt.generate import Continuation, TextGenerator

log = logging.getLogger(__name__)

LINES_AT_ONCE = 2048


@click.command(
    cls=NmtCommand,
    example="""
    nmt generate lm --count 10 --seed 7
    nmt generate lm prompts.txt --nbest 3 --top-p 0.9 --format tsv
    echo "To save the changes," | nmt generate lm --method beam
    """,
)
@click.argument("model", type=click.Path())
@click.argument("prompts", type=click.Path(), required=False)
@click.option("--count", type=click.IntRange(min=1), help="Write so many texts without a prompt.")
@click.option("--output", type=click.Path(), default="-", help="Where texts go.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "tsv", "json"]),
    default="text",
    show_default=True,
    help="Text: texts alone. TSV: line number, score, text; a line for each of --nbest. JSON: an "
    "object a line.",
)
@setting_options(
    SearchConfig, "method", "beam", "length_alpha", "length_penalty", "stop", "nbest", "groups",
    "diversity", "temperature", "top_k", "top_p", "epsilon", "no_repeat_ngram", "limit_pieces",
    "batch_tokens",
)  # fmt: skip
@setting_options(ComputeConfig, "seed", "threads", "device", "precision")
@config_options
@verbosity_options
def generate(
    model: str, prompts: str | None, count: int | None, output: str, style: str, table: Table
) -> None:
    """Write text with MODEL, a language model's directory or run.

    Continues each line of PROMPTS (default: standard input), an empty one from nothing, and
    writes one line for each, in order: the prompt and what follows it. With --nbest, text is as
    many lines for each. A language model samples unless it was trained with another
    search.method, or is told --method beam.
    """
    from nmt.text.lines import encode_line, open_output

    if prompts is not None and count is not None:
        raise click.UsageError("--count writes without prompts; leave out one of the two")
    generator, nbest = load(model, table)
    with open_output(output) as stream:
        for number, found in enumerate(continuations(generator, prompts, count), start=1):
            for line in shown(found, style, number, nbest):
                stream.write(encode_line(line))
            if output == "-":
                stream.flush()


def load(model: str, table: Table) -> tuple["TextGenerator", int]:
    """Load a language model with its own search settings, overridden by what was asked for.

    Returns:
        What writes, and how many texts of a prompt are wanted.
    """
    from nmt.experiment import read_experiment
    from nmt.generate import TextGenerator
    from nmt.model.compute import prepare
    from nmt.model.directory import load_language_package, resolve

    package = load_language_package(model)
    merged = with_own(load_table(resolve(model) / "config.toml"), table)
    asked = read_experiment({**merged, "model": {"arch": "lm"}})
    compute = prepare(asked.compute, training=False)
    network = package.model.to(compute.device)
    generator = TextGenerator(network, package.segmenters.target, asked.search, compute)
    return generator, asked.search.nbest


def continuations(
    generator: "TextGenerator", prompts: str | None, count: int | None
) -> Iterator["Continuation"]:
    """Continue prompts, with progress."""
    done = 0
    quiet = None if log.isEnabledFor(logging.INFO) else True  # None: only at a terminal
    with tqdm(desc="generate", unit=" lines", total=count, disable=quiet) as bar:
        for lines in (
            nothing(count)
            if count
            else groups(Texts(prompts or "-", None, None, "strict"), LINES_AT_ONCE)
        ):
            yield from generator.generate(lines, done + 1)
            done += len(lines)
            bar.update(len(lines))


def nothing(count: int) -> Iterator[list[str]]:
    """Give so many empty prompts, some at a time."""
    for begin in range(0, count, LINES_AT_ONCE):
        yield [""] * min(LINES_AT_ONCE, count - begin)


def shown(found: "Continuation", style: str, number: int, nbest: int) -> list[str]:
    """Spell texts, one line for each, or one object; as text, missing ones are empty lines."""
    candidates = found.candidates
    if style == "text":
        return [each.text for each in candidates] + [""] * (nbest - len(candidates))
    if style == "tsv":
        return [f"{number}\t{each.score:.6f}\t{each.text}" for each in candidates]
    texts = [{"text": c.text, "score": c.score, "log_prob": c.log_prob} for c in candidates]
    return [
        json.dumps({"line": number, "prompt": found.prompt, "texts": texts}, ensure_ascii=False)
    ]
