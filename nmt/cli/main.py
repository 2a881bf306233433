"""The `nmt` command: a lazy group, so that asking for help imports no command's machinery."""

import importlib
import importlib.metadata
import platform
import sys
from collections.abc import Mapping
from typing import Any

import click

import nmt
from nmt.cli.command import report

COMMANDS = {  # in the order of the chain, which is the order of the help text
    "clean": ("Drop damaged and unlikely pairs from parallel text.", "nmt.cli.clean"),
    "split": ("Set development and test pairs apart from training text.", "nmt.cli.split"),
    "segment": ("Learn, apply and undo subword segmentation.", "nmt.cli.segment"),
    "encode": ("Turn text into an encoded corpus for training.", "nmt.cli.encode"),
    "train": ("Train a translation model, resume one, or fine-tune one.", "nmt.cli.train"),
    "average": ("Average the weights of several models.", "nmt.cli.average"),
    "translate": ("Translate lines with a trained model.", "nmt.cli.translate"),
    "score": ("Score translations against references.", "nmt.cli.score"),
    "show": ("Show what a model, run, or encoded corpus holds.", "nmt.cli.show"),
    "attention": ("Compare kinds of attention.", "nmt.cli.attention"),
    "bench": ("Measure speed on this machine.", "nmt.cli.bench"),
    "settings": ("Explain every setting, as a TOML file to start from.", "nmt.cli.settings"),
}
VERSIONS = ("torch", "sentencepiece", "sacrebleu", "safetensors", "numpy")


class LazyGroup(click.Group):
    """Import a command's module only when that command is asked for.

    Attributes:
        table: For each command its line of help and its module, which holds a function of that
            name.
    """

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command."""
        if cmd_name not in self.table:
            return None
        _, module = self.table[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), cmd_name)
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
            formatter.write_dl([(name, text) for name, (text, _) in self.table.items()])


def show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print the versions that matter for reproducing a result, and stop."""
    if not wanted or ctx.resilient_parsing:
        return
    parts = [f"nmt {nmt.__version__}", f"Python {platform.python_version()}"]
    parts += [f"{name} {importlib.metadata.version(name)}" for name in VERSIONS]
    click.echo(", ".join(parts))
    ctx.exit()


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="The chain: segment learn -> encode -> train -> translate -> score. "
    "Each command explains itself: nmt COMMAND --help.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=show_version,
    help="Show the versions that matter and exit.",
)
def group() -> None:
    """Machine translation at the command line, from raw text to a score."""


def main() -> None:
    """Run the command line; turn a user's error into one line and its exit status."""
    try:
        status = group.main(prog_name="nmt", standalone_mode=False)
    except (click.ClickException, click.Abort, Exception) as error:
        sys.exit(report(error))
    sys.exit(status if isinstance(status, int) else 0)
