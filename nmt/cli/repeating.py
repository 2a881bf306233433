"""Give a command again, as its record says that it was given."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from nmt.errors import DataError

log = logging.getLogger(__name__)

Report = dict[str, Any]


def repeat(record: Report, paths: Mapping[str, str], output: str, folder: Path) -> None:
    """Give the command of a record again.

    Args:
        folder: For what is of no use afterwards.
    """
    from nmt.cli.recording import NOT_REPEATED
    from nmt.settings import save_table

    if odd := sorted({*record["options"], *gathered(paths)} & NOT_REPEATED):
        raise DataError(f"the record says what its command was to write or run besides: {odd[0]}")
    requested = {name: dict(section) for name, section in record["requested"].items()}
    threads = record.get("compute", {}).get("threads")
    precision = record.get("compute", {}).get("precision")
    if threads and "compute" in requested:
        requested["compute"]["threads"] = threads
    if precision and requested.get("compute", {}).get("precision") == "auto":
        requested["compute"]["precision"] = precision  # what auto came to
    save_table(requested, folder / "settings.toml")
    values = {**record["options"], **gathered(paths), "output": output,
              "config": str(folder / "settings.toml")}  # fmt: skip
    command, parent = found(record["command"])
    if not log.isEnabledFor(logging.INFO):
        values["quiet"] = True
    arguments = spelled_out(command, values)
    log.info("nmt %s %s", record["command"], " ".join(arguments))
    with command.make_context(command.name, arguments, parent=parent) as context:
        command.invoke(context)


def found(name: str) -> tuple[click.Command, click.Context]:
    """Find a command, and the context that it would have at the shell."""
    from nmt.cli.main import group

    context = click.Context(group, info_name="nmt")
    *groups, last = name.split()
    command = group.get_command(context, (groups or [last])[0])
    assert command is not None
    if groups:
        assert isinstance(command, click.Group)
        context = click.Context(command, info_name=groups[0], parent=context)
        command = command.get_command(context, last)
        assert command is not None
    return command, context


def gathered(paths: Mapping[str, str]) -> dict[str, Any]:
    """Give inputs by the name of their parameter, a list where they are numbered."""
    values: dict[str, Any] = {}
    for name, path in paths.items():
        if name.endswith("]"):
            values.setdefault(name.partition("[")[0], []).append(path)
        else:
            values[name] = path
    return values


def spelled_out(command: click.Command, values: Mapping[str, Any]) -> list[str]:
    """Spell what a command is given as it is typed.

    Raises:
        DataError: The command knows no such option.
    """
    named: list[str] = []
    placed: list[str] = []
    if odd := sorted(values.keys() - {str(param.name) for param in command.params}):
        raise DataError(f"the record has an option that nmt {command.name} lacks: {odd[0]}")
    for param in command.params:
        value = values.get(str(param.name))
        if value is None:
            continue
        several = [str(each) for each in value] if isinstance(value, list) else [str(value)]
        if isinstance(param, click.Argument):
            placed += several
        elif isinstance(value, bool):
            named.append(param.opts[0] if value else param.secondary_opts[0])
        else:
            named += [text for each in several for text in (param.opts[0], each)]
    return [*named, "--", *placed]
