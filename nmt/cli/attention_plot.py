"""The command `nmt attention plot`."""

import logging
import os
import re
from itertools import islice
from typing import TYPE_CHECKING

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import roles_option
from nmt.errors import ConfigError, DataError

if TYPE_CHECKING:
    from nmt.study.sight import Sight

log = logging.getLogger(__name__)

PATH = re.compile(r"\S*(/\S+|\w\.[A-Za-z]\w*)")  # a folder, or a name with an ending
FORMS = ("html", "png", "svg")


@click.command(
    cls=NmtCommand,
    example="""
    nmt attention plot run --source "Click OK to save the changes."
    nmt attention plot run --source test.en --target test.de --line 3 --roles cross --output m.svg
    """,
)
@click.argument("model", type=click.Path())
@click.option(
    "--source",
    metavar="TEXT|FILE|-",
    default="-",
    show_default=True,
    help="A line to read, or a file of such lines.",
)
@click.option(
    "--target",
    metavar="TEXT|FILE",
    help="What to read as its translation; by default, the model's own.",
)
@click.option(
    "--line", type=click.IntRange(min=1), default=1, show_default=True, help="Which of a file."
)
@roles_option("Of encoder, decoder, cross: those to draw; all by default.")
@click.option("--layer", type=int, help="Only this layer, from 0.")
@click.option("--head", type=int, help="Only this head, from 0.")
@click.option(
    "--output",
    type=click.Path(),
    default="attention.html",
    show_default=True,
    help="File to write: .html with a choice of layers and heads; .png or .svg with all of them.",
)
@verbosity_options
def plot(
    model: str,
    source: str,
    target: str | None,
    line: int,
    roles: list[str],
    layer: int | None,
    head: int | None,
    output: str,
) -> None:
    """Draw what MODEL attends to in a line and its translation, layer by layer, head by head."""
    from nmt.files import atomic_write
    from nmt.model.compute import ComputeConfig, prepare
    from nmt.model.directory import load_package
    from nmt.pictures import form_of
    from nmt.study.sight import chosen, look

    form = form_of(output, "--output", FORMS)
    if line > 1 and not (is_file(source) or is_file(target or "")):
        raise ConfigError(f"--line {line}: neither --source nor --target is a file that exists")
    pair = read_line(source, line), None if target is None else read_line(target, line)
    compute = prepare(ComputeConfig(precision="fp32"), training=False)
    sight = chosen(look(load_package(model), pair, compute), roles, layer, head)
    drawn = draw(sight, pair, form, head or 0)
    with atomic_write(output) as stream:
        stream.write(drawn)
    for each in sight.layers:
        if each.weights is None:
            log.warning("%s layer %d gives no weights and stays blank", each.role, each.layer)
    log.info("%s", output)


def draw(sight: "Sight", pair: tuple[str, str | None], form: str, first_head: int) -> bytes:
    """Draw in the form that is asked for."""
    if form == "html":
        from nmt.study.page import page

        return page(sight, pair, first_head).encode()
    from nmt.study.heat_map import heat_maps

    return heat_maps(sight, form, first_head)


def is_file(given: str) -> bool:
    """Tell whether what is given is where lines stand, standard input included."""
    return given == "-" or os.path.isfile(given)  # noqa: PTH113 (a text may be no possible name)


def read_line(given: str, number: int) -> str:
    """Take a text as it is, or a line of a file or of standard input."""
    from nmt.text.lines import read_lines, shown_path

    if not is_file(given):
        refuse_missing_file(given)
        return given
    found = next(islice(read_lines(given), number - 1, None), None)
    if found is None:
        raise DataError(f"{shown_path(given)} has no line {number}")
    return found


def refuse_missing_file(given: str) -> None:
    """Refuse a text that looks like the name of a file which is not there."""
    if PATH.fullmatch(given):
        raise DataError(
            f"there is no file {given}, and a text of one word is not taken to be one; if it is "
            "the text, give it on standard input, as -"
        )
