"""The command `nmt shortlist`."""

import logging
from typing import TYPE_CHECKING

import click

from nmt.cli.command import NmtCommand, verbosity_options

if TYPE_CHECKING:
    from nmt.corpus.corpora import Corpora
    from nmt.model.directory import Package

log = logging.getLogger(__name__)


@click.command(
    cls=NmtCommand, example="nmt shortlist old-run train.encoded --output old-with-shortlist"
)
@click.argument("model", type=click.Path())
@click.argument("corpora", metavar="CORPUS...", nargs=-1, required=True, type=click.Path())
@click.option("--output", required=True, type=click.Path(), help="Model directory to write.")
@verbosity_options
def shortlist(model: str, corpora: tuple[str, ...], output: str) -> None:
    """Learn from CORPUS which target pieces source pieces suggest, and give MODEL a shortlist.

    nmt train does so by itself. This is for models that have none, or for text of another kind;
    weights stay as they are.
    """
    from nmt.corpus.corpora import Corpora
    from nmt.files import atomic_folder
    from nmt.launch.shortlist import learn_shortlist
    from nmt.model.directory import load_package, save_package

    package, read = load_package(model), Corpora(corpora)
    refuse_unlike(model, package, read)
    with atomic_folder(output) as folder:
        package.model.shortlist = learn_shortlist(read, package.segmenters)
        save_package(folder, package)
    found = package.model.shortlist
    log.info(
        "%s: %s pieces for every line, and %.1f suggested by a source piece on average",
        output, f"{len(found.frequent):,}", len(found.suggested) / (len(found.offsets) - 1),
    )  # fmt: skip


def refuse_unlike(model: str, package: "Package", corpora: "Corpora") -> None:
    """Refuse a corpus whose ids mean other pieces, or that holds no pairs."""
    from nmt.errors import DataError
    from nmt.model.directory import resolve

    record, folder = corpora.first.record, resolve(model)
    if "target" not in record.sides:
        raise DataError(f"{corpora.first.folder} is monolingual; a shortlist is learnt from pairs")
    if record.segmenters != package.segmenters.hashes():
        raise DataError(
            f"{corpora.first.folder} was encoded with other segmenters than {model} has; encode "
            f"its text with --model {folder}/source.model --target-model {folder}/target.model"
        )
