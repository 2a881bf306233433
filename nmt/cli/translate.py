"""The command `nmt translate`."""

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import repeat
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from tqdm import tqdm

from nmt.cli.beside import Parallel, refuse_shared_input
from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.cli.translate_forms import Form
from nmt.cli.translate_texts import Texts, groups
from nmt.errors import ConfigError
from nmt.model.compute import ComputeConfig
from nmt.search.config import SPACES, SearchConfig, inherited
from nmt.settings import Table, load_table
from nmt.suspect.config import SuspectConfig

if TYPE_CHECKING:
    from nmt.ensemble import Ensemble, Fusion, Member
    from nmt.experiment import Experiment
    from nmt.forced.reading import Details, Reading
    from nmt.model.compute import Compute
    from nmt.model.directory import TranslationPackage
    from nmt.search.fusion import LanguagePrior
    from nmt.suspect.guard import Guard
    from nmt.text.segmenter import Segmenter
    from nmt.translate import Translation, Translator

log = logging.getLogger(__name__)

SEARCH = (
    "method", "beam", "length_alpha", "length_penalty", "coverage_beta", "stop", "nbest", "groups",
    "diversity", "temperature", "top_k", "top_p", "epsilon", "mbr", "mbr_samples",
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
    from nmt.text.lines import encode_line, open_output

    texts = Texts(text, prefix, constraints, errors)
    refuse_shared_input(texts)
    refuse_without_columns(details, style)
    if language is None and ctx.get_parameter_source("lm_weight") != ParameterSource.DEFAULT:
        raise ConfigError("--lm-weight needs a language model: --lm MODEL")
    if details and (language or others):
        raise ConfigError("--details are of one model alone; leave out --lm and --with")
    if engine != "native" and (language or others):
        raise ConfigError("--engine ctranslate2 runs one model alone; leave out --lm and --with")
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
        guard = None
        if asked.suspect.on_suspect != "off":
            guard = guarded(translator, segmenters.target, asked)
        form = Form(style, asked.search.nbest, guard is not None)
        found = translations(guard or translator, texts, tell)
        stream = stack.enter_context(open_output(output))
        for number, (translation, readings) in enumerate(found, start=1):
            for line in form.shown(translation, number, readings):
                stream.write(encode_line(line))
            if output == "-":
                stream.flush()
    if guard:
        guard.summarise()


def native(
    ensemble: "Ensemble", asked: "Experiment", prior: "LanguagePrior | None"
) -> "Translator":
    """Make models translate lines."""
    from nmt.translate import Translator  # deferred once more: what is refused needs no torch

    return Translator.of(ensemble, asked.search, prior)


def load_parts(model: str, table: Table) -> tuple["TranslationPackage", "Experiment", "Compute"]:
    """Load a model, where it computes, with its own settings of search, overridden by those given.

    Returns:
        The model, all settings, and where and how precisely it computes.
    """
    from nmt.experiment import read_experiment
    from nmt.model.compute import prepare
    from nmt.model.directory import load_package, resolve

    package = load_package(model)
    asked = read_experiment(with_own(load_table(resolve(model) / "config.toml"), table))
    compute = prepare(asked.compute, training=False)
    package.model.to(compute.device)
    return package, asked, compute


def guarded(translator: "Translator", target: "Segmenter", asked: "Experiment") -> "Guard":
    """Look at translations, whose scripts are those that the segmenter knows if none are named."""
    from nmt.suspect.guard import Guard
    from nmt.text.scripts import scripts_known

    scripts = asked.suspect.target_script or scripts_known(target.texts)
    config = dataclasses.replace(asked.suspect, target_script=scripts)
    return Guard(translator, asked.search, config)


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


def assembled(
    model: str,
    loaded: tuple["TranslationPackage", "Experiment", "Compute"],
    others: tuple[Sequence[str], Table],
    how: "Fusion",
) -> "Ensemble":
    """Put a model that is loaded together with others, each with its own precision and tags.

    Args:
        others: Their names, and the settings that are asked for.
    """
    from nmt.ensemble import Ensemble

    table = tags_alone(others[1])
    rest = [member_of(each, load_parts(each, table)) for each in others[0]]
    return Ensemble([member_of(model, loaded), *rest], how)


def member_of(model: str, loaded: tuple["TranslationPackage", "Experiment", "Compute"]) -> "Member":
    """Make a member of a model that is loaded."""
    from nmt.ensemble import Member

    package, asked, compute = loaded
    tags = asked.search.source_tag
    return Member(model, package.model, package.segmenters, compute, tags)


def tags_alone(table: Table) -> Table:
    """Leave out how to search, which the first of several models decides."""
    return {
        name: {key: each for key, each in values.items() if key == "source_tag"}
        if name == "search"
        else values
        for name, values in table.items()
    }


def prior_for(
    package: "TranslationPackage", model: str, language: tuple[str, float], compute: "Compute"
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
    return LanguagePrior(helper.model.to(compute.device), weight)


def with_own(own: Table, table: Table) -> Table:
    """Put settings that the model was trained with under those that are asked for."""
    precision = {"precision": own.get("compute", {}).get("precision", "auto")}
    merged, search, suspect = dict(table), own.get("search", {}), dict(own.get("suspect", {}))
    suspect["target_script"] = suspect.get("target_script") or cleaned_script(own)
    if isinstance(table.get("search", {}), dict):
        search = inherited(search, table.get("search", {}))
    for name, values in (("search", search), ("suspect", suspect), ("compute", precision)):
        given = table.get(name, {})
        merged[name] = {**values, **given} if isinstance(given, dict) else given
    return merged


def cleaned_script(own: Table) -> list[str]:
    """Give the scripts that the targets of a model's training were to be in, if they were named."""
    named: list[str] = own.get("clean", {}).get("target_script", [])
    return named


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
