"""The group `nmt attention`."""

import click

from nmt.cli.main import LazyGroup

COMMANDS = {
    "compare": ("Train variants under one recipe and compare them.", "nmt.cli.attention_compare"),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def attention() -> None:
    """Look into attention: what a choice costs and what it gains."""
