"""What all commands share: help with an example, common options, messages, exit status."""

import errno
import functools
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from nmt.errors import Followed, NmtError

Function = TypeVar("Function", bound=Callable[..., Any])

REFUSALS = {  # of the machine; never a fault of ours
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO,
}  # fmt: skip

MAX_MESSAGE = 2000  # characters

NO_ROOM = (
    "the GPU has no memory left; lower data.batch_tokens (nmt plan --fit finds what has room) or "
    "search.batch_tokens"
)


class NmtCommand(click.Command):
    """A command whose help ends with an example."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example as it is typed, never re-wrapped."""
        if self.example:
            with formatter.section("Example"):
                for line in self.example.strip().split("\n"):
                    formatter.write(f"{'':{formatter.current_indent}}{line.strip()}\n")


def report(error: BaseException) -> int:
    """Tell the user about an error in one line and return the exit status.

    A fault of ours is raised again, so that its traceback is seen.
    """
    if isinstance(error, Followed):
        return error.exit_status
    if isinstance(error, NmtError):
        click.echo(f"nmt: {in_one_line(str(error))}", err=True)
        return error.exit_status
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        click.echo("nmt: interrupted", err=True)
        return 128 + signal.SIGINT
    if isinstance(error, BrokenPipeError):
        close_output()
        return 128 + signal.SIGPIPE
    if type(error).__name__ == "OutOfMemoryError":  # torch's: to name it were to import torch
        click.echo(f"nmt: {NO_ROOM}", err=True)
        return 1
    if isinstance(error, OSError) and error.errno in REFUSALS:
        click.echo(f"nmt: {error.filename or 'standard output'}: {error.strerror}", err=True)
        if error.filename is None:
            close_output()
        return 1
    raise error


def in_one_line(message: str) -> str:
    """Show what a file may have put into a message: no control characters, and not all of it."""
    letters = message[: MAX_MESSAGE + 1]
    shown = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in letters
    )
    return shown if len(message) <= MAX_MESSAGE else f"{shown[:MAX_MESSAGE]} ..."


def close_output() -> None:
    """Let what Python writes to standard output at its exit, once more, go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def verbosity_options(function: Function) -> Function:
    """Add -v and -q; messages and progress go to standard error."""

    @click.option("-v", "--verbose", count=True, help="Say more on standard error.")
    @click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
    @functools.wraps(function)
    def wrapped(*args: Any, verbose: int, quiet: bool, **kwargs: Any) -> Any:
        level = logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO
        logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr, force=True)
        return function(*args, **kwargs)

    return wrapped  # type: ignore[return-value]
