"""The command `nmt translate`."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import repeat
from typing import IO, TYPE_CHECKING

import click
from click.core import ParameterSource
from tqdm import tqdm

from nmt.cli.beside import Parallel, refuse_shared_input
from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.cli.recording import begun, is_kept, keep, record_option, refuse_record
from nmt.cli.translate_forms import Form
from nmt.cli.translate_models import assembled, fusion, guarded, load_parts, native, prior_for
from nmt.cli.translate_texts import Texts, groups
from nmt.errors import ConfigError
from nmt.model.compute import ComputeConfig
from nmt.search.config import SPACES, SearchConfig
from nmt.settings import Table, to_table
from nmt.suspect.config import SuspectConfig

if TYPE_CHECKING:
    from nmt.experiment import Experiment
    from nmt.forced.reading import Details, Reading
    from nmt.provenance import Tally
    from nmt.suspect.guard import Guard
    from nmt.translate import Translation, Translator

log = logging.getLogger(__name__)

SEARCH = (
    "method", "beam", "length_alpha", "length_penalty", "coverage_beta", "stop", "prune", "nbest",
    "groups", "diversity", "temperature", "top_k", "top_p", "epsilon", "mbr", "mbr_samples",
    "must", "must_not", "whole_words", "no_repeat_ngram", "shortlist",
    "limit_ratio", "limit_extra", "max_pieces", "batch_tokens", "batch_invariant", "source_tag",
)  # fmt: skip
COMPUTE = ("seed", "threads", "device", "precision")


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
@record_option
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
@click.option(
    "--engine",
    type=click.Choice(["native", "ctranslate2"]),
    default="native",
    show_default=True,
    help="What computes: nmt itself, or CTranslate2, which takes an export of nmt export as MODEL, "
    "or exports the model first.",
)
@setting_options(SearchConfig, *SEARCH)
@click.option(
    "--errors",
    type=click.Choice(["strict", "replace"]),
    default="strict",
    show_default=True,
    help="What is no text, bytes that are not UTF-8 or carriage returns: strict stops and names "
    "line and byte, replace puts U+FFFD or a space in its place.",
)
@setting_options(SuspectConfig, "on_suspect")
@setting_options(ComputeConfig, *COMPUTE)
@config_options
@verbosity_options
@click.pass_context
def translate(
    ctx: click.Context,
    model: str,
    text: str,
    output: str,
    record: str | None,
    style: str,
    details: bool,
    prefix: str | None,
    constraints: str | None,
    others: tuple[str, ...],
    weights: str | None,
    ensemble_space: str | None,
    language: str | None,
    lm_weight: float,
    engine: str,
    errors: str,
    table: Table,
) -> None:
    """Translate TEXT (default: standard input) with MODEL, a model directory or a run.

    Writes one line for each line, in order, empty ones included. With --nbest, text is as many
    lines for each. Search settings and precision are those of the model's training, unless given;
    another --method than the model's own starts from that method's defaults.
    """
    from nmt.cli.details import refuse_without_columns, teller
    from nmt.text.lines import open_output

    texts = Texts(text, prefix, constraints, errors)
    refuse_shared_input(texts)
    refuse_without_columns(details, style)
    refuse_record(output, record)
    refuse_company(ctx)
    how = fusion(others, weights, ensemble_space)
    with ExitStack() as stack:
        if engine == "native":
            package, asked, compute = loaded = load_parts(model, table)
            translator = native(
                assembled(model, loaded, (others, table), how),
                asked,
                prior_for(package, model, (language, lm_weight), compute) if language else None,
            )
            segmenters = package.segmenters
            tell = teller(model, package, asked.search, compute) if details else None
        else:
            from nmt.cli.translate_engine import by_export

            translator, segmenters, asked = stack.enter_context(by_export(model, table, details))
            tell = None
        made = begun_record(ctx, asked) if is_kept(output, record) else {}
        guard = guarded(translator, segmenters.target, asked)
        form = Form(style, asked.search.nbest, guard is not None)
        found = translations(guard or translator, texts, tell)
        stream = stack.enter_context(open_output(output))
        seen, written = write(stream, found, form, at_once=output == "-")
    if made:
        made["inputs"]["text"] = made["inputs"]["text"] or seen.sha256
        keep(made, output, record, written, compute=computed(asked, engine))
    if guard:
        guard.summarise()


def write(
    stream: IO[bytes],
    found: Iterable[tuple["Translation", "list[Reading] | None"]],
    form: Form,
    *,
    at_once: bool,
) -> tuple["Tally", "Tally"]:
    """Write translations, each line at once where somebody waits for it.

    Returns:
        What was read, and what was written.
    """
    from nmt.provenance import Tally
    from nmt.text.lines import encode_line

    seen, written = Tally(), Tally()
    for number, (translation, readings) in enumerate(found, start=1):
        seen.add(encode_line(translation.source))
        for line in form.shown(translation, number, readings):
            stream.write(written.add(encode_line(line)))
        if at_once:
            stream.flush()
    return seen, written


def refuse_company(context: click.Context) -> None:
    """Refuse other models where there is one alone, and what needs one that is not there."""
    given, source = context.params, context.get_parameter_source("lm_weight")
    several = given["language"] or given["others"]
    if given["language"] is None and source != ParameterSource.DEFAULT:
        raise ConfigError("--lm-weight needs a language model: --lm MODEL")
    if given["details"] and several:
        raise ConfigError("--details are of one model alone; leave out --lm and --with")
    if given["engine"] != "native" and several:
        raise ConfigError("--engine ctranslate2 runs one model alone; leave out --lm and --with")


def begun_record(context: click.Context, asked: "Experiment") -> Table:
    """Begin the record of a translation."""
    sections = {"search": asked.search, "suspect": asked.suspect, "compute": asked.compute}
    requested = {name: to_table(section) for name, section in sections.items()}
    inputs = ("model", "text", "prefix", "constraints", "others", "language")
    made: Table = begun(context, inputs, requested)
    return made


def computed(asked: "Experiment", engine: str) -> Table:
    """Say on what a translation was computed, and how precisely where that is ours to say."""
    from nmt.model.compute import prepare

    told = prepare(asked.compute, training=False).described()
    return {name: each for name, each in told.items() if engine == "native" or name != "precision"}


def translations(
    translator: "Translator | Guard", texts: Texts, tell: "Details | None"
) -> Iterator[tuple["Translation", "list[Reading] | None"]]:
    """Translate lines, with progress; beside each what there is to tell of its translations."""
    from nmt.translate import LINES_AT_ONCE

    done, parallel = 0, Parallel(texts)
    quiet = None if log.isEnabledFor(logging.INFO) else True  # None: only at a terminal
    with tqdm(desc="translate", unit=" lines", disable=quiet) as bar:
        for lines in groups(texts, LINES_AT_ONCE):
            asked = parallel.take(done, len(lines))
            found = translator.translate_together(lines, done + 1, *asked)
            readings = repeat(None) if tell is None else tell.of(found, done + 1)
            yield from zip(found, readings, strict=tell is not None)
            done += len(lines)
            bar.update(len(lines))
    parallel.refuse_more(done)
