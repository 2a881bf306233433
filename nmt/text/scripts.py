"""In which scripts a text is written, learnt from the text itself."""

import functools
from collections import Counter
from collections.abc import Iterable

from nmt.text.rules import LETTER, letters_of

LEAST_SHARE = 0.25  # of a text's letters, for a script to be one of its own
LEAST_KNOWN = 0.02  # of a vocabulary's letters: Han takes few letters a piece, and others many
JAPANESE, KOREAN = ("Han", "Hiragana", "Katakana"), ("Hangul", "Han")
SCRIPTS = (
    "Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Armenian", "Georgian", "Devanagari",
    "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam",
    "Sinhala", "Thai", "Lao", "Tibetan", "Myanmar", "Ethiopic", "Khmer", "Mongolian", "Hangul",
    "Hiragana", "Katakana", "Han", "Thaana", "Syriac", "Cherokee", "Tifinagh", "Nko",
    "Canadian_Aboriginal",
)  # fmt: skip


def scripts_of(lines: Iterable[str]) -> tuple[str, ...]:
    """Name the scripts of a text, as the settings of cleaning do; none without letters.

    Han goes with Japanese and Korean wherever these have a share, however small Han's own is.
    """
    counts = letters_by_script(lines)
    total = counts.total()
    if counts["Hiragana"] > 0.1 * total:
        return JAPANESE
    found = tuple(name for name, count in counts.items() if count >= LEAST_SHARE * total > 0)
    return KOREAN if found == ("Hangul",) else found


def scripts_known(pieces: Iterable[str]) -> tuple[str, ...]:
    """Name the scripts that a vocabulary can write words in, be it of one language or of several.

    A few pieces may be foreign names. Han goes with Japanese and Korean, as in `scripts_of`.
    """
    counts = letters_by_script(pieces)
    total = counts.total()
    found = {name for name, count in counts.items() if count >= LEAST_KNOWN * total > 0}
    for family in (JAPANESE, KOREAN):
        if found & {*family} - {"Han"}:
            found |= {*family}
    return tuple(sorted(found - {"unknown"}))


def letters_by_script(lines: Iterable[str]) -> "Counter[str]":
    """Count the letters of each script."""
    counts: Counter[str] = Counter()
    for character, count in Counter(character for line in lines for character in line).items():
        counts[script_of(character)] += count
    del counts[""]
    return counts


@functools.cache
def script_of(character: str) -> str:
    """Name the script of a letter; empty if it is none, or of several."""
    if not LETTER.match(character):
        return ""
    known = (name for name in SCRIPTS if letters_of((name,)).match(character))
    return next(known, "unknown")


@functools.cache
def has_foreign(characters: Iterable[str], scripts: tuple[str, ...]) -> bool:
    """Tell whether any character is a letter of another script."""
    return any(script_of(each) not in ("", *scripts) for each in characters)
