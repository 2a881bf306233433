"""Settings: declared once in frozen dataclasses, read from TOML, refused when unknown.

A section is a frozen, keyword-only dataclass whose fields are made by `setting`. Types that a
field may have: bool, int, float, str, another section, or a tuple of any number of strings, numbers
or sections.
"""

import dataclasses
import difflib
import tomllib
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from nmt.errors import ConfigError, DataError
from nmt.files import atomic_write, read_bounded, refuse_deep

Section = TypeVar("Section")
Value = TypeVar("Value")
Table = dict[str, Any]

MAX_BYTES = 2**18  # of a file of settings; the longest that makes sense has some kilobytes
MAX_DOTS = 500  # in a line; what a key of many parts costs to read grows with their square

LIST_NAMES = {str: "strings", float: "numbers"}
KIND_NAMES = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}


def setting(default: Value, doc: str, *, choices: Iterable[str] = ()) -> Value:
    """Declare a field of a section: its default, one sentence of help, its choices if few."""
    return dataclasses.field(default=default, metadata={"doc": doc, "choices": tuple(choices)})


def load_table(path: str | Path) -> Table:
    """Read a TOML file.

    Raises:
        ConfigError: The file is missing, is no file, is absurdly long or deep, or is not TOML
            (line and column named).
    """
    try:
        content = read_bounded(path, MAX_BYTES)
        if any(line.count(b".") > MAX_DOTS for line in content.split(b"\n")):
            raise DataError(f"{path} has a line with more than {MAX_DOTS} dots")
        table = tomllib.loads(content.decode("utf-8"))
        refuse_deep(table, path)
    except DataError as error:
        raise ConfigError(str(error)) from None
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"cannot read settings from {path}: {reason}") from None
    return table


def save_table(table: Table, path: str | Path) -> None:
    """Write a TOML file, whole or not at all."""
    with atomic_write(path) as stream:
        stream.write(spelt_table(table))


def spelt_table(table: Table) -> bytes:
    """Write a table as TOML."""
    return tomli_w.dumps(table).encode()


def parse_assignment(text: str) -> tuple[str, Any]:
    """Read `section.key=value`; a value that is not TOML is taken as a plain string."""
    name, equals, value = text.partition("=")
    if not equals or "." not in name:
        raise ConfigError(f"--set needs section.key=value, not {text!r}")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def assign(table: Table, name: str, value: object) -> None:
    """Set the dotted name in a nested table, making the tables on the way."""
    *parents, key = name.split(".")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{name}: {parent} is a setting, not a section")
    table[key] = value


def build(kind: type[Section], table: Mapping[str, Any], where: str = "") -> Section:
    """Make a section from a table, checking names, types and choices.

    Args:
        where: The dotted name of the section, for messages.

    Raises:
        ConfigError: A key is unknown (the nearest known one is offered) or a value is wrong.
    """
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} is a section, not a setting; write [{where}]")
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, kind))}
    refuse_unknown(table, fields, where)
    values: Table = {}
    for name, value in table.items():
        full = f"{where}.{name}" if where else name
        if dataclasses.is_dataclass(hints[name]):
            values[name] = build(typing.cast(type[Any], hints[name]), value, full)
        else:
            values[name] = checked(value, hints[name], full)
            check_choice(value, fields[name].metadata.get("choices", ()), full)
    return kind(**values)


def refuse_unknown(table: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise ConfigError for the first key that is not known, offering the nearest."""
    names = sorted(known)
    for key in table:
        if key in names:
            continue
        full = f"{where}.{key}" if where else key
        raise ConfigError(f"unknown setting {full}; {nearest(key, names)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Offer the known name most like this one, or all of them when none is like it."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(names)}"


def checked(value: object, hint: object, where: str) -> object:
    """Return the value as the type that the field declares, or refuse it."""
    if typing.get_origin(hint) is tuple:
        return checked_list(value, typing.get_args(hint)[0], where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    kind = typing.cast(type, hint)
    if type(value) is kind:
        return value
    raise ConfigError(f"{where} must be {KIND_NAMES[kind]}, not {shown(value)}")


def checked_list(value: object, kind: type, where: str) -> tuple[object, ...]:
    """Return the values as a tuple of the kind that the field declares, or refuse them.

    A string, or a number, stands for a list of one.
    """
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise ConfigError(f"{where} is a list of sections; write [[{where}]]")
        return tuple(build(kind, each, f"{where}[{place}]") for place, each in enumerate(value))
    items = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    try:
        return tuple(checked(item, kind, where) for item in items)
    except ConfigError:
        raise ConfigError(
            f"{where} must be a list of {LIST_NAMES[kind]}, not {shown(value)}"
        ) from None


def check_choice(value: object, choices: Sequence[str], where: str) -> None:
    """Refuse a value that is not among the choices, where there are any."""
    if choices and value not in choices:
        raise ConfigError(f"{where} must be one of {', '.join(choices)}, not {value!r}")


def shown(value: object) -> str:
    """Spell a TOML value for a message."""
    return f"{value!r} ({KIND_NAMES.get(type(value), type(value).__name__)})"


def to_table(section: object) -> Table:
    """Turn a section into a table that `build` reads back to an equal section."""
    table: Table = {}
    for field in dataclasses.fields(typing.cast(Any, section)):
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            table[field.name] = to_table(value)
        else:
            table[field.name] = plain(value)
    return table


def explain(section: object, where: str = "") -> str:
    """Write a section as TOML, each setting below its sentence of help."""
    lines, nested = [], []
    for field in dataclasses.fields(typing.cast(Any, section)):
        full = f"{where}.{field.name}" if where else field.name
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            nested.append(f"{heading(value, full)}{explain(value, full)}")
            continue
        choices = field.metadata["choices"]
        allowed = f" One of: {', '.join(choices)}." if choices else ""
        lines.append(f"# {field.metadata['doc']}{allowed}")
        lines.append(spelt(field.name, plain(value)))
    return "\n".join([*lines, "", *nested] if lines else nested)


def spelt(name: str, value: object) -> str:
    """Write one setting as TOML, on its own: a list of sections is kept in its brackets."""
    if not (isinstance(value, list) and value and isinstance(value[0], dict)):
        return tomli_w.dumps({name: value}).strip()
    tables = (", ".join(spelt(*each) for each in table.items()) for table in value)
    return f"{name} = [{', '.join(f'{{{table}}}' for table in tables)}]"


def heading(section: object, full: str) -> str:
    """Write the head of a section; one that only groups others has none."""
    values = (getattr(section, each.name) for each in dataclasses.fields(typing.cast(Any, section)))
    return "" if all(map(dataclasses.is_dataclass, values)) else f"[{full}]\n"


def plain(value: object) -> object:
    """Turn a value into what TOML knows."""
    if not isinstance(value, tuple):
        return value
    return [to_table(each) if dataclasses.is_dataclass(each) else each for each in value]
