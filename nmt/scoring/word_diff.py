"""Which words a translation and a reference do not share."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

import regex

from nmt.text.rules import UNSPACED

TOO_LONG = 2_000  # words of both together; matching takes their product

# Punctuation stands apart from words, and each piece keeps the spaces behind it.
WORD = regex.compile(rf"\s*(?:[{UNSPACED}]|(?:(?![{UNSPACED}])[\p{{L}}\p{{M}}\p{{N}}])+|\S)\s*")


@dataclass(frozen=True)
class Span:
    """Some text, and who has it."""

    kind: Literal["both", "translation", "reference"]
    text: str


def word_diff(translation: str, references: Sequence[str]) -> list[Span]:
    """Compare a translation with the reference that shares most with it.

    Returns:
        Spans that hold, without those of the reference alone, the translation as it stands.
    """
    words = WORD.findall(translation)
    found = [matched(words, WORD.findall(reference)) for reference in references]
    return max(found, key=shared)


def matched(translation: Sequence[str], reference: Sequence[str]) -> list[Span]:
    """Match words, whatever spaces are around them."""
    if len(translation) + len(reference) > TOO_LONG:
        return [Span("both", "".join(translation))]
    ours, theirs = ([word.strip() for word in words] for words in (translation, reference))
    spans = []
    for kind, *(a, b, c, d) in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if kind == "equal":
            spans.append(Span("both", "".join(translation[a:b])))
            continue
        spans.append(Span("reference", "".join(reference[c:d])))
        spans.append(Span("translation", "".join(translation[a:b])))
    return [span for span in spans if span.text]


def shared(spans: Sequence[Span]) -> int:
    """Count the characters that both have."""
    return sum(len(span.text) for span in spans if span.kind == "both")
