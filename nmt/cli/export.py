"""The command `nmt export`."""

import logging
from typing import TYPE_CHECKING

import click

from nmt import tables
from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.model.compute import ComputeConfig
from nmt.settings import Table

if TYPE_CHECKING:
    from nmt.export.verify import Difference

log = logging.getLogger(__name__)


@click.command(
    cls=NmtCommand,
    example="""
    nmt export run --to ctranslate2 --output exported --verify dev.en
    nmt export run --to ctranslate2 --output small --quantization int8 --verify dev.en --least 0.8
    nmt export run --to huggingface --output marian --verify dev.en
    """,
)
@click.argument("model", type=click.Path())
@click.option(
    "--to", "target", type=click.Choice(["ctranslate2", "huggingface"]), required=True,
    help="Format: CTranslate2's, or that of Marian models in Hugging Face's transformers.",
)  # fmt: skip
@click.option("--output", required=True, type=click.Path(), help="Folder to write.")
@click.option(
    "--quantization",
    type=click.Choice(["float32", "int8", "int8_float32", "bfloat16", "float16"]),
    default="float32",
    show_default=True,
    help="Type of the weights in CTranslate2's format; all but float32 change translations.",
)
@click.option(
    "--verify", "text", metavar="TEXT", type=click.Path(),
    help="Translate the lines of this text by the model and by the export, and compare.",
)  # fmt: skip
@click.option(
    "--least",
    metavar="SHARE",
    type=click.FloatRange(0.0, 1.0),
    default=0.99,
    show_default=True,
    help="With --verify: share of lines that must come out the same; below it nothing is written.",
)
@setting_options(ComputeConfig, "threads", "device")
@config_options
@verbosity_options
def export(
    model: str, target: str, output: str, quantization: str, text: str | None, least: float,
    table: Table,
) -> None:  # fmt: skip
    """Write MODEL in the format of another program, to a folder that needs nothing else.

    What the format cannot hold exactly is refused, with the reason. That program's package is
    an extra: pip install 'nmt[ctranslate2]' or 'nmt[huggingface]'. --verify searches as the model
    does by itself, as far as other programs can (beam, length_alpha, limits, tags).
    """
    from nmt.experiment import read_experiment
    from nmt.export.folder import load_for_export, write_export
    from nmt.export.verify import comparable, refuse_difference, verify
    from nmt.files import atomic_folder

    compute = read_experiment(table).compute
    package = load_for_export(model)
    with atomic_folder(output) as folder:
        write_export(package, folder, target, quantization)
        if text is not None:
            search = comparable({**package.settings.get("search", {}), **table.get("search", {})})
            found = verify(package, folder, text, search, compute)
            show(found)
            refuse_difference(found, least)
    log.info("%s: %s, %s weights", output, target, quantization)


def show(found: "Difference") -> None:
    """Print what differs."""
    rows = [
        {
            "lines": found.lines,
            "identical": found.identical,
            "share": f"{found.share:.2%}",
            "largest difference of a score": f"{found.score:.1e}",
        }
    ]
    for line in tables.table(rows):
        click.echo(line)
