"""The speed of translation: the lines of a text by one model in several ways, by turns.

Inside the clock is all that stands between lines of text and their translations: segmenting,
forming batches, encoding, search, joining pieces. Outside are loading the model, reading the text
and the first turns, which warm up.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from nmt.bench.turns import WARM_UP, Work, in_turns
from nmt.model.directory import Segmenters
from nmt.translate import Translation, Translator

FIRST_LINES, TEXT_TURNS = 20, 5

Translators = Mapping[str, Translator]  # by name


@dataclass(frozen=True)
class Range:
    """A median over turns, or over lines, and the least and the most."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Range":
        """Sum up some values."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Speed:
    """How fast a text was translated, over all turns.

    Attributes:
        pieces: Of the best translations of all lines, ends left out.
    """

    name: str
    sentences_per_second: Range
    pieces_per_second: Range
    pieces: int


@dataclass(frozen=True)
class Latency:
    """How long lines took that were translated one at a time.

    Attributes:
        milliseconds: Median over the lines, least and most.
        milliseconds_90: What nine of ten lines need at most.
    """

    name: str
    milliseconds: Range
    milliseconds_90: float


@dataclass(frozen=True)
class Ratio:
    """How many times as fast one was as another, in the same turn or for the same line."""

    name: str
    other: str
    ratio: Range


Speeds = dict[str, list[float]]  # by name, then by turn or line


@dataclass(frozen=True)
class Measured:
    """What was measured of a text.

    Attributes:
        speeds: What each achieves.
        turns: The sentences a second of each, turn by turn.
        translations: What each made of the text.
    """

    speeds: list[Speed]
    turns: Speeds
    translations: dict[str, list[Translation]]


def measure_text(
    translators: Translators, lines: Sequence[str], turns: int, warm_up: int = WARM_UP
) -> Measured:
    """Translate a text as often as there are turns, by each in turn.

    Args:
        warm_up: Turns before, which do not count.
    """
    made: dict[str, list[Translation]] = {}

    def work(name: str) -> Work:
        def translate(_: int) -> float:
            made[name] = list(translators[name].translate(lines))
            return len(lines)

        return translate

    found = in_turns([work(name) for name in translators], turns, warm_up)
    speeds = dict(zip(translators, found, strict=True))
    told = [summed_up(name, each, made[name]) for name, each in speeds.items()]
    return Measured(told, speeds, made)


def summed_up(name: str, speeds: Sequence[float], translations: Sequence[Translation]) -> Speed:
    """Sum up the sentences a second of all turns."""
    pieces = count_pieces(translations)
    of_pieces = [each * pieces / len(translations) for each in speeds]
    return Speed(name, Range.of(speeds), Range.of(of_pieces), pieces)


def measure_lines(translators: Translators, lines: Sequence[str]) -> tuple[list[Latency], Speeds]:
    """Translate lines one at a time, each by all in turn, the first few of them unclocked before.

    Returns:
        How long each takes, and its lines a second line by line.
    """

    def work(translator: Translator) -> Work:
        def translate(number: int) -> float:
            translator.translate_together([lines[number]])
            return 1

        return translate

    works = [work(each) for each in translators.values()]
    found = in_turns(works, len(lines), min(FIRST_LINES, len(lines)))
    speeds = dict(zip(translators, found, strict=True))
    times = {name: [1000 / speed for speed in each] for name, each in speeds.items()}
    return [
        Latency(name, Range.of(each), ninth_decile(each)) for name, each in times.items()
    ], speeds


def count_pieces(translations: Iterable[Translation]) -> int:
    """Count the pieces of the first of each line's translations."""
    return sum(len(each.candidates[0].ids) for each in translations)


def ninth_decile(values: Sequence[float]) -> float:
    """Give the least value that nine of ten do not exceed."""
    return sorted(values)[math.ceil(0.9 * len(values)) - 1]


def ratios(speeds: Speeds, names: Iterable[str], others: Iterable[str]) -> list[Ratio]:
    """Compare each of some with each of others, turn by turn."""
    return [
        Ratio(name, other, Range.of([a / b for a, b in zip(*pair, strict=True)]))
        for name, other in product(names, others)
        for pair in [(speeds[name], speeds[other])]
    ]


def share_of_text(
    segmenters: Segmenters, lines: Sequence[str], measured: Measured, name: str
) -> float:
    """Tell which share of one's time goes into characters: segmenting, and joining pieces."""
    ids = [each.candidates[0].ids for each in measured.translations[name]]

    def work(_: int) -> float:
        segmenters.source.encode_lines(lines)
        for each in ids:
            segmenters.target.decode(each)
        return len(lines)

    (speeds,) = in_turns([work], TEXT_TURNS)
    return statistics.median(measured.turns[name]) / statistics.median(speeds)
