"""Marks that segmentation leaves in a text: what holds them is pieces, not translations."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

from nmt.errors import DataError
from nmt.scoring.texts import Text, lines_together

log = logging.getLogger(__name__)

TOLERATED_SHARE = 0.01  # of hypothesis lines; pieces mark far more, a translator's whim fewer
SEGMENTED_SHARE = 0.5  # of reference lines; below it, the marks are taken as what was written
SEGMENTED_LINES = 3  # fewer than these may well be about segmentation
REMEDY = "scores compare plain text: run nmt segment undo on it first"


@dataclass(frozen=True)
class Mark:
    """One kind of mark.

    Attributes:
        sign: What a reference line holds somewhere if it speaks of the mark itself.
        pattern: Finds the mark where segmentation puts it and plain text hardly ever does.
    """

    name: str
    sign: str
    pattern: re.Pattern[str]


MARKS = (
    # At the start of a piece. Followed by its larger kin (U+2582 ...) it is a drawn bar chart.
    Mark("SentencePiece pieces", "▁", re.compile(r"(?<!\S)▁(?![▁-█])")),
    # At the end of a word's piece. Alone, or with a third @, it is the head of a diff's hunk.
    Mark("BPE pieces", "@@", re.compile(r"[^\s@]@@(?!\S)")),
    Mark("byte pieces", "<0x", re.compile(r"<0x[0-9A-F]{2}>")),
)


def refuse_segmented(hypothesis: Text, references: Sequence[Text]) -> None:
    """Refuse pieces where a score needs text.

    A mark that a line's reference holds too is legitimate there, unless that reference as a whole
    is in pieces. Very few marked lines are left as the translator wrote them, with a warning.

    Raises:
        DataError: The file, the first marked line and the number of marked lines are named.
    """
    for mark in MARKS:
        for reference in references:
            found = marked_lines(mark, reference, [])
            if len(found) >= max(SEGMENTED_LINES, SEGMENTED_SHARE * len(reference.lines)):
                raise DataError(f"{described(mark, reference, found)}; {REMEDY}")
        found = marked_lines(mark, hypothesis, references)
        if len(found) > TOLERATED_SHARE * len(hypothesis.lines):
            raise DataError(f"{described(mark, hypothesis, found)}; {REMEDY}")
        if found:
            log.warning("%s; scored as they are", described(mark, hypothesis, found))


def marked_lines(mark: Mark, text: Text, references: Sequence[Text]) -> list[int]:
    """Number the lines of a text that hold the mark though no reference to them does."""
    return [
        number
        for number, line, others in lines_together(text, references)
        if mark.pattern.search(line) and not any(mark.sign in other for other in others)
    ]


def described(mark: Mark, text: Text, found: Sequence[int]) -> str:
    """Name the file, the first of the lines, the mark, and how many lines hold it."""
    return (
        f"{text.name}, line {found[0]}: {mark.name} (marked {mark.sign!r}) "
        f"on {len(found):,} of {len(text.lines):,} lines"
    )
