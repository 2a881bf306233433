"""`nmt score`: how near translations come to references."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.cli.recording import begun, is_kept, keep, record_option, refuse_record
from nmt.errors import ConfigError
from nmt.scoring.config import NO_TEST, TESTS, ScoreConfig
from nmt.scoring.metrics import DEFAULT_METRICS, METRICS

if TYPE_CHECKING:
    from nmt.scoring.buckets import Buckets
    from nmt.scoring.checks import Material
    from nmt.scoring.evaluation import Evaluation
    from nmt.scoring.measure import Measure
    from nmt.scoring.resampling import Resampling

log = logging.getLogger(__name__)

Options = dict[str, Any]
Table = dict[str, Any]

INPUTS = ("hypotheses", "references", "source", "documents", "training", "comet")

EXAMPLE = """
nmt score test.hyp.de --ref test.de
nmt translate run < test.en | nmt score --ref test.de --metric chrf++ --format json
nmt score base.de new.de --ref test.de --by-length --html report.html
"""


@click.command(cls=NmtCommand, example=EXAMPLE)
@click.argument("hypotheses", metavar="[HYPOTHESIS]...", type=click.Path(), nargs=-1)
@click.option(
    "--ref",
    "references",
    type=click.Path(),
    multiple=True,
    required=True,
    help="Reference text; repeat it to score against several.",
)
@click.option("--source", type=click.Path(), help="What was translated.")
@click.option(
    "--metric",
    "metrics",
    type=click.Choice(list(METRICS)),
    multiple=True,
    default=DEFAULT_METRICS,
    show_default=True,
    help="Metric to report; repeat it for more. Of ter, lower is better.",
)
@click.option(
    "--comet",
    metavar="FOLDER",
    type=click.Path(),
    help="Report COMET too, by the model in this folder; needs --source and unbabel-comet.",
)
@click.option(
    "--comet-python",
    metavar="PROGRAM",
    default="",
    help="Python in whose environment unbabel-comet is; by default, this one.",
)
@setting_options(ScoreConfig, "lowercase", "tokenize")
@click.option(
    "--confidence/--no-confidence",
    default=False,
    help="Give the 95 % interval of each score, by bootstrap resampling.  [default: false]",
)
@click.option(
    "--paired",
    type=click.Choice([*TESTS, NO_TEST]),
    help="Test whether systems differ from the first by chance.  [default: bootstrap]",
)
@click.option(
    "--samples",
    type=click.IntRange(min=2),
    help="How often to resample.  [default: 1000; for randomisation 10000]",
)
@click.option("--by-length", is_flag=True, help="Score lines of like length apart.")
@click.option(
    "--by-rarity",
    "training",
    metavar="FILE|CORPUS",
    type=click.Path(),
    help="Score lines with words that this training text or encoded corpus has seldom apart; "
    "needs --source.",
)
@click.option(
    "--by-document",
    "documents",
    metavar="FILE",
    type=click.Path(),
    help="Score documents apart; a line of FILE names the document of that line.",
)
@click.option("--per-line", is_flag=True, help="Write the scores of every line instead.")
@click.option(
    "--html", type=click.Path(), help="Write a page too: tables, histograms, sentences compared."
)
@click.option(
    "--width",
    type=click.IntRange(0, 15),
    default=2,
    show_default=True,
    help="Decimals of a score in text; JSON is never rounded.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Lines to quote or a table, or one JSON object; with --per-line an object a line.",
)
@click.option(
    "--output", type=click.Path(), default="-", show_default=True, help="Where the scores go."
)
@record_option
@config_options
@verbosity_options
@click.pass_context
def score(context: click.Context, /, table: dict[str, Any], **_: Any) -> None:
    """Score the translations in HYPOTHESIS (default: standard input) against references.

    Scores are sacreBLEU's, for the text as a whole. Several hypotheses are put side by side, each
    tested against the first. With --quiet, text is the numbers alone: a line for each metric.
    """
    from nmt.text.lines import open_output, write_lines

    options = context.params
    refuse_record(options["output"], options["record"])
    evaluation = evaluated(table, options)
    kept = is_kept(options["output"], options["record"])
    made = begun_record(context, table, evaluation.material) if kept else {}
    if options["html"]:
        from nmt.scoring.page import page

        with open_output(options["html"]) as stream:
            stream.write(page(evaluation, options["width"]).encode())
    write_lines(options["output"], written(evaluation, options))
    if made:
        keep(made, options["output"], options["record"], result=results_of(evaluation))


def begun_record(context: click.Context, table: Table, material: "Material") -> Table:
    """Begin the record of a score; texts from standard input are hashed as they were read."""
    from nmt.experiment import section
    from nmt.scoring.origins import origins_of
    from nmt.settings import to_table

    if not context.params["hypotheses"]:
        context.params["hypotheses"] = ("-",)
    requested = {"score": to_table(section(ScoreConfig, table))}
    made: Table = begun(context, INPUTS, requested)
    named = {f"hypotheses[{n}]": text for n, text in enumerate(material.systems)}
    named |= {f"references[{n}]": text for n, text in enumerate(material.references)}
    for name, text in named.items():
        made["inputs"][name] = made["inputs"][name] or text.sha256
    hypotheses = {name: Path(made["paths"][name]) for name in named if name.startswith("hyp")}
    return {**made, "made_by": origins_of(hypotheses, made["inputs"])}


def results_of(evaluation: "Evaluation") -> list[dict[str, Any]]:
    """List every score with its signature, unrounded."""
    from dataclasses import asdict

    return [
        {"hypothesis": f"hypotheses[{number}]", "metric": metric, **asdict(each.score)}
        for metric, found in evaluation.results.items()
        for number, each in enumerate(found)
    ]


def evaluated(table: dict[str, Any], options: Options) -> "Evaluation":
    """Read, check and score what the options name."""
    from nmt.experiment import section
    from nmt.scoring.checks import read_material  # deferred, as every command's machinery is
    from nmt.scoring.evaluation import evaluate

    config = section(ScoreConfig, table)
    hypotheses = options["hypotheses"] or ("-",)
    refuse_idle(options, len(hypotheses))
    documents, source = options["documents"], options["source"]
    material = read_material(hypotheses, options["references"], source, documents)
    measures = prepared(material, config, options)
    resampling = resampling_of(options, len(hypotheses))
    return evaluate(material, measures, resampling, parts_of(material, options))


def refuse_idle(options: Options, systems: int) -> None:
    """Refuse options that would have no effect, or lack what they need.

    Raises:
        ConfigError: The first of them.
    """
    lines_alone = options["per_line"] and not options["html"]
    tests = systems > 1 and options["paired"] != NO_TEST and not lines_alone
    extras = ("confidence", "paired", "by_length", "training", "documents")
    needs_source = "needs --source, the text that was translated"
    refusals = {
        "--paired compares systems; give two or more hypotheses": (
            options["paired"] and systems == 1
        ),
        "--per-line writes the scores of lines alone; leave --confidence, --paired and --by-... "
        "out, or ask for --html": lines_alone and any(options[name] for name in extras),
        "--samples needs --confidence, or systems to compare": (
            options["samples"] and not (options["confidence"] or tests)
        ),
        "--html and --output must be different files": options["html"] == options["output"],
        "--comet-python needs --comet": options["comet_python"] and not options["comet"],
        f"--comet {needs_source}": options["comet"] and not options["source"],
        f"--by-rarity {needs_source}": options["training"] and not options["source"],
    }
    for message, is_so in refusals.items():
        if is_so:
            raise ConfigError(message)


def prepared(material: "Material", config: ScoreConfig, options: Options) -> dict[str, "Measure"]:
    """Prepare all metrics; COMET last."""
    from nmt.scoring.measure import measure

    references = [reference.lines for reference in material.references]
    measures = {name: measure(name, config, references) for name in options["metrics"]}
    if options["comet"]:
        from nmt.scoring.comet import comet_measure

        measures["comet"] = comet_measure(Path(options["comet"]), options["comet_python"], material)
    return measures


def resampling_of(options: Options, systems: int) -> "Resampling":
    """Say what to resample."""
    from nmt.scoring.resampling import Resampling

    shown = options["html"] or not options["per_line"]
    paired = (options["paired"] or "bootstrap") if systems > 1 and shown else NO_TEST
    return Resampling(
        paired=paired, confidence=options["confidence"], samples=options["samples"] or 0
    )


def parts_of(material: "Material", options: Options) -> list["Buckets"]:
    """Part the test set in the ways that are asked for."""
    from nmt.scoring.buckets import by_document, by_length, by_rarity

    parts = []
    if options["by_length"]:
        parts.append(by_length(material.references[0].lines))
    if options["training"]:
        assert material.source is not None
        parts.append(by_rarity(material.source.lines, training_lines(options["training"])))
    if material.documents:
        parts.append(by_document(material.documents.lines))
    return parts


def training_lines(path: str) -> Iterable[str]:
    """Read the source side of training data, encoded or as text."""
    from nmt.text.lines import read_lines

    if not Path(path).is_dir():
        return read_lines(path)
    from nmt.corpus.encoded import EncodedCorpus

    corpus = EncodedCorpus(path)
    return (corpus.line("source", number) for number in range(len(corpus)))


def written(evaluation: "Evaluation", options: Options) -> Sequence[str] | Iterator[str]:
    """Write the report that is asked for."""
    from nmt.scoring import report

    width, is_json = options["width"], options["style"] == "json"
    if options["per_line"]:
        for name, measure in zip(evaluation.names, evaluation.measures.values(), strict=True):
            log.info("%s  %s", name, measure.line_signature())
        if is_json:
            return report.line_json(evaluation)
        return report.line_report(evaluation, width, bare=options["quiet"])
    if is_json:
        return report.json_report(evaluation)
    if options["quiet"]:
        return report.full_numbers(evaluation, width)
    return report.full_text(evaluation, width)
