"""The command `nmt settings`."""

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options
from nmt.settings import Table


@click.command(
    cls=NmtCommand,
    example="""
    nmt settings > config.toml
    nmt settings --config config.toml --set model.preset=transformer-base
    """,
)
@click.option(
    "--section", "sections", multiple=True, help="Show this section alone; repeat it for more."
)
@config_options
@verbosity_options
def settings(sections: tuple[str, ...], table: Table) -> None:
    """Explain every setting, with its value, as a TOML file to start from.

    Settings given by --config and --set are shown with their values, a preset's with its own.
    """
    from nmt.experiment import read_experiment
    from nmt.settings import explain, refuse_unknown

    experiment = read_experiment(table)
    refuse_unknown(sections, vars(experiment), "")
    for name in sections:
        click.echo(f"[{name}]\n" + explain(getattr(experiment, name), name), nl=False)
    if not sections:
        click.echo(explain(experiment), nl=False)
