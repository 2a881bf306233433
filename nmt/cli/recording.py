"""What commands write down about what they wrote: the record beside an output."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nmt.cli.options import MARK
from nmt.errors import ConfigError

if TYPE_CHECKING:
    from nmt.provenance import Tally

Function = TypeVar("Function", bound=Callable[..., Any])

WITHOUT_INFLUENCE = {"config", "assignments", "verbose", "quiet", "workers"}  # beyond settings
# What is written besides, and a program that someone else's record must not be able to name.
NOT_REPEATED = {"output", "record", "html", "comet_python"}


def record_option(function: Function) -> Function:
    """Add --record."""
    return click.option(
        "--record", type=click.Path(),
        help="Where the record of what this was made from goes.  [default: OUTPUT.manifest.json; "
        "none for standard output]",
    )(function)  # fmt: skip


def refuse_record(output: str, record: str | None) -> None:
    """Refuse, before anything is computed, a record that could not be written.

    Raises:
        ConfigError: It would take the place of the output, or has no folder.
    """
    if record is None:
        return
    if record == "-" or Path(record).absolute() == Path(output).absolute():
        raise ConfigError(f"--record must be a file of its own, not {record}")
    if not Path(record).absolute().parent.is_dir():
        raise ConfigError(f"--record: there is no folder {Path(record).parent}")


def is_kept(output: str, record: str | None) -> bool:
    """Tell whether there is to be a record."""
    return record is not None or output != "-"


def inputs_of(params: Mapping[str, Any], *names: str) -> dict[str, str]:
    """Take the paths of inputs from what a command was given; one that takes several numbers them.

    Args:
        names: Of parameters.
    """
    paths: dict[str, str] = {}
    for name in names:
        given = params[name]
        if isinstance(given, tuple | list):
            paths |= {f"{name}[{number}]": path for number, path in enumerate(given)}
        elif given:
            paths[name] = given
    return paths


def options_of(context: click.Context, *inputs: str) -> dict[str, Any]:
    """Take from what a command was given all that is neither a setting nor an input.

    What is as by default is left out.
    """
    usual = {param.name: param.get_default(context) for param in context.command.params}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in context.params.items()
        if MARK not in name
        and name not in {*WITHOUT_INFLUENCE, *NOT_REPEATED, *inputs}
        and value not in (None, usual.get(name), ())
    }


def begun(context: click.Context, inputs: tuple[str, ...], requested: dict[str, Any]) -> Any:
    """Begin the record of what a command writes.

    Args:
        inputs: Parameters that name files or folders that are read.
        requested: Sections of settings that the output depends on, defaults filled in.
    """
    from nmt.provenance import make_record

    command = context.command_path.removeprefix("nmt ")
    paths, options = inputs_of(context.params, *inputs), options_of(context, *inputs)
    return make_record(command, paths, options, requested)


def keep(
    table: dict[str, Any],
    output: str,
    record: str | None = None,
    seen: "Tally | None" = None,
    **more: Any,
) -> None:
    """Write the record of an output, now that it is there.

    Args:
        seen: What was written, where it went to no file.
        more: What else is known of it.
    """
    from nmt import provenance

    path = provenance.record_path(output, record)
    if path is None:
        return
    threads = more.get("compute", {}).get("threads", 0)
    written = {"output": provenance.described_output(output, seen)}
    provenance.keep_record(path, {**table, **written, **more, **provenance.surroundings(threads)})
