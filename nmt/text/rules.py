"""The rules that a pair of lines must pass, each a function that says what it objects to."""

import functools
import re
import unicodedata
from collections.abc import Callable

import regex

from nmt.text.config import CleanConfig
from nmt.text.mojibake import find_mojibake

Rule = Callable[[str, str, CleanConfig], str]
Check = Callable[[str], str]

# Controls and tabs, line ends that other tools see, bidirectional overrides, deprecated format
# characters, annotation marks, the byte order mark, and what replaces undecodable bytes. Joiners,
# soft hyphens and direction marks are proper text in many scripts.
CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202d\u202e\u206a-\u206f\ufff9-\ufffb\ufeff\ufffd]"
)
UNSPACED = "".join(
    rf"\p{{Script={script}}}"
    for script in ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan")
)
WORD = regex.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
SPACED = re.compile("[\0-\u0e00]*")  # no script below is written without spaces
LETTER = regex.compile(r"[^\P{L}\p{Script=Common}\p{Script=Inherited}]")


def empty(source: str, target: str, config: CleanConfig) -> str:
    """Object to a side without text, since nothing can be learnt from it."""
    return on_a_side(source, target, lambda line: "" if line.strip() else "no text")


def control(source: str, target: str, config: CleanConfig) -> str:
    """Object to characters that text does not hold, which tell of damage."""
    return on_a_side(source, target, find_control) if config.drop_control else ""


def find_control(line: str) -> str:
    """Name the first damaging character of a line."""
    found = CONTROL.search(line)
    if not found:
        return ""
    if found[0] == "\r" and found.end() == len(line):
        return "windows line end"
    name = unicodedata.name(found[0], "control character")
    return f"U+{ord(found[0]):04X} {name} at character {found.end()}"


def mojibake(source: str, target: str, config: CleanConfig) -> str:
    """Object to text that was read in another encoding than it was written in."""
    return on_a_side(source, target, find_mojibake) if config.drop_mojibake else ""


def identical(source: str, target: str, config: CleanConfig) -> str:
    """Object to a side that was copied, not translated."""
    same = source.strip() == target.strip()
    return "both sides are the same" if config.drop_identical and same else ""


def words(source: str, target: str, config: CleanConfig) -> str:
    """Object to too few or too many words."""

    def check(line: str) -> str:
        count = count_words(line)
        if count < config.min_words:
            return f"word count {count:,}, at least {config.min_words:,}"
        if 0 < config.max_words < count:
            return f"word count {count:,}, at most {config.max_words:,}"
        return ""

    return on_a_side(source, target, check)


def count_words(line: str) -> int:
    """Count words; each letter of a script that is written without spaces counts as one."""
    is_spaced = line.isascii() or SPACED.fullmatch(line)
    return len(line.split()) if is_spaced else len(WORD.findall(line))


def characters(source: str, target: str, config: CleanConfig) -> str:
    """Object to too many characters."""
    limit = config.max_characters

    def check(line: str) -> str:
        return f"{len(line):,} characters, at most {limit:,}" if 0 < limit < len(line) else ""

    return on_a_side(source, target, check)


def word_ratio(source: str, target: str, config: CleanConfig) -> str:
    """Object to sides whose counts of words are far apart."""
    counts = count_words(source), count_words(target)
    return compare(*counts, config.max_word_ratio, "words")


def character_ratio(source: str, target: str, config: CleanConfig) -> str:
    """Object to sides whose lengths are far apart."""
    return compare(len(source), len(target), config.max_character_ratio, "characters")


def compare(source: int, target: int, limit: float, unit: str) -> str:
    """Object to a ratio beyond the limit."""
    ratio = max(source, target) / max(1, min(source, target))
    if not 0 < limit < ratio:
        return ""
    return f"{source:,} {unit} against {target:,}: ratio {ratio:.1f}, at most {limit:g}"


def script(source: str, target: str, config: CleanConfig) -> str:
    """Object to a side in another script than its language has."""
    sides = ("source", source, config.source_script), ("target", target, config.target_script)
    for side, line, scripts in sides:
        share = share_of_script(line, scripts) if scripts else 1.0
        if share < config.min_script_share:
            return (
                f"{side}: {share:.0%} of the letters are {' or '.join(scripts)}, "
                f"at least {config.min_script_share:.0%}"
            )
    return ""


def share_of_script(line: str, scripts: tuple[str, ...]) -> float:
    """Count the letters in the scripts for one letter in any; 1 where there are none.

    Letters that scripts have in common, such as the Japanese prolonged sound mark, do not count.
    """
    letters = len(LETTER.findall(line))
    return len(letters_of(scripts).findall(line)) / letters if letters else 1.0


@functools.cache
def letters_of(scripts: tuple[str, ...]) -> "regex.Pattern[str]":
    """Match one letter in any of the scripts."""
    within = "".join(rf"\p{{Script={name}}}" for name in scripts)
    return regex.compile(
        rf"[[{within}]&&[^\P{{L}}\p{{Script=Common}}\p{{Script=Inherited}}]]", regex.V1
    )


def on_a_side(source: str, target: str, check: Check) -> str:
    """Apply a check of one line to both, and name the side that it objects to."""
    for side, line in (("source", source), ("target", target)):
        if objection := check(line):
            return f"{side}: {objection}"
    return ""


RULES: dict[str, Rule] = {  # in the order of trial: the first that objects gives the reason
    "empty": empty,
    "control": control,
    "mojibake": mojibake,
    "identical": identical,
    "words": words,
    "characters": characters,
    "word-ratio": word_ratio,
    "character-ratio": character_ratio,
    "script": script,
}
