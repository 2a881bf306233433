"""The command `nmt replay`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt.cli.command import NmtCommand, verbosity_options

if TYPE_CHECKING:
    from nmt.checks.replay import Scene

SHOWN = 10  # sentences


@click.command(cls=NmtCommand, example="nmt replay run/crash/update-7")
@click.argument("crash", metavar="RUN/crash/update-N")
@click.option("--device", default="", help="Where to compute; otherwise where training did.")
@verbosity_options
@click.pass_context
def replay(ctx: click.Context, crash: str, device: str) -> None:
    """See again why an update was skipped.

    Computes its loss and gradient once more, and names the first module whose output, or whose
    gradient, is not finite, and the sentences that make it so. The exit status is 1 when all is
    finite now.
    """
    from nmt.checks.replay import Scene, compute_again, sentences_to_blame

    scene = Scene.load(Path(crash), device)
    evidence = scene.evidence
    click.echo(
        f"update {evidence.update:,}, then: loss {evidence.loss:.6g}, gradient's length "
        f"{evidence.gradient_norm}"
    )
    finding = compute_again(scene, list(evidence.batches))
    click.echo(f"now: loss {finding.loss:.6g}, gradient's length {finding.norm}")
    if finding.is_finite:
        click.echo("nothing to see: all is finite this time")
        ctx.exit(1)
    click.echo(f"first not finite: {finding.first}")
    show(scene, sentences_to_blame(scene, finding))


def show(scene: "Scene", places: list[tuple[int, int]]) -> None:
    """Print sentences to blame."""
    from nmt.checks.replay import text_of

    total = sum(len(batch.source) for batch in scene.evidence.batches)
    if len(places) in (0, total):
        click.echo("sentences: none more than others" if not places else "sentences: every one")
        return
    click.echo(f"sentences: {len(places):,} of {total:,}")
    for number, row in places[:SHOWN]:
        pair = text_of(scene, (number, row))
        click.echo(f"batch {number + 1}, pair {row + 1}: {pair['source']}\t{pair['target']}")
    if len(places) > SHOWN:
        click.echo(f"and {len(places) - SHOWN:,} more")
