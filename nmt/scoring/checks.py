"""What must hold of the texts before a score of them means anything."""

import itertools
import logging
import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt.errors import DataError
from nmt.scoring.marks import refuse_segmented
from nmt.scoring.texts import Text, lines_together, read_text, shown
from nmt.text.lines import STANDARD

log = logging.getLogger(__name__)

TOKENIZED_SHARE = 0.1  # of lines; fewer may be the translator's own way
MUST_DIFFER = "hypothesis and references must be different files"


@dataclass(frozen=True)
class Material:
    """All that is compared: texts of as many lines.

    Attributes:
        systems: Translations; others are compared with the first.
        documents: For each line, the name of its document.
    """

    systems: Sequence[Text]
    references: Sequence[Text]
    source: Text | None = None
    documents: Text | None = None


def read_material(
    hypotheses: Sequence[str | Path],
    references: Sequence[str | Path],
    source: str | Path | None = None,
    documents: str | Path | None = None,
) -> Material:
    """Read the translations of one or more systems and what they are compared with.

    Raises:
        DataError: As for `read_checked`; or the source or the documents have not as many lines.
    """
    extra = [path for path in (source, documents) if path is not None]
    refuse_same_file([*hypotheses, *references, *extra])
    others = [read_text(path) for path in references]
    systems = [checked(read_text(path), others) for path in hypotheses]
    texts = [None if path is None else read_text(path) for path in (source, documents)]
    for text in filter(None, texts):
        refuse_unpaired(text, systems[0])
    return Material(systems, others, *texts)


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
    return checked(text, others), others


def checked(hypothesis: Text, references: Sequence[Text]) -> Text:
    """Give back a hypothesis of which a score is fair, or refuse it.

    Raises:
        DataError: There are no lines, not as many as in a reference, or pieces.
    """
    refuse_uneven(hypothesis, references)
    refuse_segmented(hypothesis, references)
    warn_tokenized(hypothesis, references)
    warn_copied(hypothesis, references)
    return hypothesis


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


def refuse_unpaired(text: Text, hypothesis: Text) -> None:
    """Refuse a text beside the hypothesis that has not as many lines.

    Raises:
        DataError: Both texts and both counts are named.
    """
    if len(text.lines) != len(hypothesis.lines):
        raise DataError(
            f"{text.name} has {len(text.lines):,} lines but {hypothesis.name} has "
            f"{len(hypothesis.lines):,}; each needs as many as the other"
        )


def warn_copied(hypothesis: Text, references: Sequence[Text]) -> None:
    """Warn when a hypothesis is a reference, word for word, under another name."""
    for reference in references:
        if list(hypothesis.lines) == list(reference.lines):
            log.warning("%s holds the very lines of %s", hypothesis.name, reference.name)


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
