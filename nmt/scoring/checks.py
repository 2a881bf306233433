"""What must hold of the texts before a score of them means anything."""

import itertools
import logging
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from nmt.errors import DataError
from nmt.scoring.marks import refuse_segmented
from nmt.scoring.texts import Text, lines_together, read_text, shown
from nmt.text.lines import STANDARD

log = logging.getLogger(__name__)

TOKENIZED_SHARE = 0.1  # of lines; fewer may be the translator's own way
MUST_DIFFER = "hypothesis and references must be different files"


def read_checked(
    hypothesis: str | Path, references: Sequence[str | Path]
) -> tuple[Text, list[Text]]:
    """Read a hypothesis and its references, having made sure that a score of them is fair.

    Raises:
        DataError: A text cannot be read, is another's file, has no lines or not as many, or is
            still in pieces.
    """
    refuse_same_file([hypothesis, *references])
    text, *others = (read_text(path) for path in (hypothesis, *references))
    refuse_uneven(text, others)
    refuse_segmented(text, others)
    warn_tokenized(text, others)
    return text, others


def refuse_same_file(paths: Sequence[str | Path]) -> None:
    """Refuse a file given twice: it would agree with itself, or count as two references.

    Files are the same whatever they are called: links and redirected standard input are seen.

    Raises:
        DataError: Two of the paths lead to one file.
    """
    for one, other in itertools.combinations(paths, 2):
        if str(one) == str(other):
            raise DataError(f"{shown(one)} is given twice; {MUST_DIFFER}")
        if identity(one) is not None and identity(one) == identity(other):
            raise DataError(f"{shown(one)} and {shown(other)} are the same file; {MUST_DIFFER}")


def identity(path: str | Path) -> tuple[int, int] | None:
    """Return what tells a file from all others; None for pipes, terminals and missing files."""
    try:
        found = os.fstat(sys.stdin.fileno()) if str(path) == STANDARD else Path(path).stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def refuse_uneven(hypothesis: Text, references: Sequence[Text]) -> None:
    """Refuse texts without lines, without a partner, or of different lengths.

    Raises:
        DataError: Both texts and both counts are named.
    """
    if not references:
        raise DataError(f"{hypothesis.name} has no reference; a score needs one or more")
    for text in (hypothesis, *references):
        if not text.lines:
            raise DataError(f"{text.name} has no lines; a score needs one or more")
    for reference in references:
        if len(reference.lines) != len(hypothesis.lines):
            raise DataError(
                f"{hypothesis.name} has {len(hypothesis.lines):,} lines but {reference.name} has "
                f"{len(reference.lines):,}; a score needs one translation for each reference line"
            )


def warn_tokenized(hypothesis: Text, references: Sequence[Text]) -> None:
    """Warn when full stops stand apart in the hypothesis but not in the references."""
    apart = [
        number
        for number, line, others in lines_together(hypothesis, references)
        if line.endswith(" .") and not any(other.endswith(" .") for other in others)
    ]
    if len(apart) > TOKENIZED_SHARE * len(hypothesis.lines):
        log.warning(
            f"{hypothesis.name}, line {apart[0]}: ends in ' .' unlike its reference, as on "
            f"{len(apart):,} of {len(hypothesis.lines):,} lines; if this text is tokenized, "
            "undo that before scoring"
        )
