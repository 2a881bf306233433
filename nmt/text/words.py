"""The words of a line, and those that a piece stands for.

A word is what stands between spaces or tabs, as tools of word alignment have it; any other
character, a no-break space or a comma too, belongs to its word.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

WORD = re.compile(r"[^ \t]+")

Span = tuple[int, int]  # from a character to the one after the last


def word_spans(line: str) -> list[Span]:
    """Find the words of a line."""
    return [found.span() for found in WORD.finditer(line)]


def words_of(line: str, pieces: Sequence[Span]) -> list[range]:
    """Number, from 0, the words that each piece stands for.

    Of a word with letters or digits only pieces that hold some stand for it, so that a comma
    does not speak for the word before it. A piece without characters of its own, such as all but
    the last byte of a letter, goes with the letter that it stands before.
    """
    words = word_spans(line)
    begins, ends = [begin for begin, _ in words], [end for _, end in words]
    plain = [not has_letters(line[begin:end]) for begin, end in words]
    found = []
    for begin, end in pieces:
        past = max(end, begin + 1)
        first, last = bisect_right(ends, begin), bisect_left(begins, past)
        touched = range(first, max(first, last))
        speaks = has_letters(line[begin:past]) or all(plain[word] for word in touched)
        found.append(touched if speaks else range(0))
    return found


def has_letters(text: str) -> bool:
    """Tell whether there is a letter, a mark on one, or a digit."""
    return any(unicodedata.category(each)[0] in "LMN" for each in text)
