"""The command `nmt attention prune`."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from nmt.cli.command import NmtCommand, verbosity_options

if TYPE_CHECKING:
    from nmt.model.pruning import Gated

log = logging.getLogger(__name__)


@click.command(
    cls=NmtCommand,
    example="""
    nmt train --from run --attention gated-heads --set attention.encoder.penalty=0.1 \\
        --train corpus --output gated
    nmt attention prune gated pruned
    """,
)
@click.argument("model", type=click.Path())
@click.argument("output", type=click.Path())
@click.option(
    "--closed-below",
    metavar="GATE",
    type=click.FloatRange(0.0, 1.0),
    default=0.0,
    show_default=True,
    help="Take gates below this for closed. Above 0 it is lossy: heads go that let something "
    "through, and the result translates differently.",
)
@verbosity_options
def prune(model: str, output: str, closed_below: float) -> None:
    """Remove the heads of MODEL whose gates are closed; write what is left to OUTPUT.

    The result translates as MODEL does, and is smaller and faster. Gates come from training with
    --attention gated-heads and a penalty on open ones (arXiv:1905.09418), from the start or from
    a trained model.
    """
    from nmt.files import atomic_folder
    from nmt.model.derived import credited
    from nmt.model.directory import count_parameters, load_any, save_package
    from nmt.model.pruning import gated_mechanisms, prune_heads

    package = load_any(model)
    gated = gated_mechanisms(package, closed_below)
    pruned = prune_heads(package, closed_below)
    with atomic_folder(output) as folder:
        done = {"operation": "prune", "closed_below": closed_below}
        save_package(folder, credited(pruned, model, **done))
    report(output, gated)
    log.info(
        "%s parameters of %s are left",
        f"{count_parameters(pruned.model):,}", f"{count_parameters(package.model):,}",
    )  # fmt: skip


def report(output: str, gated: Mapping[str, "Gated"]) -> None:
    """Say which heads are left, and what was lost."""
    for name, each in gated.items():
        log.info("%s: %d of %d heads", name, len(each.kept), len(each.values))
    lost = [value for each in gated.values() for value in each.lost.tolist()]
    if lost:
        log.warning(
            "%d heads were removed whose gates were open, up to %.2f: %s translates differently; "
            "score it, and train it further with nmt train --from %s",
            len(lost), max(lost), output, output,
        )  # fmt: skip
