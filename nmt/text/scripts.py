"""In which scripts a text is written, learnt from the text itself."""

import functools
from collections import Counter
from collections.abc import Iterable

from nmt.text.rules import LETTER, letters_of

LEAST_SHARE = 0.25  # of a text's letters, for a script to be one of its own
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
    counts: Counter[str] = Counter()
    for character, count in Counter(character for line in lines for character in line).items():
        counts[script_of(character)] += count
    del counts[""]
    total = counts.total()
    if counts["Hiragana"] > 0.1 * total:
        return JAPANESE
    found = tuple(name for name, count in counts.items() if count >= LEAST_SHARE * total > 0)
    return KOREAN if found == ("Hangul",) else found


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
