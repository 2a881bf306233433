"""`nmt check`: the group of commands that prove a promise on the user's own settings and data."""

import click

from nmt.cli.group import LazyGroup

COMMANDS: dict[str, tuple[str, str]] = {
    "resume": ("Prove on a run's settings that stopping and resuming changes nothing.",
               "nmt.cli.check_resume:resume"),
    "batch": ("Prove on a text that translations do not depend on what stands beside them.",
              "nmt.cli.check_batch:batch"),
    "data": ("Look for faults in parallel text, and for lines of test sets.",
             "nmt.cli.check_data:data"),
    "corpus": ("Compare every byte of encoded corpora with what was encoded.",
               "nmt.cli.check_corpus:corpus"),
}  # fmt: skip


@click.group(cls=LazyGroup, table=COMMANDS)
def check() -> None:
    """Prove what is promised, on settings and data of your own."""
