"""What a segmenter will make of a text: characters it cannot spell, lines that become too long."""

import functools
import re

from nmt.text.segmenter import Segmenter

BYTE = re.compile("<0x[0-9A-F]{2}>")
COVERED, UNKNOWN, BYTES = "covered", "unknown", "bytes"


class Coverage:
    """A segmenter, asked about single characters."""

    def __init__(self, segmenter: Segmenter) -> None:
        self.segmenter = segmenter
        self.of = functools.cache(self._of)

    def _of(self, character: str) -> str:
        """Say how a character is spelt."""
        if self.segmenter.unknown_id in self.segmenter.encode(character):
            return UNKNOWN
        pieces = self.segmenter.pieces(character)
        return BYTES if any(map(BYTE.fullmatch, pieces)) else COVERED

    def poor(self, characters: frozenset[str], how: str) -> "re.Pattern[str] | None":
        """Match those of some characters that are spelt so; None if there are none."""
        found = sorted(each for each in characters if self.of(each) == how)
        return re.compile("[" + "".join(map(re.escape, found)) + "]") if found else None

    def pieces_beyond(self, line: str, limit: int) -> int:
        """Count the pieces of a line; 0 where they cannot be more than the limit."""
        # A piece holds a character at least, or a byte, and a space is added in front.
        if len(line.encode()) + 1 <= limit:
            return 0
        count = len(self.segmenter.encode(line))
        return count if count > limit else 0
