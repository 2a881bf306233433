"""Spell lines so that those which a reader would call the same are the same."""

import re
import unicodedata
from collections.abc import Sequence

import regex

from nmt.text.rules import UNSPACED

# Most European text: below, no letter takes a mark of its own, and words stand apart.
EUROPEAN = re.compile("[\0-\u02ff\u0370-\u0482\u048a-\u0590\u1e00-\u1fff\u2000-\u20cf]*")
EUROPEAN_WORD = re.compile(r"[^\W_]+")
LETTERS = r"\p{L}\p{M}\p{N}"
WORD = regex.compile(rf"[{UNSPACED}]\p{{M}}*|[[{LETTERS}]--[{UNSPACED}]]+", regex.V1)


def key_of(line: str) -> str:
    """Spell a line so that lines which differ in case, spaces or Unicode form are the same."""
    return " ".join(fold(line).split())


def fold(line: str) -> str:
    """Make case and Unicode forms one."""
    # NFKC, since segmentation makes these forms one as well.
    return unicodedata.normalize("NFKC", line).casefold()


def fold_lines(lines: Sequence[str]) -> list[str]:
    """Fold many lines at once; the same as `fold` of each."""
    # A line holds no line end, and neither folding makes or moves one.
    return fold("\n".join(lines)).split("\n") if lines else []


def words_of(folded: str) -> list[str]:
    """List the runs of letters, marks and digits of a folded line.

    A letter of a script that is written without spaces is a word.
    """
    if folded.isascii() or EUROPEAN.fullmatch(folded):
        return EUROPEAN_WORD.findall(folded)
    found: list[str] = WORD.findall(folded)
    return found
