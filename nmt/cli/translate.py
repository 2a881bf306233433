"""The command `nmt translate`."""

import json
import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.errors import ConfigError
from nmt.model.compute import ComputeConfig
from nmt.search.config import SPACES, SearchConfig, inherited
from nmt.settings import Table, load_table

if TYPE_CHECKING:
    from nmt.cli.beside import Parallel
    from nmt.ensemble import Fusion, Member
    from nmt.translate import Translation, Translator

log = logging.getLogger(__name__)


@click.command(
    cls=NmtCommand,
    example="""
    nmt translate run test.en --output test.hyp.de
    echo "Click OK to save the changes." | nmt translate run
    nmt translate run test.en --method sample --top-p 0.9 --nbest 5 --seed 7 --format tsv
    nmt translate run test.en --with run2 --with run3 --must-not "click here"
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
    "--constraints",
    type=click.Path(),
    help="What translations must hold, +phrase, and must not, -phrase, separated by tabs: a line "
    "for each line of TEXT.",
)
@click.option(
    "--with",
    "others",
    type=click.Path(),
    multiple=True,
    metavar="MODEL",
    help="Another model that translates together with the first; may be given repeatedly.",
)
@click.option(
    "--weights",
    metavar="NUMBER,...",
    help="How much each model counts, scaled to sum to 1.  [default: all alike]",
)
@click.option(
    "--ensemble-space",
    type=click.Choice(SPACES),
    help="Average probabilities of models, or their logarithms.  [default: prob]",
)
@setting_options(
    SearchConfig,
    "method",
    "beam",
    "length_alpha",
    "length_penalty",
    "coverage_beta",
    "stop",
    "nbest",
    "groups",
    "diversity",
    "temperature",
    "top_k",
    "top_p",
    "epsilon",
    "mbr",
    "mbr_samples",
    "must",
    "must_not",
    "whole_words",
    "no_repeat_ngram",
    "limit_ratio",
    "limit_extra",
    "batch_tokens",
    "source_tag",
)
@setting_options(ComputeConfig, "seed", "threads", "device", "precision")
@config_options
@verbosity_options
def translate(
    model: str,
    text: str,
    output: str,
    style: str,
    prefix: str | None,
    constraints: str | None,
    others: tuple[str, ...],
    weights: str | None,
    ensemble_space: str | None,
    table: Table,
) -> None:
    """Translate TEXT (default: standard input) with MODEL, a model directory or a run.

    Writes one line for each line, in order, empty ones included. With --nbest, text is as many
    lines for each. Search settings and precision are those of the model's training, unless given;
    another --method than the model's own starts from that method's defaults.
    """
    from nmt.cli.beside import Parallel, refuse_shared_input
    from nmt.text.lines import encode_line, open_output

    refuse_shared_input({"text": text, "--prefix": prefix, "--constraints": constraints})
    translator, nbest = load((model, *others), table, fusion(others, weights, ensemble_space))
    found = translations(translator, text, Parallel(text, prefix, constraints))
    with open_output(output) as stream:
        for number, translation in enumerate(found, start=1):
            for line in shown(translation, style, number, nbest):
                stream.write(encode_line(line))
            if output == "-":
                stream.flush()


def fusion(others: tuple[str, ...], weights: str | None, space: str | None) -> "Fusion":
    """Read how models become one."""
    from nmt.ensemble import Fusion

    for flag, value in (("--weights", weights), ("--ensemble-space", space)):
        if value is not None and not others:
            raise ConfigError(f"{flag} needs another model; give it with --with")
    try:
        numbers = tuple(float(each) for each in weights.split(",")) if weights is not None else ()
    except ValueError:
        raise ConfigError(
            f"--weights must be numbers separated by commas, not {weights!r}"
        ) from None
    return Fusion(numbers, space or SPACES[0])


def load(models: Sequence[str], table: Table, fusion: "Fusion") -> tuple["Translator", int]:
    """Load models; the first one's search settings count, overridden by what was asked for.

    Returns:
        What translates, and how many translations of a line are wanted.
    """
    from nmt.ensemble import Ensemble
    from nmt.translate import Translator

    first, *others = models
    member, search = load_member(first, table)
    members = [member, *(load_member(each, tags_alone(table))[0] for each in others)]
    return Translator.of(Ensemble(members, fusion), search), search.nbest


def load_member(model: str, table: Table) -> tuple["Member", SearchConfig]:
    """Load a model with its own precision, tags and search settings, where not told otherwise."""
    from nmt.ensemble import Member
    from nmt.experiment import read_experiment
    from nmt.model.compute import prepare
    from nmt.model.directory import load_package, resolve

    asked = read_experiment(with_own(load_table(resolve(model) / "config.toml"), table))
    package = load_package(model)
    compute = prepare(asked.compute, training=False)
    network = package.model.to(compute.device)
    tags = asked.search.source_tag
    return Member(model, network, package.segmenters, compute, tags), asked.search


def tags_alone(table: Table) -> Table:
    """Leave out how to search, which the first of several models decides."""
    return {
        name: {key: each for key, each in values.items() if key == "source_tag"}
        if name == "search"
        else values
        for name, values in table.items()
    }


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
    translator: "Translator", text: str, parallel: "Parallel"
) -> Iterator["Translation"]:
    """Translate lines, with progress."""
    done = 0
    quiet = None if log.isEnabledFor(logging.INFO) else True  # None: only at a terminal
    with tqdm(desc="translate", unit=" lines", disable=quiet) as bar:
        for lines in groups(text):
            asked = parallel.take(done, len(lines))
            yield from translator.translate_together(lines, done + 1, *asked)
            done += len(lines)
            bar.update(len(lines))
    parallel.refuse_more(done)


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
