"""How good a head's links are, with gold links, with a second direction, and with neither.

N links, C candidates, U links that any candidate has.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nmt.alignment.links import Links

Ids = NDArray[np.int64]


def information(line: Ids, source: Ids, target: Ids) -> float:
    """Measure what the source pieces of links tell about their target pieces, in nats a piece.

    It is the mean of log p(target piece | source piece) / p(target piece), where probabilities are
    estimated from the links of all other lines. A head that links translations tells much; one
    that looks one word beside them, or at the same place always, tells little.

    Args:
        line: (N,) number of the line of each target piece.
        source: (N,) id of the source piece that it is linked to; -1, which tells nothing, where
            it is linked to none.
        target: (N,) its id.
    """
    if not len(line):
        return 0.0
    kinds = len(np.unique(target))
    rest = len(line) - counts(line)
    of_target = (elsewhere(line, target) + 1) / (rest + kinds)
    together = elsewhere(line, coded(source, target))
    of_pair = (together + of_target) / (elsewhere(line, source) + 1)
    gain = np.where(source < 0, 0.0, np.log(of_pair / of_target))
    return float(gain.mean())


def coded(first: Ids, second: Ids) -> Ids:
    """Give each pair of numbers one of its own."""
    _, code = np.unique(np.stack([first, second]), axis=1, return_inverse=True)
    return code.reshape(-1).astype(np.int64)


def elsewhere(line: Ids, values: Ids) -> Ids:
    """Count how often each value comes on other lines."""
    return counts(values) - counts(coded(line, values))


def counts(values: Ids) -> Ids:
    """Count how often each value comes."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return count[place.reshape(-1)].astype(np.int64)


def agreement(
    forward: Sequence[Sequence[Links]], backward: Sequence[Sequence[Links]]
) -> NDArray[np.float64]:
    """Measure how far candidates of two directions draw the same links: 1 is all of them.

    Args:
        forward, backward: For each candidate the links of each line, source words first.

    Returns:
        For each two the share 2 |A and B| / (|A| + |B|), (C forward, C backward).

    Source: Chen et al. (2020), https://arxiv.org/abs/2004.14837, section 4.3, whose error rate
    is 1 less this.
    """
    known: dict[tuple[int, int, int], int] = {}
    rows = [
        [
            known.setdefault((line, *link), len(known))
            for line, links in enumerate(each)
            for link in links
        ]
        for each in (*forward, *backward)
    ]
    marks = np.zeros((len(rows), len(known)), np.float32)
    for mark, row in zip(marks, rows, strict=True):
        mark[row] = 1.0
    ours, theirs = marks[: len(forward)], marks[len(forward) :]
    both = (ours @ theirs.T).astype(np.float64)
    sizes = ours.sum(1)[:, None] + theirs.sum(1)[None, :]
    shares: NDArray[np.float64] = 2 * both / np.maximum(sizes, 1.0)
    return shares
