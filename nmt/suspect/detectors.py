"""What makes a translation suspect, each a function that says what it objects to."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nmt.suspect.config import SuspectConfig
from nmt.text.folding import fold, words_of
from nmt.text.lengths import distances
from nmt.text.placeables import lost_addresses, lost_numbers
from nmt.text.repeats import repeated
from nmt.text.rules import LETTER, share_of_script

LETTERS_FOR_A_WORD = 4
SHOWN = 60  # characters of a text in a message


@dataclass(frozen=True)
class Rendering:
    """A line and a translation of it.

    Attributes:
        sizes: Pieces of both.
        probability: Of a piece of the translation, the geometric mean, its end counted.
    """

    source: str
    target: str
    sizes: tuple[int, int]
    probability: float

    @cached_property
    def words(self) -> tuple[list[str], list[str]]:
        """The words of both, folded."""
        return words_of(fold(self.source)), words_of(fold(self.target))

    def distance(self, ratio: float) -> float:
        """Say how far the length is from usual, given what is usual; below 0 is short."""
        source, target = (np.array([max(size, 1)], np.float64) for size in self.sizes)
        return float(distances(source, target, ratio)[0])


Detector = Callable[[Rendering, SuspectConfig], str]


def repetition(each: Rendering, config: SuspectConfig) -> str:
    """Object to words that say again what stands just before them, more than the source does."""
    source, target = each.words
    allowed = repeated(source)[0] + config.repeated_words
    count, first, size = repeated(target)
    if count >= allowed:
        phrase = quoted(" ".join(target[first : first + size]))
        return f"{phrase} {count // size + 1} times in a row"
    for word in target:
        count, first, size = repeated(word)
        if count >= LETTERS_FOR_A_WORD * config.repeated_words and word not in source:
            return f"{quoted(word)} repeats {quoted(word[first : first + size])}"
    return ""


def copy(each: Rendering, config: SuspectConfig) -> str:
    """Object to a translation that is made of words of its source."""
    source, target = (Counter(filter(LETTER.search, words)) for words in each.words)
    same, size = (source & target).total(), target.total()
    if size < config.copied_words or same < config.copied_share * size:
        return ""
    return f"{same:,} of {size:,} words are the source's"


def short(each: Rendering, config: SuspectConfig) -> str:
    """Object to a translation far shorter than is usual."""
    if not each.target.strip():
        return "no text"
    is_short = each.distance(config.length_ratio) < -config.short_limit
    return of_length(each) if is_short else ""


def long(each: Rendering, config: SuspectConfig) -> str:
    """Object to a translation far longer than is usual."""
    return of_length(each) if each.distance(config.length_ratio) > config.long_limit else ""


def of_length(each: Rendering) -> str:
    """Say how long a line and its translation are."""
    return f"{each.sizes[1]:,} pieces for {each.sizes[0]:,}"


def number(each: Rendering, config: SuspectConfig) -> str:
    """Object to numbers that the translation lacks."""
    return lost(lost_numbers(each.source, each.target))


def url(each: Rendering, config: SuspectConfig) -> str:
    """Object to web and mail addresses that the translation lacks."""
    return lost(lost_addresses(each.source, each.target))


def lost(found: list[str]) -> str:
    """Name the first few that are lost."""
    more = f" and {len(found) - 3:,} more" * (len(found) > 3)
    return f"lost {', '.join(map(quoted, found[:3]))}{more}" if found else ""


def script(each: Rendering, config: SuspectConfig) -> str:
    """Object to letters of other scripts than the target's, words of the source apart."""
    if not config.target_script:
        return ""
    source, target = each.words
    given = {*source}
    own = "".join(word for word in target if word not in given)
    share = share_of_script(own, config.target_script)
    if share >= config.min_script_share:
        return ""
    return f"{share:.0%} of the letters are {' or '.join(config.target_script)}"


def confidence(each: Rendering, config: SuspectConfig) -> str:
    """Object to a translation that the model finds improbable itself."""
    if each.probability >= config.min_probability:
        return ""
    return f"probability {each.probability:.2f} a piece"


def quoted(text: str) -> str:
    """Quote what may hold anything, and not all of it."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


def mean_probability(log_prob: float, length: int) -> float:
    """Give the geometric mean of the probabilities of so many pieces."""
    return math.exp(log_prob / max(length, 1))


DETECTORS: dict[str, Detector] = {
    "repetition": repetition,
    "copy": copy,
    "short": short,
    "long": long,
    "number": number,
    "url": url,
    "script": script,
    "confidence": confidence,
}


def suspicions(each: Rendering, config: SuspectConfig) -> dict[str, str]:
    """Give what a translation is suspect of: kinds, and what is wrong, in words."""
    found = {kind: DETECTORS[kind](each, config) for kind in config.kinds}
    return {kind: detail for kind, detail in found.items() if detail}
