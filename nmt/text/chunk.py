"""Some pairs of a text, with what several checks need of them worked out once."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from nmt.text.folding import fold_lines, words_of

SIDES = ("source", "target")
SIZE = 8192

Pair = tuple[str, str]


@dataclass
class Chunk:
    """Pairs that follow one another.

    Attributes:
        first: Number of the first, counted from 1.
    """

    first: int
    pairs: list[Pair]

    @cached_property
    def lines(self) -> dict[str, list[str]]:
        """The lines of each side."""
        return {side: [pair[place] for pair in self.pairs] for place, side in enumerate(SIDES)}

    @cached_property
    def has_text(self) -> list[bool]:
        """Whether both sides of each pair hold text."""
        return [
            not (source.isspace() or target.isspace()) and bool(source and target)
            for source, target in self.pairs
        ]

    @cached_property
    def characters(self) -> dict[str, frozenset[str]]:
        """The characters that occur in each side."""
        return {side: frozenset("".join(lines)) for side, lines in self.lines.items()}

    @cached_property
    def folded(self) -> dict[str, list[str]]:
        """The lines of each side, folded."""
        return {side: fold_lines(lines) for side, lines in self.lines.items()}

    @cached_property
    def words(self) -> dict[str, list[list[str]]]:
        """The words of each line of each side."""
        return {side: list(map(words_of, lines)) for side, lines in self.folded.items()}


def chunks_of(pairs: Iterable[Pair], size: int = SIZE) -> Iterator[Chunk]:
    """Cut a stream of pairs into chunks."""
    stream, first = iter(pairs), 1
    while part := list(itertools.islice(stream, size)):
        yield Chunk(first, part)
        first += len(part)
