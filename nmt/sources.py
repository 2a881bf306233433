"""Lines as they are searched for: cut into pieces, and into parts where they are too long."""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt.errors import ConfigError, DataError
from nmt.model.directory import Segmenters
from nmt.search.config import SearchConfig
from nmt.text.notices import Notices
from nmt.text.parts import Part, split_line


@dataclass(frozen=True)
class Sentence:
    """What is searched for at once: a line, or a part of one that is too long.

    Attributes:
        number: Of the line, from 1.
        ids: Of its text, tags included; empty where there is nothing to search for.
        prefix: Ids that its translation must begin with.
        part: Its place in the line.
        text: What stands for its translation where nothing is searched for.
    """

    number: int
    ids: list[int]
    prefix: list[int]
    part: int = 0
    text: str = ""


@dataclass(frozen=True)
class SourceLine:
    """A line as it is searched for, part by part; most have one part."""

    text: str
    parts: Sequence[Part]
    sentences: Sequence[Sentence]
    length: int


class SourceReader:
    """Turns lines into what is searched for, and tells about those that are out of the ordinary."""

    def __init__(self, segmenters: Segmenters, search: SearchConfig, max_length: int) -> None:
        self._segmenters = segmenters
        self._search = search
        self._max_length = max_length
        self._tags = segmenters.source.tag_ids(search.source_tag)
        self._notices = Notices()

    def read(
        self, lines: Sequence[str], numbers: Sequence[int], prefixes: Sequence[str]
    ) -> list[SourceLine]:
        """Segment lines and what their translations must begin with.

        Raises:
            DataError: A prefix cannot be written, or a line holds half a character.
        """
        if self._room < 1:
            raise ConfigError("search.source_tag leaves no room for text within model.max_length")
        for texts in (lines, prefixes):
            for number, text in zip(numbers, texts, strict=True):
                refuse_surrogates(number, text)
        begun = self._segmenters.target.encode_lines(prefixes)
        sources = self._segmenters.source.encode_lines(lines)
        read = []
        for line, number, ids, prefix in zip(lines, numbers, sources, begun, strict=True):
            self._refuse_prefix(number, prefix)
            read.append(self._line(line, number, ids if line.strip() else [], prefix))
        return read

    @property
    def _room(self) -> int:
        """Give the most ids of text that are read at once."""
        room = self._max_length - 1 - len(self._tags)  # 1: for the end of sentence
        return min(room, self._search.max_pieces or room)

    def _line(self, line: str, number: int, ids: list[int], prefix: list[int]) -> SourceLine:
        """Take a line as a whole, or in parts; what must come first belongs to the first."""
        parts, rows = [Part(line)], [ids]
        if len(ids) > self._room:
            parts, rows = self._cut(line, number, len(ids))
        begun = [prefix, *[[]] * (len(parts) - 1)]
        made = zip(range(len(parts)), parts, rows, begun, strict=True)
        return SourceLine(line, parts, [self._sentence(number, *each) for each in made], len(ids))

    def _cut(self, line: str, number: int, size: int) -> tuple[list[Part], list[list[int]]]:
        """Cut a line of so many pieces into parts that can be read, and segment these."""
        source, room = self._segmenters.source, self._room
        parts = split_line(line, room, lambda text: len(source.encode(text)))
        name = "search.max_pieces" if room == self._search.max_pieces else "model.max_length"
        self._notices.tell(
            "parts", number,
            f"has {size:,} pieces, more than the {room:,} that are read at once ({name}); it is "
            f"translated in {len(parts):,} parts",
        )  # fmt: skip
        return parts, source.encode_lines(part.text for part in parts)

    def _sentence(
        self, number: int, place: int, part: Part, ids: list[int], prefix: list[int]
    ) -> Sentence:
        """Take a part of a line, unless it tells the model nothing."""
        if ids and not prefix and self._segmenters.source.knows_none(ids):
            self._notices.tell(
                "unknown", number, "has text of characters alone that the model lacks; it is copied"
            )
            return Sentence(number, [], prefix, place, part.text)
        # Only one character that is spelt in many bytes can still be longer.
        tagged = self._tags + ids[: self._room] if ids else []
        return Sentence(number, tagged, prefix, place)

    def _refuse_prefix(self, number: int, prefix: Sequence[int]) -> None:
        """Refuse to begin with what the model cannot write."""
        if len(prefix) >= self._max_length:
            raise DataError(
                f"line {number}: the prefix has {len(prefix)} pieces, but the model can write "
                f"at most {self._max_length - 1} (model.max_length)"
            )
        if self._segmenters.target.unknown_id in prefix:
            raise DataError(f"line {number}: the prefix holds characters that the model lacks")


def refuse_surrogates(number: int, text: str) -> None:
    """Refuse text that is none: half of a character, which only Python's own strings can hold.

    Raises:
        DataError: The line holds one.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"line {number}: character {error.start + 1} (U+{ord(text[error.start]):04X}) is half "
            "a character, a lone surrogate; decode the text as UTF-8"
        ) from None
