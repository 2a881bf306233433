"""A line that is too long, cut where sentences end, or else where it hurts least."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import regex

from nmt.text.rules import UNSPACED

CLOSING = r"[\p{Pe}\p{Pf}\p{Quotation_Mark}]*+"
UNSPACED_CLOSING = r"[\p{Pe}\p{Pf}]*+"
SPACED_END = rf"(?<![.!?…])[.!?…]++{CLOSING}(?=\s)"
UNSPACED_END = rf"[。！？｡।॥؟۔։።፧။།។៕]++{UNSPACED_CLOSING}"
UNSPACED_COMMA = r"[、，；：]"
LEVELS = tuple(
    regex.compile(rf"(?:{mark})(?P<space>\s*)")
    for mark in (
        # A sentence rarely begins with a small letter, and what follows an abbreviation often does.
        rf"{SPACED_END}(?!\s+\p{{Ll}})|{UNSPACED_END}",
        SPACED_END,  # in text without capitals
        rf"[,;:،؛–—](?=\s)|{UNSPACED_COMMA}",
        r"(?<=\S)(?=\s)",
    )
)
OF_SENTENCES = 2  # of the levels
CHARACTER = regex.compile(r"\X")  # with the marks that belong to it
MARKED = regex.compile(rf"(?:{UNSPACED_END}|{UNSPACED_COMMA})$")
WITHOUT_SPACES = regex.compile(rf"[{UNSPACED}\u3000-\u303f\uff00-\uffef]")

Count = Callable[[str], int]


@dataclass(frozen=True)
class Part:
    """A part of a line, and the white space between it and the next."""

    text: str
    separator: str = ""


def split_line(line: str, most: int, count: Count) -> list[Part]:
    """Cut a line into parts that each have at most so many pieces.

    Sentences are cut from each other; one that is still too long is cut at commas and their like,
    then at spaces, then between any two characters, and there parts are as long as may be.

    Args:
        count: Counts the pieces of a text.
    """
    return list(split(line.strip(), most, count, 0))


def split(text: str, most: int, count: Count, level: int) -> Iterator[Part]:
    """Cut a text at one level of marks, and what is still too long at the next."""
    if count(text) <= most:
        yield Part(text)
    elif level == len(LEVELS):
        yield from halve(text, most, count)
    else:
        parts = cut(text, LEVELS[level])
        for part in parts if level < OF_SENTENCES else pack(parts, most, count):
            *inner, last = split(part.text, most, count, level + 1)
            yield from inner
            yield Part(last.text, part.separator)


def cut(text: str, pattern: "regex.Pattern[str]") -> list[Part]:
    """Cut a text wherever a pattern matches."""
    parts, begin = [], 0
    for found in pattern.finditer(text):
        if found.end() < len(text):
            parts.append(Part(text[begin : found.start("space")], found["space"]))
            begin = found.end()
    return [*parts, Part(text[begin:])]


def pack(parts: Sequence[Part], most: int, count: Count) -> Iterator[Part]:
    """Join neighbours as far as they fit together."""
    first, size = parts[0], count(parts[0].text)
    for part in parts[1:]:
        more = count(part.text) + (first.separator not in ("", " "))
        if size + more <= most:
            first = Part(first.text + first.separator + part.text, part.separator)
            size += more
        else:
            yield first
            first, size = part, more
    yield first


def halve(text: str, most: int, count: Count) -> Iterator[Part]:
    """Cut a text that has no spaces in the middle, and its halves, until they are short enough."""
    characters = CHARACTER.findall(text)
    middle = len(characters) // 2
    if count(text) <= most or not middle:
        yield Part(text)
        return
    yield from halve("".join(characters[:middle]), most, count)
    yield from halve("".join(characters[middle:]), most, count)


def join_parts(parts: Sequence[Part], translations: Sequence[str]) -> str:
    """Put translations of parts together, with the white space of the source between them.

    Sentences that stand without a space, or with one, are written as the script of the translation
    asks for.
    """
    line = ""
    for text, last in zip(translations, (Part(""), *parts[:-1]), strict=True):
        line = line + between(last, line, text) + text if line else text
    return line


def between(part: Part, before: str, after: str) -> str:
    """Give what stands between two translations, of which the first is of a part."""
    if part.separator not in ("", " ") or not (before and after):
        return part.separator
    if WITHOUT_SPACES.match(before[-1]) and WITHOUT_SPACES.match(after[0]):
        return ""
    return " " if part.separator or MARKED.search(part.text) else ""
