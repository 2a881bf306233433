"""The `nmt` command."""

import _thread
import importlib.metadata
import platform
import sys
import threading

import click

import nmt
from nmt.cli.command import report
from nmt.cli.group import LazyGroup
from nmt.provenance import LIBRARIES

COMMANDS = {  # in the order of the chain, which is the order of the help text
    "clean": ("Drop damaged and unlikely pairs from parallel text.", "nmt.cli.clean:clean"),
    "split": ("Set development and test pairs apart from training text.", "nmt.cli.split:split"),
    "segment": ("Learn, apply and undo subword segmentation.", "nmt.cli.segment:segment"),
    "encode": ("Turn text into an encoded corpus for training.", "nmt.cli.encode:encode"),
    "plan": ("Say what a training will take, before it runs.", "nmt.cli.plan:plan"),
    "train": ("Train a model, resume one, or fine-tune one.", "nmt.cli.train:train"),
    "replay": ("See again why an update was skipped.", "nmt.cli.replay:replay"),
    "average": ("Average the weights of several models.", "nmt.cli.average:average"),
    "shortlist": (
        "Learn which target pieces a model may choose from for a source.",
        "nmt.cli.shortlist:shortlist",
    ),
    "translate": ("Translate lines with a trained model.", "nmt.cli.translate:translate"),
    "export": ("Write a model in the format of another program.", "nmt.cli.export:export"),
    "force": ("Score given translations by a model: forced decoding.", "nmt.cli.force:force"),
    "align": ("Say which words of parallel text go with which.", "nmt.cli.align:align"),
    "generate": ("Write text with a language model.", "nmt.cli.generate:generate"),
    "score": ("Score translations against references.", "nmt.cli.score:score"),
    "show": ("Show what a model, run, or encoded corpus holds.", "nmt.cli.show:show"),
    "diff": ("Say what differs between two runs, next to their scores.", "nmt.cli.diff:diff"),
    "reproduce": (
        "Make a run, translation or score again; say what differs.",
        "nmt.cli.reproduce:reproduce",
    ),
    "check": ("Prove what is promised, on settings and data of your own.", "nmt.cli.check:check"),
    "attention": ("Choose, measure, compare and check attention.", "nmt.cli.attention:attention"),
    "bench": ("Measure speed on this machine.", "nmt.cli.bench:bench"),
    "config": ("Explain settings, and warn of those that ruin a run.", "nmt.cli.config:config"),
    "settings": (
        "Explain every setting, as a TOML file to start from.",
        "nmt.cli.settings:settings",
    ),
}


def show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print the versions that matter for reproducing a result, and stop."""
    if not wanted or ctx.resilient_parsing:
        return
    parts = [f"nmt {nmt.__version__}", f"Python {platform.python_version()}"]
    parts += [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
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


def interrupt_again(lost: "sys.UnraisableHookArgs") -> None:
    """Repeat an interrupt that came where Python cannot raise, such as in a destructor."""
    if isinstance(lost.exc_value, KeyboardInterrupt):
        threading.Timer(0.05, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(lost)


def main() -> None:
    """Run the command line; turn a user's error into one line and its exit status."""
    sys.unraisablehook = interrupt_again
    try:
        status = group.main(prog_name="nmt", standalone_mode=False)
    except (click.ClickException, click.Abort, Exception) as error:
        sys.exit(report(error))
    sys.exit(status if isinstance(status, int) else 0)
