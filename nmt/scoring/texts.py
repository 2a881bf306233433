"""Texts under comparison: their lines, and their names for messages."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt.text.lines import STANDARD, read_lines


@dataclass(frozen=True)
class Text:
    """Lines, and the name of where they came from."""

    name: str
    lines: Sequence[str]

    @property
    def sha256(self) -> str:
        """Hash the lines as a file that holds them."""
        digest = hashlib.sha256()
        for line in self.lines:
            digest.update(f"{line}\n".encode())
        return digest.hexdigest()


def read_text(path: str | Path) -> Text:
    """Read a file or, for `-`, standard input."""
    return Text(shown(path), list(read_lines(path)))


def shown(path: str | Path) -> str:
    """Name a file as messages do."""
    return "standard input" if str(path) == STANDARD else str(path)


def lines_together(
    text: Text, others: Sequence[Text]
) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Go through a text: the number of a line, the line, and that line of the other texts."""
    together = zip(text.lines, *(other.lines for other in others), strict=True)
    for number, (line, *rest) in enumerate(together, start=1):
        yield number, line, tuple(rest)
