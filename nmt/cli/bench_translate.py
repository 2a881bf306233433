"""The command `nmt bench translate`."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.errors import ConfigError, DataError
from nmt.model.compute import ComputeConfig
from nmt.search.config import SearchConfig
from nmt.settings import Table
from nmt.text.lines import read_lines, shown_path

if TYPE_CHECKING:
    from nmt.bench.marks import Setup
    from nmt.bench.translation_report import Conditions
    from nmt.model.directory import TranslationPackage

SEARCH = (
    "method", "beam", "length_alpha", "limit_ratio", "limit_extra", "batch_tokens",
    "batch_invariant", "source_tag",
)  # fmt: skip
QUANTIZATIONS = ("float32", "int8")
MARKED = (("compute", "precision"), ("search", "shortlist"), ("search", "prune"))


@click.command(
    cls=NmtCommand,
    example="""
    nmt bench translate run test.en
    nmt bench translate run test.en --length 16 --against ctranslate2
    nmt bench translate run test.en --alone
    nmt bench translate run test.en --compare --format json
    """,
)
@click.argument("model", type=click.Path())
@click.argument("text", type=click.Path(), default="-")
@click.option(
    "--length",
    type=click.IntRange(1),
    help="Give every hypothesis exactly so many pieces, whatever the weights are; by default they "
    "end as search finds.",
)
@click.option(
    "--turns", type=click.IntRange(1), default=5, show_default=True,
    help="Times that the text is translated in each way, by turns, after two that warm up.",
)  # fmt: skip
@click.option(
    "--alone", is_flag=True, help="Translate one line at a time, once, and tell how long it takes."
)
@click.option(
    "--compare",
    is_flag=True,
    help="Change single settings of the fast mark, and measure what each brings, by turns.",
)
@click.option(
    "--against",
    type=click.Choice(["ctranslate2"]),
    help="Let CTranslate2 run the same weights by turns with both marks.",
)
@click.option(
    "--quantization",
    "quantizations",
    type=click.Choice(QUANTIZATIONS),
    multiple=True,
    help="Type of its weights; may be given repeatedly.  [default: both]",
)
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="Lines to read, or one JSON object.",
)  # fmt: skip
@setting_options(SearchConfig, *SEARCH)
@setting_options(ComputeConfig, "seed", "threads", "device")
@config_options
@verbosity_options
def translate(
    model: str,
    text: str,
    length: int | None,
    turns: int,
    alone: bool,
    compare: bool,
    against: str | None,
    quantizations: tuple[str, ...],
    style: str,
    table: Table,
) -> None:
    """Measure how fast MODEL translates TEXT (default: standard input); empty lines are left out.

    Two marks: exact, products in float32; fast, in int8 or else bfloat16, where the machine is
    fast at it. Both score the whole vocabulary. Medians over the turns, with the least and the
    most.

    Inside the clock is the way from lines to translations, segmenting and joining included;
    loading is not.
    """
    refuse_together({"--compare": compare, "--alone": alone})
    refuse_together({"--compare": compare, "--against": bool(against)})
    if quantizations and not against:
        raise ConfigError("--quantization needs --against ctranslate2, whose weights it is of")
    refuse_marked(table)
    from nmt.bench.marks import Setup
    from nmt.bench.translation_report import as_object
    from nmt.bench.translators import Way, refuse_length
    from nmt.cli.translate_models import load_parts

    package, asked, compute = load_parts(model, table)
    refuse_length(length or 0, package.model.max_length)
    sitting = Sitting(
        model, text, package, Setup(asked.search, compute, Way(length or 0)), read(text), style
    )
    others = (quantizations or QUANTIZATIONS) if against else ()
    if compare:
        found = show_changes(sitting, turns)
    elif alone:
        found = show_lines(sitting, others)
    else:
        found = show_marks(sitting, others, turns)
    if style == "json":
        click.echo(json.dumps(as_object(sitting.conditions(), found)))


@dataclass(frozen=True)
class Sitting:
    """What is measured, and in which form it is told."""

    model: str
    text: str
    package: "TranslationPackage"
    setup: "Setup"
    lines: list[str]
    style: str

    def conditions(self) -> "Conditions":
        """Say what is measured, and where."""
        import torch

        from nmt.bench.translation_report import Conditions
        from nmt.bench.worker import describe_machine

        setup = self.setup
        machine = describe_machine(setup.compute.device, str(setup.compute.dtype))
        return Conditions(
            model=self.model, text=shown_path(self.text), lines=len(self.lines),
            length=setup.way.length, beam=setup.search.beam, threads=torch.get_num_threads(),
            machine={name: machine[name] for name in ("machine", "device", "torch", "nmt")},
        )  # fmt: skip

    def tell(self, lines: Iterable[str]) -> None:
        """Print lines for people, where they are asked for."""
        if self.style == "text":
            for line in lines:
                click.echo(line)


def show_changes(sitting: Sitting, turns: int) -> dict[str, Any]:
    """Print what single changes bring, as soon as it is known."""
    from nmt.bench.changes import measure_changes
    from nmt.bench.marks import fast
    from nmt.bench.translation_report import change_line

    found = []
    setup = fast(sitting.setup)
    sitting.tell([*sitting.conditions().spelled(), ""])
    sitting.tell([f"speed over that of fast ({setup.described()}), sentences/s, what is changed"])
    for each in measure_changes(sitting.package, setup, sitting.lines, turns):
        found.append(each)
        sitting.tell([change_line(each)])
    return {"turns": turns, "way": setup.described(), "changes": found}


def show_marks(sitting: Sitting, quantizations: Sequence[str], turns: int) -> dict[str, Any]:
    """Print how fast the marks translate the text, and CTranslate2 beside them."""
    from nmt.bench.contest import EXACT, contest
    from nmt.bench.translation import measure_text, share_of_text
    from nmt.bench.translation_report import ratio_lines, speed_lines

    made = sitting.model, sitting.package, sitting.setup
    with contest(*made, quantizations, alone=False) as entered:
        sitting.tell([*sitting.conditions().spelled(), ""])
        found = measure_text(entered.translators, sitting.lines, turns)
    share = share_of_text(sitting.package.segmenters, sitting.lines, found, EXACT)
    ratios = entered.ratios(found.turns)
    sitting.tell(speed_lines(found.speeds, entered.ways))
    sitting.tell(["", f"segmenting and joining: {share:.1%} of the time of {EXACT}", ""])
    sitting.tell(ratio_lines(ratios))
    told = {"turns": turns, "ways": entered.ways, "text_share": share}
    return {**told, "speeds": found.speeds, "ratios": ratios}


def show_lines(sitting: Sitting, quantizations: Sequence[str]) -> dict[str, Any]:
    """Print how long the marks take for a line that comes alone, and CTranslate2 beside them."""
    from nmt.bench.contest import contest
    from nmt.bench.translation import measure_lines
    from nmt.bench.translation_report import latency_lines, ratio_lines

    made = sitting.model, sitting.package, sitting.setup
    with contest(*made, quantizations, alone=True) as entered:
        sitting.tell([*sitting.conditions().spelled(), "one line at a time", ""])
        found, speeds = measure_lines(entered.translators, sitting.lines)
    ratios = entered.ratios(speeds)
    sitting.tell([*latency_lines(found, entered.ways), "", *ratio_lines(ratios)])
    return {"ways": entered.ways, "latencies": found, "ratios": ratios}


def read(text: str) -> list[str]:
    """Read the lines of a text that hold anything.

    Raises:
        DataError: None does.
    """
    lines = [line for line in read_lines(text) if line.strip()]
    if not lines:
        raise DataError(f"{shown_path(text)} has no line to translate")
    return lines


def refuse_marked(table: Table) -> None:
    """Refuse settings that the marks decide."""
    for section, name in MARKED:
        given = table.get(section, {})
        if isinstance(given, dict) and name in given:
            raise ConfigError(
                f"{section}.{name} is what the marks differ in, exact and fast; leave it out"
            )


def refuse_together(given: dict[str, bool]) -> None:
    """Refuse flags of which one is enough."""
    if all(given.values()):
        raise ConfigError(f"{' and '.join(given)} exclude each other; measure one at a time")
