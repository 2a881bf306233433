"""The command `nmt align`."""

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from nmt.alignment.head import POSITIONS, Head
from nmt.alignment.links import WAYS, Errors, Links, spell, symmetrise, turned
from nmt.cli.align_choose import GoldLines, Task, chosen
from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.cli.pairs import (
    Passed,
    Row,
    readings_of,
    refuse_ambiguous,
    row_groups,
    skip_option,
    tsv_option,
)
from nmt.errors import ConfigError
from nmt.model.compute import ComputeConfig
from nmt.search.config import SearchConfig
from nmt.settings import Table

if TYPE_CHECKING:
    from nmt.forced.reader import Reader
    from nmt.forced.reading import Details

log = logging.getLogger(__name__)


@click.command(
    cls=NmtCommand,
    example="""
    nmt align run dev.en dev.de --choose
    nmt align run train.en train.de --output train.align
    nmt align run test.en test.de --reverse run-de-en --symmetrise grow-diag
    """,
)
@click.argument("model", type=click.Path())
@click.argument("source", type=click.Path())
@click.argument("target", type=click.Path(), required=False)
@tsv_option
@click.option("--output", type=click.Path(), default="-", help="Where links go.")
@click.option(
    "--choose",
    is_flag=True,
    help="Take SOURCE and TARGET for a development set, print how good each head is at it, and "
    "keep the best in MODEL, as align.json.",
)
@click.option(
    "--gold",
    type=click.Path(),
    help="Links drawn by people, a line for each pair: 0-0, or 0p0 for one that is only possible. "
    "Says the error rate; --choose goes by it.",
)
@click.option(
    "--reverse",
    type=click.Path(),
    help="A model of the opposite direction: makes links of both one; --choose goes by where they "
    "agree.",
)
@click.option(
    "--reverse-tag",
    "reverse_tags",
    multiple=True,
    metavar="TEXT",
    help="What --source-tag is for MODEL, for that of --reverse, which may be the same.",
)
@click.option(
    "--symmetrise",
    type=click.Choice(WAYS),
    help="How to make them one.  [default: grow-diag]",
)
@click.option("--layer", type=click.IntRange(min=0), help="Layer of MODEL's decoder, from 0.")
@click.option(
    "--head", type=click.IntRange(min=0), help="Head of --layer, from 0; by default their mean."
)
@click.option(
    "--position",
    type=click.Choice(POSITIONS),
    help="With --layer: whether the position that predicts a piece tells where it comes from, or "
    "the next one, which reads it.  [default: predicts]",
)
@skip_option
@setting_options(SearchConfig, "batch_tokens", "source_tag")
@setting_options(ComputeConfig, "threads", "device", "precision")
@config_options
@verbosity_options
def align(
    model: str,
    source: str,
    target: str | None,
    tsv: bool,
    output: str,
    choose: bool,
    gold: str | None,
    reverse: str | None,
    reverse_tags: tuple[str, ...],
    symmetrise: str | None,
    layer: int | None,
    head: int | None,
    position: str | None,
    skip: bool,
    table: Table,
) -> None:
    """Say which words of SOURCE and TARGET go with which, by attention of MODEL.

    Writes a line of links for each pair, such as 0-0 2-1: source word 2 goes with target word 1,
    counted from 0. Words are what stands between spaces or tabs.
    """
    from nmt.text.lines import write_lines

    refuse_ambiguous(target, tsv)
    asked = asked_head(layer, head, position)
    refuse_idle(choose, asked, symmetrise)
    for flag, value in (("--symmetrise", symmetrise), ("--reverse-tag", reverse_tags)):
        if value and not reverse:
            raise ConfigError(f"{flag} needs a model of the opposite direction: --reverse MODEL")
    models, readers = [model], [reader_of(model, table)]
    if reverse:
        models.append(reverse)
        readers.append(reader_of(reverse, tagged(table, reverse_tags)))
    task = Task(models, readers, Passed(skip))
    rows, drawn = row_groups(source, target, "align"), GoldLines(gold)
    if choose:
        write_lines(output, chosen(task, rows, drawn))
    else:
        write_lines(output, aligned(task, rows, drawn, asked, symmetrise or WAYS[0]))
    task.passed.report()


def asked_head(layer: int | None, head: int | None, position: str | None) -> Head | None:
    """Take the head that options name, if they name any."""
    if layer is not None:
        return Head(layer, head, position or POSITIONS[0])
    if head is not None or position is not None:
        raise ConfigError("--head and --position need --layer")
    return None


def refuse_idle(choose: bool, asked: Head | None, symmetrise: str | None) -> None:
    """Refuse what would have no effect beside the rest."""
    if choose and (symmetrise or asked):
        raise ConfigError("--choose tries all heads; leave out --layer and --symmetrise")


def tagged(table: Table, tags: tuple[str, ...]) -> Table:
    """Give settings with other tags, or without any, so that a model's own hold."""
    search = table.get("search", {})
    if not isinstance(search, dict):
        return table  # which is refused where it is read
    kept = {name: value for name, value in search.items() if name != "source_tag"}
    return {**table, "search": {**kept, "source_tag": list(tags)} if tags else kept}


def reader_of(model: str, table: Table) -> "Reader":
    """Load a model as what reads pairs."""
    from nmt.cli.translate_models import load_parts
    from nmt.forced.reader import Reader

    package, asked, compute = load_parts(model, table)
    return Reader(package.model, package.segmenters, asked.search, compute)


def aligned(
    task: "Task",
    groups: Iterator[list[Row]],
    drawn: "GoldLines",
    asked: Head | None,
    way: str,
) -> Iterator[str]:
    """Write a line of links for each pair, an empty one for what is passed over."""
    tellers, done = tellers_of(task, asked), 0
    errors = Errors()
    for rows in groups:
        sides = [
            links_of(tell, turned_rows(rows, number), done + 1, task.passed)
            for number, tell in enumerate(tellers)
        ]
        for number, (row, *links) in enumerate(zip(rows, *sides, strict=True), done + 1):
            found = links[0] if len(links) == 1 else symmetrise(links[0], turned(links[1]), way)
            if (gold := drawn.take(number, row)) is not None:
                errors.add(found, gold)
            yield spell(found)
        done += len(rows)
    drawn.refuse_more(done)
    if drawn.path:
        log.info(
            "alignment error rate %.4f, precision %.4f, recall %.4f",
            errors.rate, errors.precision, errors.recall,
        )  # fmt: skip


def tellers_of(task: "Task", asked: Head | None) -> "list[Details]":
    """Give each model its head; what is asked for is of the first."""
    from nmt.cli.details import own_head
    from nmt.forced.reading import Details

    return [
        Details(reader, own_head(model, reader, None if number else asked))
        for number, (model, reader) in enumerate(zip(task.models, task.readers, strict=True))
    ]


def turned_rows(rows: Sequence[Row], number: int) -> Sequence[Row]:
    """Give pairs as a model reads them: the second one the other way round."""
    return [row[::-1] for row in rows] if number else rows


def links_of(
    tell: "Details", rows: Sequence[Row], first_number: int, passed: Passed
) -> list[Links]:
    """Link the words of raw pairs."""
    from nmt.forced.reader import Unfit

    readings = readings_of(tell, rows, first_number, passed, known=False)
    none: Links = frozenset()
    return [none if isinstance(each, Unfit) else each.links or none for each in readings]
