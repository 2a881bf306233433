"""What a check of data finds, and what it is called."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from nmt.text.chunk import Chunk

KINDS = {
    "drift": "runs of lines that are not each other's translations",
    "empty": "a side without text",
    "control": "control characters, U+FFFD or a byte order mark",
    "mojibake": "text that was read in another encoding than it was written in",
    "identical": "a side that is a copy of the other",
    "words": "too few or too many words",
    "characters": "too many characters",
    "word-ratio": "counts of words that are far apart",
    "character-ratio": "counts of characters that are far apart",
    "length": "a side much longer or shorter than is usual here for the other",
    "script": "a side in another script than the rest",
    "duplicate": "pairs that came before, letter for letter",
    "near-duplicate": "pairs that came before but for case, spaces or punctuation",
    "overlap": "a side that is a line of a development or test set",
    "near-overlap": "a side that is nearly a line of a development or test set",
    "uncovered": "characters that the segmenter does not know",
    "bytes": "characters that the segmenter spells as bytes",
    "truncation": "a side of more pieces than nmt encode keeps",
}


class Finding(NamedTuple):
    """A fault of one pair, or of a run of them.

    Attributes:
        kind: One of KINDS.
        number: Line, counted from 1.
        detail: What is wrong, in words.
        source, target: The pair; both empty for a run.
        last: Last line of a run; 0 for a pair.
    """

    kind: str
    number: int
    detail: str
    source: str = ""
    target: str = ""
    last: int = 0

    def lines(self) -> int:
        """Count the lines that are at fault."""
        return self.last - self.number + 1 if self.last else 1


class Detector(Protocol):
    """Looks for some kinds of faults in a text that comes in chunks."""

    def look(self, chunk: Chunk) -> Iterator[Finding]:
        """Give what is found by now."""
        ...

    def finish(self) -> Iterator[Finding]:
        """Give the rest, after the last chunk."""
        ...


def finding(kind: str, chunk: Chunk, place: int, detail: str) -> Finding:
    """Make a finding about a pair of a chunk."""
    return Finding(kind, chunk.first + place, detail, *chunk.pairs[place])
