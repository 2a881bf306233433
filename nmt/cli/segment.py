"""`nmt segment`: learn subword pieces, cut text into them, and undo that."""

import itertools
import logging
from typing import Any

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.cli.recording import begun, keep
from nmt.settings import to_table
from nmt.text.config import SegmentConfig

log = logging.getLogger(__name__)

model_option = click.option(
    "--model", type=click.Path(), required=True, help="SentencePiece model to use."
)
output_option = click.option(
    "--output", type=click.Path(), default="-", show_default=True, help="Where the lines go."
)


@click.group()
def segment() -> None:
    """Learn, apply and undo subword segmentation."""


@segment.command(
    cls=NmtCommand,
    short_help="Learn pieces from text.",
    example="nmt segment learn train.en train.de --vocab-size 16000 --output joint.model",
)
@click.argument("texts", metavar="TEXT...", nargs=-1, required=True, type=click.Path())
@click.option("--output", type=click.Path(), required=True, help="Model to write.")
@setting_options(
    SegmentConfig,
    "kind",
    "vocab_size",
    "byte_fallback",
    "user_symbols",
    "normalization",
    "character_coverage",
    "max_lines",
    "seed",
)
@config_options
@verbosity_options
def learn(texts: tuple[str, ...], output: str, table: dict[str, Any]) -> None:
    """Learn pieces from each TEXT, all together, and write a SentencePiece model.

    With normalisation identity, text comes back from its pieces character for character; U+2581
    alone comes back as a space.
    """
    from tqdm import tqdm  # deferred, as every command's machinery is

    from nmt.experiment import section
    from nmt.text.learning import learn_segmenter
    from nmt.text.lines import read_lines

    config = section(SegmentConfig, table)
    lines = itertools.chain.from_iterable(map(read_lines, texts))
    quiet = None if log.isEnabledFor(logging.INFO) else True  # None: only at a terminal
    progress = tqdm(lines, desc="reading", unit=" lines", disable=quiet)
    made = begun(click.get_current_context(), ("texts",), {"segment": to_table(config)})
    learn_segmenter(progress, output, config, name=" + ".join(texts))
    keep(made, output)


@segment.command(
    cls=NmtCommand,
    short_help="Cut lines into pieces.",
    example="nmt segment apply --model joint.model < test.en > test.pieces.en",
)
@click.argument("path", metavar="[INPUT]", type=click.Path(), default="-")
@model_option
@output_option
@click.option("--ids", is_flag=True, help="Write the ids of the pieces instead.")
@verbosity_options
def apply(path: str, model: str, output: str, ids: bool) -> None:
    """Cut each line of INPUT (default: standard input) into pieces, separated by spaces."""
    from nmt.text.lines import write_lines
    from nmt.text.pieces import cut_lines
    from nmt.text.segmenter import Segmenter

    write_lines(output, cut_lines(path, Segmenter.load(model), ids=ids))


@segment.command(
    cls=NmtCommand,
    short_help="Join pieces to lines again.",
    example="nmt segment undo --model joint.model < test.pieces.en > test.en",
)
@click.argument("path", metavar="[INPUT]", type=click.Path(), default="-")
@model_option
@output_option
@click.option("--ids", is_flag=True, help="Read ids instead of pieces.")
@verbosity_options
def undo(path: str, model: str, output: str, ids: bool) -> None:
    """Join the pieces on each line of INPUT (default: standard input) to text again."""
    from nmt.text.lines import write_lines
    from nmt.text.pieces import join_lines
    from nmt.text.segmenter import Segmenter

    write_lines(output, join_lines(path, Segmenter.load(model), ids=ids))
