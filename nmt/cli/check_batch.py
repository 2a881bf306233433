"""The command `nmt check batch`."""

import dataclasses
import json
import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.cli.translate import COMPUTE, SEARCH
from nmt.cli.translate_models import load_parts
from nmt.errors import DataError
from nmt.model.compute import ComputeConfig
from nmt.search.config import SearchConfig
from nmt.settings import Table

if TYPE_CHECKING:
    from nmt.checks.sameness import Difference, Outcome, Trial
    from nmt.translate import Candidate

log = logging.getLogger(__name__)

AT_MOST = 2.0  # of 1,000 lines: kernels round differently for different shapes
SHOWN = 3  # examples


@click.command(
    cls=NmtCommand,
    example="""
    nmt check batch run test.en
    nmt check batch run test.en --precision bf16 --at-most 50
    head -100 test.en | nmt check batch run --batch-invariant
    """,
)
@click.argument("model", type=click.Path())
@click.argument("text", type=click.Path(), default="-")
@click.option(
    "--at-most", type=click.FloatRange(0, 1000),
    help="Lines of 1,000 that may differ.  [default: 2; with --batch-invariant 0]",
)  # fmt: skip
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="A table and examples to read, or one JSON object.",
)  # fmt: skip
@setting_options(SearchConfig, *SEARCH)
@setting_options(ComputeConfig, *COMPUTE)
@config_options
@verbosity_options
@click.pass_context
def batch(
    ctx: click.Context, model: str, text: str, at_most: float | None, style: str, table: Table
) -> None:
    """Prove on TEXT that translations do not depend on what stands beside them.

    Translates TEXT (default: standard input) with MODEL as nmt translate does, then with 1, 2, 7
    and 64 sentences in a batch, in another order, and on 1 and 2 processor threads. Prints how
    many lines each of these translates otherwise (with --nbest, any of the translations), and for
    the first few both translations with their scores. The exit status is 1 when more lines
    differ, in any way, than may.
    """
    from nmt.checks.sameness import Trial, differing
    from nmt.text.lines import read_lines, shown_path

    lines = list(read_lines(text))
    if not lines:
        raise DataError(f"{shown_path(text)} has no lines; there is nothing to translate")
    package, asked, compute = load_parts(model, table)
    search = asked.search
    if at_most is None:
        at_most = 0.0 if search.batch_invariant else AT_MOST
    outcomes = list(watched(Trial(lines, package, search, compute)))
    odd = len(differing(outcomes))
    kept = odd * 1000 <= at_most * len(lines)
    if style == "json":
        facts = {"lines": len(lines), "differ": odd, "at_most_of_1000": at_most, "kept": kept}
        click.echo(json.dumps(facts | record(outcomes), ensure_ascii=False, indent=2))
    else:
        verdict = f"{'ok  ' if kept else 'FAIL'}  {odd:,} of {len(lines):,} lines differ"
        page = [*rows(outcomes, len(lines)), *examples(outcomes)]
        click.echo("\n".join([*page, f"{verdict}; at most {at_most:g} of 1,000 may"]))
    ctx.exit(0 if kept else 1)


def watched(trial: "Trial") -> "Iterator[Outcome]":
    """Give the outcomes, with progress."""
    from tqdm import tqdm

    quiet = None if log.isEnabledFor(logging.INFO) else True  # None: only at a terminal
    return iter(
        tqdm(trial.outcomes(), "check", total=len(trial.ways()), unit=" ways", disable=quiet)
    )


def rows(outcomes: "Sequence[Outcome]", lines: int) -> Iterator[str]:
    """Write a row for each way."""
    from nmt.tables import table

    return table([
        {
            "way": each.way,
            "lines that differ": len(each.differences),
            "of 1,000": 1000 * len(each.differences) / lines,
            "scores apart by": each.score_difference,
        }
        for each in outcomes
    ])  # fmt: skip


def first(outcomes: "Sequence[Outcome]") -> "list[Difference]":
    """Choose examples: the first lines that differ, each once."""
    found: dict[int, Difference] = {}
    for outcome in outcomes:
        for each in outcome.differences:
            found.setdefault(each.line, each)
    return [found[line] for line in sorted(found)][:SHOWN]


def examples(outcomes: "Sequence[Outcome]") -> Iterator[str]:
    """Write both translations of some lines that differ."""
    for each in first(outcomes):
        gap = "" if each.gap is None else f": scores differ by {each.gap:.2g}"
        yield f"line {each.line:,}, {each.way}{gap}"
        for name, candidate in (("usual", each.usual), ("other", each.other)):
            yield f"  {name}  {spelt(candidate)}"


def spelt(candidate: "Candidate | None") -> str:
    """Write a translation with its score."""
    return "(none)" if candidate is None else f"{candidate.score:.6f}  {candidate.text}"


def record(outcomes: "Sequence[Outcome]") -> dict[str, object]:
    """Give all that was found, as JSON has it."""
    ways = [
        {
            "way": each.way,
            "differ": [difference.line for difference in each.differences],
            "score_difference": each.score_difference,
        }
        for each in outcomes
    ]
    shown = [told(each) for each in first(outcomes)]
    return {"ways": ways, "examples": shown}


def told(difference: "Difference") -> dict[str, object]:
    """Give both translations of a line, as `nmt translate` does."""
    named = dataclasses.asdict(difference)
    for side in ("usual", "other"):
        if (found := named[side]) is not None:
            named[side] = {key: found[key] for key in ("text", "score", "log_prob")}
    return {**named, "score_difference": difference.gap}
