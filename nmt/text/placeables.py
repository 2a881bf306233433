"""What a translation carries over as it stands: numbers, web and mail addresses."""

import re
import unicodedata
from collections import Counter

NUMBER = re.compile(r"(?<!\d)\d{1,3}(?: \d{3})+(?!\d)|\d+(?:[.,:'’٫٬\u00a0\u202f]\d+)*")
GROUPED = re.compile(r"\d{1,3}(?:[.,'’٫٬ \u00a0\u202f]\d{3})+")
DIGITS = re.compile(r"\d+")
ADDRESS = re.compile(
    r"(?:https?|ftp)://[^\s<>\"]+|\bwww\.[^\s<>\"]+|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    re.IGNORECASE,
)
TRAILING = ".,;:!?)]}'’”»…。、，）」』"  # behind an address: of the sentence, not of the address


def lost_numbers(source: str, target: str) -> list[str]:
    """List the numbers of a source that its translation lacks.

    Digits of all scripts are alike, and so are the ways to part thousands and decimals; where
    numbers stand, and in which order, is free. A number in words is no number.
    """
    source, target = plain_digits(source), plain_digits(target)
    there = Counter(DIGITS.findall(target))
    there.update("".join(DIGITS.findall(found)) for found in GROUPED.findall(target))
    lost = []
    for number in NUMBER.findall(source):
        parts = Counter(DIGITS.findall(number))
        if not parts <= there:
            parts = Counter(["".join(parts.elements())])
        if parts <= there:
            there -= parts
        else:
            lost.append(number)
    return lost


def plain_digits(line: str) -> str:
    """Spell the decimal digits of all scripts as 0 to 9."""
    if line.isascii():
        return line
    return re.sub(r"[^\D0-9]", lambda found: str(unicodedata.decimal(found[0])), line)


def lost_addresses(source: str, target: str) -> list[str]:
    """List the addresses of a source that do not stand in its translation, letter for letter."""
    found = Counter(address.rstrip(TRAILING) for address in ADDRESS.findall(source))
    return [address for address, count in found.items() if target.count(address) < count]
