"""Whether a line's translation depends on what is translated beside it: tried out on a text."""

import contextlib
import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import torch

from nmt.model.compute import Compute, on_threads
from nmt.model.directory import TranslationPackage
from nmt.search.config import SearchConfig
from nmt.translate import LINES_AT_ONCE, Candidate, Translation, Translator

SIZES = (1, 2, 7, 64)  # sentences in a batch
THREADS = (1, 2)
UNBOUNDED = 2**31  # tokens, so that lines given together are one batch


@dataclass(frozen=True)
class Way:
    """A way to translate the same lines.

    Attributes:
        size: Sentences in a batch; 0 for batches as they usually are.
        shuffled: Whether in another order.
        threads: Of the processor; 0 for as many as usual.
    """

    name: str
    size: int = 0
    shuffled: bool = False
    threads: int = 0


USUAL = Way("as usual")


@dataclass(frozen=True)
class Difference:
    """A line whose translation is another: the first of its candidates to be so.

    Attributes:
        line: Its number, from 1.
        usual, other: Candidates; None for one that is not there.
    """

    line: int
    way: str
    usual: Candidate | None
    other: Candidate | None

    @property
    def gap(self) -> float | None:
        """Give by how much the scores differ: little where two were nearly equally good."""
        if self.usual is None or self.other is None:
            return None
        return abs(self.usual.score - self.other.score)


@dataclass(frozen=True)
class Outcome:
    """What translating in another way came to.

    Attributes:
        differences: The lines whose translation is another.
        score_difference: The most that scores differ by where the translation is the same.
    """

    way: str
    differences: Sequence[Difference]
    score_difference: float


@dataclass(frozen=True)
class Trial:
    """Lines, and what translates them."""

    lines: Sequence[str]
    package: TranslationPackage
    search: SearchConfig
    compute: Compute

    def ways(self) -> list[Way]:
        """List what is compared with the usual way; threads matter on a processor alone."""
        counts = THREADS if self.compute.device.type == "cpu" else ()
        others = [count for count in counts if count != torch.get_num_threads()]
        return [
            *(Way(f"{size} a batch", size=size) for size in SIZES),
            Way("shuffled", shuffled=True),
            Way("shuffled, 7 a batch", size=7, shuffled=True),
            *(Way(f"threads: {count}", threads=count) for count in others),
        ]

    def outcomes(self) -> Iterator[Outcome]:
        """Translate in each way, and compare with the usual; alone, lines must score alike too."""
        usual, exact = self.translations(USUAL), self.search.batch_invariant
        with without_warnings():  # they have come once
            for way in self.ways():
                yield compared(way.name, usual, self.translations(way), exact=exact)

    def translations(self, way: Way) -> list[Translation]:
        """Translate all lines; each keeps its number, by which samples are drawn."""
        search = replace(self.search, batch_tokens=UNBOUNDED) if way.size else self.search
        package = self.package
        translator = Translator(package.model, package.segmenters, search, self.compute)
        order = list(range(len(self.lines)))
        if way.shuffled:
            random.Random(self.compute.seed).shuffle(order)
        step, found = way.size or LINES_AT_ONCE, dict[int, Translation]()
        with on_threads(way.threads or torch.get_num_threads()):
            for first in range(0, len(order), step):
                places = order[first : first + step]
                made = translator.translate_together(
                    [self.lines[place] for place in places],
                    numbers=[place + 1 for place in places],
                )
                found.update(zip(places, made, strict=True))
        return [found[place] for place in range(len(order))]


def compared(
    way: str, usual: Sequence[Translation], others: Sequence[Translation], *, exact: bool = False
) -> Outcome:
    """Find where a way departs from the usual.

    Args:
        exact: Whether another score of the same text is a difference too.
    """
    differences, most = list[Difference](), 0.0
    for line, (mine, other) in enumerate(zip(usual, others, strict=True), start=1):
        pairs = list(zip_longest(mine.candidates, other.candidates))
        unlike = [(a, b) for a, b in pairs if a is None or b is None or a.text != b.text]
        apart = [] if unlike else [(a, b) for a, b in pairs if a != b]
        if unlike or (exact and apart):
            differences.append(Difference(line, way, *[*unlike, *apart][0]))
        most = max([most, *(abs(a.score - b.score) for a, b in apart)])
    return Outcome(way, differences, most)


def differing(outcomes: Sequence[Outcome]) -> set[int]:
    """Give the numbers of the lines that some way translates otherwise."""
    return {each.line for outcome in outcomes for each in outcome.differences}


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Log nothing below an error."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
