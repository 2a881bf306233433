"""`nmt score`: how near translations come to references."""

from typing import Any

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.scoring.config import ScoreConfig
from nmt.scoring.metrics import DEFAULT_METRICS, METRICS


@click.command(
    cls=NmtCommand,
    example="""
    nmt score test.hyp.de --ref test.de
    nmt translate run < test.en | nmt score --ref test.de --metric chrf++ --format json
    """,
)
@click.argument("hypothesis", type=click.Path(), default="-")
@click.option(
    "--ref",
    "references",
    type=click.Path(),
    multiple=True,
    required=True,
    help="Reference text; repeat it to score against several.",
)
@click.option(
    "--metric",
    "metrics",
    type=click.Choice(list(METRICS)),
    multiple=True,
    default=DEFAULT_METRICS,
    show_default=True,
    help="Metric to report; repeat it for more. Of ter, lower is better.",
)
@setting_options(ScoreConfig, "lowercase", "tokenize")
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
    help="One line to quote for each metric, or one JSON object.",
)
@click.option(
    "--output", type=click.Path(), default="-", show_default=True, help="Where the scores go."
)
@config_options
@verbosity_options
@click.pass_context
def score(
    context: click.Context,
    hypothesis: str,
    references: tuple[str, ...],
    metrics: tuple[str, ...],
    width: int,
    style: str,
    output: str,
    table: dict[str, Any],
) -> None:
    """Score the translations in HYPOTHESIS (default: standard input) against references.

    Scores are sacreBLEU's, for the text as a whole. With --quiet, text is the numbers alone, one
    line for each metric.
    """
    from nmt.experiment import section
    from nmt.scoring.checks import read_checked  # deferred, as every command's machinery is
    from nmt.scoring.metrics import corpus_scores
    from nmt.scoring.report import json_report, number_report, text_report
    from nmt.text.lines import write_lines

    config = section(ScoreConfig, table)
    text, others = read_checked(hypothesis, references)
    scores = corpus_scores(text.lines, [other.lines for other in others], config, metrics)
    if style == "json":
        lines = json_report(scores, text, others)
    elif context.params["quiet"]:
        lines = number_report(scores.values(), width)
    else:
        lines = text_report(scores.values(), width)
    write_lines(output, lines)
