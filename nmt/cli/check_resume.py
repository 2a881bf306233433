"""The command `nmt check resume`."""

import tempfile
from pathlib import Path

import click

from nmt.cli.command import NmtCommand, verbosity_options


@click.command(cls=NmtCommand, example="nmt check resume run")
@click.argument("run")
@click.option(
    "--updates", type=click.IntRange(min=3), default=12, show_default=True,
    help="Length of each training; a checkpoint is written each third of it.",
)  # fmt: skip
@verbosity_options
@click.pass_context
def resume(ctx: click.Context, run: str, updates: int) -> None:
    """Prove on a run's settings that stopping and resuming changes nothing.

    Trains briefly from the beginning: straight, ended by TERM and resumed, killed and resumed.
    The ids of every batch, the weights after every update and the state at the end must be the
    same, bit for bit. Prints a line for each; the exit status is 1 when one differs. RUN stays as
    it is; the trainings live in a temporary folder (TMPDIR), which needs room for two checkpoints
    of each.
    """
    from nmt.checks.resuming import Trial

    same = True
    with tempfile.TemporaryDirectory(prefix="nmt-check-") as folder:
        for outcome in Trial.prepare(Path(run), Path(folder), updates).outcomes():
            same &= not outcome.broken
            click.echo(
                f"FAIL  {outcome.told}: {outcome.broken}"
                if outcome.broken
                else f"ok    {outcome.told}"
            )
    ctx.exit(0 if same else 1)
