"""How long a translation is, learnt from the text itself.

Source: Gale and Church (1993), A Program for Aligning Sentences in Bilingual Corpora, section 3.
The distance of two lengths is counted in units that do not grow with them, so that short lines may
differ by much, and long ones not. Mean and spread are those of the pairs at hand, robustly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NORMAL = 1.4826  # standard deviation of a normal distribution for one median absolute deviation
LEAST_SPREAD = 0.5  # for text whose pairs are nearly all of one length
LIMIT = 5.0  # spreads; at most 0.9 % of sound pairs are beyond, in text of five kinds


@dataclass(frozen=True)
class Lengths:
    """What pairs of lengths are usual.

    Attributes:
        ratio: Characters of the target for one of the source.
        centre: The usual distance, near 0.
        spread: What stands for its standard deviation.
    """

    ratio: float
    centre: float
    spread: float

    @classmethod
    def learn(cls, pairs: Sequence[tuple[str, str]]) -> "Lengths":
        """Learn from pairs, of which some may be faulty."""
        source, target = sizes([pair[0] for pair in pairs]), sizes([pair[1] for pair in pairs])
        ratio = float(np.exp(np.median(np.log(target / source)))) if len(pairs) else 1.0
        distance = distances(source, target, ratio)
        centre = float(np.median(distance)) if len(pairs) else 0.0
        spread = NORMAL * float(np.median(np.abs(distance - centre))) if len(pairs) else 1.0
        return cls(ratio, centre, max(spread, LEAST_SPREAD))

    def distances(self, sources: Array, targets: Array) -> Array:
        """Say how many spreads each pair of lengths is from the usual; below 0 is short."""
        found: Array = (distances(sources, targets, self.ratio) - self.centre) / self.spread
        return found


def sizes(lines: Sequence[str]) -> Array:
    """Count characters, of an empty line one."""
    return np.maximum(np.fromiter(map(len, lines), np.float64, len(lines)), 1.0)


def distances(source: Array, target: Array, ratio: float) -> Array:
    """Compare lengths in units that do not grow with them."""
    expected = ratio * source
    difference: Array = (target - expected) / np.sqrt((target + expected) / 2)
    return difference
