"""Phrases that a text must hold, or must not.

A phrase appears where its characters stand in a row, just as they are written. As whole words, it
has no character of a word (`is_word`) right before it if it begins with one, nor right behind it
if it ends with one: `can` does not appear in `cancel`, and `can.` appears in `He can.5`.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from nmt.errors import DataError

MOST = 8  # phrases that one text must hold: the work doubles with each
SIGNS = "+-"  # of what must appear, and of what must not
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Phrases:
    """What is asked of one text.

    Attributes:
        must: Each appears at least once; two may overlap.
        must_not: None appears.
        whole_words: Whether phrases appear as whole words only.
    """

    must: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    whole_words: bool = True

    def __bool__(self) -> bool:
        return bool(self.must or self.must_not)

    def broken_by(self, text: str) -> list[str]:
        """List what a text breaks, for people."""
        appears = {each: holds(text, each, whole_words=self.whole_words)
                   for each in (*self.must, *self.must_not)}  # fmt: skip
        lacking = [f"it lacks {each!r}" for each in self.must if not appears[each]]
        return lacking + [f"it holds {each!r}" for each in self.must_not if appears[each]]


def is_word(character: str) -> bool:
    """Tell whether a character belongs to words: a letter, digit, underscore or combining mark."""
    is_mark = unicodedata.category(character).startswith("M")
    return character.isalnum() or character == "_" or is_mark


def holds(text: str, phrase: str, *, whole_words: bool) -> bool:
    """Tell whether a phrase appears in a text."""
    place = text.find(phrase)
    while place >= 0:
        end = place + len(phrase)
        inside = place > 0 and is_word(phrase[0]) and is_word(text[place - 1])
        inside |= end < len(text) and is_word(phrase[-1]) and is_word(text[end])
        if not (inside and whole_words):
            return True
        place = text.find(phrase, place + 1)
    return False


def phrases_of(
    must: Sequence[str], must_not: Sequence[str], where: str, *, whole_words: bool = True
) -> Phrases:
    """Strip phrases, drop repeated ones, and refuse what no text can do.

    Args:
        where: Who asks, for messages.

    Raises:
        DataError: A phrase is empty, holds a line end or what stands for broken characters, must
            and must not appear, or is one too many.
    """
    wanted, unwanted = (
        tuple(dict.fromkeys(each.strip() for each in some)) for some in (must, must_not)
    )
    for phrase in (*wanted, *unwanted):
        if not phrase:
            raise DataError(f"{where}: an empty phrase; write what must or must not appear")
        if any(sign in phrase for sign in ("\n", "\r", REPLACEMENT)):
            raise DataError(f"{where}: {phrase!r} holds a character that no translation has")
    if both := [phrase for phrase in wanted if phrase in unwanted]:
        raise DataError(f"{where}: {both[0]!r} must appear and must not; leave one out")
    if len(wanted) > MOST:
        raise DataError(
            f"{where}: {len(wanted)} phrases must appear; a line can have {MOST} at most"
        )
    return Phrases(wanted, unwanted, whole_words)


def parse_phrases(line: str, where: str) -> Phrases:
    r"""Read `+phrase`, which must appear, and `-phrase`, which must not, separated by tabs.

    Raises:
        DataError: Something begins with neither, or no text can do it.
    """
    fields = [field for field in line.split("\t") if field.strip()]
    for field in fields:
        if field[0] not in SIGNS:
            raise DataError(
                f"{where}: {field!r} begins with neither + (must appear) nor - (must not); "
                "tabs separate phrases"
            )
    must, must_not = ([each[1:] for each in fields if each[0] == sign] for sign in SIGNS)
    return phrases_of(must, must_not, where)


def merged(general: Phrases, own: Phrases, where: str) -> Phrases:
    """Add what one line asks for to what is asked of all."""
    if not own:
        return general
    must, must_not = (*general.must, *own.must), (*general.must_not, *own.must_not)
    return phrases_of(must, must_not, where, whole_words=general.whole_words)
