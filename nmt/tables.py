"""Tables for people: cells in columns of equal width, values spelled by their name and type."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

HASH = re.compile("[0-9a-f]{64}")
SHORT = 12  # digits of a hash that tell one from another by eye
UNKNOWN = "-"
LABELS = {
    "seconds": "time",
    "settings": "settings other than the defaults",
    "logged": "learning curves",
}


def columns(lines: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> Iterator[str]:
    """Align the cells of lines, those of the columns named to the left and others to the right."""
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        cells = (
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def aligned(values: Mapping[str, str]) -> Iterator[str]:
    """Write a name and a value a line; what is not known has no line."""
    return columns([each for each in values.items() if each[1] != UNKNOWN], left=(0, 1))


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Write rows below the names of their columns, words to the left."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[spelled(name, row.get(name)) for name in names] for row in rows]
    of_words = [
        number
        for number, name in enumerate(names)
        if any(isinstance(row.get(name), str) for row in rows)
    ]
    return columns([[label(name) for name in names], *cells], of_words)


def label(name: str) -> str:
    """Spell the name of a value for people."""
    plain = name.removesuffix("_bytes").removesuffix("_seconds")
    return LABELS.get(name) or plain.replace("_", " ")


def spelled(name: str, value: Any) -> str:
    """Spell a value for people, by its name and type."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value[:SHORT] if HASH.fullmatch(value) else value
    if name == "seconds" or name.endswith("_seconds"):
        return str(timedelta(seconds=round(value)))
    if name.endswith("_bytes"):
        return sized(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.4g}"


def sized(size: int) -> str:
    """Spell a number of bytes."""
    from tqdm import tqdm

    return str(tqdm.format_sizeof(size, "B"))
