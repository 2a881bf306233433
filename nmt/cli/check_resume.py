"""The command `nmt check resume`."""

import click

from nmt.cli.command import NmtCommand, verbosity_options


@click.command(cls=NmtCommand, example="nmt check resume run")
@click.argument("run")
@verbosity_options
def resume(run: str) -> None:
    """Prove on a run's settings that stopping and resuming changes nothing."""
    raise click.ClickException(f"{run}: still to be written")
