"""`nmt config`: the group of commands about settings themselves."""

import click

from nmt.cli.group import LazyGroup

COMMANDS: dict[str, tuple[str, str]] = {
    "explain": ("Say of every setting what it is, where from, and what it means.",
                "nmt.cli.config_explain:explain"),
    "check": ("Warn of settings that ruin a run together.", "nmt.cli.config_check:check"),
}  # fmt: skip


@click.group(cls=LazyGroup, table=COMMANDS)
def config() -> None:
    """Look at settings before they cost a run."""
