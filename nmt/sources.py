"""Lines as they are searched for: cut into pieces, and into parts where they are too long."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nmt.ensemble import Sight
from nmt.errors import DataError
from nmt.search.config import SearchConfig
from nmt.text.notices import Notices
from nmt.text.parts import Part, split_line
from nmt.text.phrases import Phrases, merged
from nmt.text.segmenter import Segmenter


@dataclass(frozen=True)
class Sentence:
    """What is searched for at once: a line, or a part of one that is too long.

    Attributes:
        number: Of the line, from 1.
        readings: The ids of its text for each model, tags included; empty where there is nothing
            to search for.
        prefix: Ids that its translation must begin with.
        phrases: What its translation must and must not hold.
        part: Its place in the line.
        text: What stands for its translation where nothing is searched for.
    """

    number: int
    readings: tuple[list[int], ...]
    prefix: list[int]
    phrases: Phrases
    part: int = 0
    text: str = ""

    @property
    def length(self) -> int:
        """Give the ids of its longest reading; 0 where there is nothing to search for."""
        return max(map(len, self.readings)) if self.readings[0] else 0


@dataclass(frozen=True)
class SourceLine:
    """A line as it is searched for, part by part; most have one part.

    Attributes:
        length: Ids of its text, tags not counted; 0 where there is none.
        phrases: What its translation must and must not hold.
    """

    number: int
    text: str
    parts: Sequence[Part]
    sentences: Sequence[Sentence]
    length: int
    phrases: Phrases


class SourceReader:
    """Turns lines into what is searched for, and tells about those that are out of the ordinary."""

    def __init__(
        self, sights: Sequence[Sight], target: Segmenter, search: SearchConfig, most_written: int
    ) -> None:
        self._sights = sights
        self._target = target
        self._search = search
        self._most_written = most_written
        self._phrases = search.phrases
        self._notices = Notices()

    def read(
        self,
        lines: Sequence[str],
        numbers: Sequence[int],
        prefixes: Sequence[str],
        phrases: Sequence[Phrases],
    ) -> list[SourceLine]:
        """Segment lines, and put what is asked of their translations to them.

        Raises:
            DataError: A prefix cannot be written, a line holds half a character, or one that is
                empty must hold something.
        """
        for texts in (lines, prefixes):
            for number, text in zip(numbers, texts, strict=True):
                refuse_surrogates(number, text)
        begun = self._target.encode_lines(prefixes)
        readings = zip(*(each.read(lines) for each in self._sights), strict=True)
        read = []
        rows = zip(lines, numbers, readings, begun, phrases, strict=True)
        for line, number, ids, prefix, asked in rows:
            refuse_unwritable(number, prefix, "prefix", self._target, self._most_written)
            filled = ids if line.strip() else tuple([] for _ in ids)
            both = merged(self._phrases, asked, f"line {number}")
            if asked.must and not filled[0]:
                raise DataError(
                    f"line {number} is empty and stays so, but must hold {asked.must[0]!r}"
                )
            read.append(self._line(line, number, filled, (prefix, both)))
        return read

    @property
    def _room(self) -> int:
        """Give the most ids of text that are read at once."""
        room = min(each.room for each in self._sights)
        return min(room, self._search.max_pieces or room)

    def _line(
        self,
        line: str,
        number: int,
        ids: tuple[list[int], ...],
        asked: tuple[list[int], Phrases],
    ) -> SourceLine:
        """Take a line as a whole, or in parts; what must come belongs to the first."""
        parts, rows, size = [Part(line)], [ids], max(map(len, ids))
        if size > self._room:
            parts, rows = self._cut(line, number, size)
        prefix, phrases = asked
        rest: tuple[list[int], Phrases] = ([], replace(phrases, must=()))
        wanted = [(prefix, phrases), *[rest] * (len(parts) - 1)]
        made = [
            self._sentence(number, place, *each)
            for place, each in enumerate(zip(parts, rows, wanted, strict=True))
        ]
        return SourceLine(number, line, parts, made, len(ids[0]), phrases)

    def _cut(
        self, line: str, number: int, size: int
    ) -> tuple[list[Part], list[tuple[list[int], ...]]]:
        """Cut a line of so many pieces into parts that all can read, and segment these."""
        room = self._room
        parts = split_line(line, room, lambda text: max(map(len, self._read(text))))
        name = "search.max_pieces" if room == self._search.max_pieces else "model.max_length"
        self._notices.tell(
            "parts", number,
            f"has {size:,} pieces, more than the {room:,} that are read at once ({name}); it is "
            f"translated in {len(parts):,} parts",
        )  # fmt: skip
        return parts, [self._read(part.text) for part in parts]

    def _read(self, text: str) -> tuple[list[int], ...]:
        """Give the ids of a text for each model, without tags."""
        return tuple(each.read([text])[0] for each in self._sights)

    def _sentence(
        self,
        number: int,
        place: int,
        part: Part,
        ids: tuple[list[int], ...],
        asked: tuple[list[int], Phrases],
    ) -> Sentence:
        """Take a part of a line, unless it tells the model nothing."""
        prefix, phrases = asked
        first = self._sights[0].segmenter
        if ids[0] and not prefix and not phrases.must and first.knows_none(ids[0]):
            self._notices.tell(
                "unknown", number, "has text of characters alone that the model lacks; it is copied"
            )
            nothing: tuple[list[int], ...] = tuple([] for _ in ids)
            return Sentence(number, nothing, prefix, phrases, place, part.text)
        # Only one character that is spelt in many bytes can still be longer.
        room, pairs = self._room, zip(self._sights, ids, strict=True)
        readings = tuple(sight.tagged(each[:room]) for sight, each in pairs)
        return Sentence(number, readings, prefix, phrases, place)


def refuse_unwritable(
    number: int, ids: Sequence[int], what: str, segmenter: Segmenter, most: int
) -> None:
    """Refuse to begin a line with what a model of at most so many ids cannot write.

    Raises:
        DataError: Naming the line.
    """
    if len(ids) >= most:
        raise DataError(
            f"line {number}: the {what} has {len(ids)} pieces, but the model can write at most "
            f"{most - 1} (model.max_length)"
        )
    if segmenter.unknown_id in ids:
        raise DataError(f"line {number}: the {what} holds characters that the model lacks")


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
