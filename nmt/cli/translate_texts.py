"""What `nmt translate` reads: text, in groups, and what translations must begin with."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

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
        constraints: What they must and must not hold, line by line, if anything.
        errors: `strict` to refuse what is no text, `replace` to replace it.
    """

    text: str
    prefix: str | None
    constraints: str | None
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
