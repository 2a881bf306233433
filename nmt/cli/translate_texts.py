"""What `nmt translate` reads: text, in groups, and what translations must begin with."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from nmt.errors import DataError
from nmt.text.arrival import arriving
from nmt.text.lines import read_lines, shown_path, without_mark
from nmt.text.mending import Mender

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Texts:
    """What is read.

    Attributes:
        text: What to translate: a file, or `-`.
        prefix: What translations must begin with, line by line, if anything.
        errors: `strict` to refuse what is no text, `replace` to replace it.
    """

    text: str
    prefix: str | None
    errors: str


def read_text(path: str, errors: str) -> Iterator[str]:
    """Read lines without a byte order mark, and refuse or replace what is no text.

    Args:
        errors: `strict` or `replace`.
    """
    if errors == "strict":
        yield from without_mark(read_lines(path))
        return
    mender = Mender()
    yield from without_mark(read_lines(path, decode=mender))
    if mender.mended > 1:
        log.warning("%s: replaced in %s lines", shown_path(path), f"{mender.mended:,}")


def groups(texts: Texts, most: int) -> Iterator[list[str]]:
    """Group lines: those of a file by number alone, so that batches depend on no clock; others
    as they arrive.
    """
    lines = read_text(texts.text, texts.errors)
    if not Path(texts.text).is_file():
        yield from arriving(lines, most)
    while group := list(islice(lines, most)):
        yield group


class Prefixes:
    """What translations must begin with, read beside the text."""

    def __init__(self, texts: Texts) -> None:
        path = texts.prefix
        self._lines = read_text(path, texts.errors) if path else None
        self._names = (shown_path(path), shown_path(texts.text)) if path else ("", "")

    def take(self, done: int, count: int) -> list[str]:
        """Read those of the next lines; none where there are none at all."""
        if self._lines is None:
            return []
        taken = list(islice(self._lines, count))
        if len(taken) < count:
            raise DataError(
                f"{self._names[0]} has {done + len(taken):,} lines, but {self._names[1]} has more; "
                "--prefix needs as many, empty ones where nothing is asked for"
            )
        return taken

    def refuse_more(self, done: int) -> None:
        """Raise DataError where prefixes are left over."""
        if self._lines is not None and next(self._lines, None) is not None:
            raise DataError(
                f"{self._names[1]} has {done:,} lines, but {self._names[0]} has more; "
                "--prefix needs as many, empty ones where nothing is asked for"
            )
