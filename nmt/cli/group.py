"""Groups of commands whose modules are imported only when one of them runs."""

import importlib
from collections.abc import Mapping
from typing import Any

import click

from nmt.cli.command import report

Table = Mapping[str, tuple[str, str]]


class LazyGroup(click.Group):
    """Know commands by name, help and place alone, so that asking for help imports no machinery.

    Args:
        table: For each command its line of help and MODULE:FUNCTION, in the order of the help text.
    """

    def __init__(self, *args: Any, table: Table, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self.table:
            return None
        module, _, function = self.table[cmd_name][1].partition(":")
        command: click.Command = getattr(importlib.import_module(module), function)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; Click itself would take a reader that has gone for a failure."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            return report(error)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (line, _) in self.table.items()])
