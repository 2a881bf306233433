"""Where each setting stands in a file of them."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str, ...]


def line_numbers(text: str) -> dict[str, int]:
    """Give the line on which each setting of a TOML text begins, by its dotted name.

    A list of sections stands where its first one does. The text is cut into statements, the
    shortest runs of lines that are TOML on their own.
    """
    numbers: dict[str, int] = {}
    heading: Path = ()
    for number, table, is_heading in statements(text):
        if not is_heading:
            for name, _ in leaves(table, heading):
                numbers.setdefault(name, number)
            continue
        heading = path_of(table)
        if statement_is_list(table):
            numbers.setdefault(".".join(heading), number)
    return numbers


def statements(text: str) -> Iterator[tuple[int, dict[str, Any], bool]]:
    """Cut a TOML text: the line where a statement begins, what it says, whether it is a heading."""
    pending, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        first = first if pending else number
        pending += f"{line}\n"
        try:
            table = tomllib.loads(pending)
        except tomllib.TOMLDecodeError:
            continue  # the value goes on
        if table:
            yield first, table, pending.lstrip().startswith("[")
        pending = ""


def path_of(table: Mapping[str, Any]) -> Path:
    """Give the names in a heading, [a.b] or [[a.b]], from the tables that it makes."""
    ((name, inner),) = table.items()
    return (name, *path_of(inner)) if isinstance(inner, dict) and inner else (name,)


def statement_is_list(table: Mapping[str, Any]) -> bool:
    """Tell whether a heading begins a section of a list."""
    (inner,) = table.values()
    return isinstance(inner, list) or (bool(inner) and statement_is_list(inner))


def leaves(table: Mapping[str, Any], before: Path = ()) -> Iterator[tuple[str, Any]]:
    """Give every setting in nested tables, by its dotted name."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value, (*before, name))
        else:
            yield ".".join((*before, name)), value
