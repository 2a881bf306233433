"""Other ways to cut a line into pieces of the same model, drawn at random.

SentencePiece samples too, but mixes into its seed a number that differs between processes, so that
a resumed run would see other pieces than one that was not interrupted.
"""

import functools
import itertools
import math
import re
from bisect import bisect
from collections.abc import Callable, Iterable
from itertools import accumulate
from random import Random

from nmt.text.segmenter import Segmenter

SPACE = "\u2581"  # how SentencePiece spells a space
WORD = re.compile(f"{SPACE}?[^{SPACE}]+|{SPACE}")
WORDS_KNOWN = 2**13  # whose lattices are kept, as words return

Draw = Callable[[str, Random], list[str]]
Arc = tuple[list[int], list[float]]  # where pieces that end here begin; their shares, summed up


class Resegmenter:
    """Draw segmentations of what a segmenter has cut.

    Bytes, unknown pieces and symbols of the user's stay as they are.

    Args:
        strength: Of BPE, the share of merges left out; of a unigram model, the exponent of
            probabilities.
    """

    def __init__(self, segmenter: Segmenter, strength: float) -> None:
        self._texts = segmenter.texts
        plain = {text: id_ for id_, text in enumerate(self._texts) if segmenter.is_plain(id_)}
        self._ids = plain
        scores = {text: segmenter.score(id_) for text, id_ in plain.items()}
        crosses = any(SPACE in text[1:] for text in plain)
        self._words: Callable[[str], Iterable[str]] = (lambda text: [text]) if crosses else split
        self._draw: Draw = (
            unigram_draw(scores, strength)
            if segmenter.kind == "unigram"
            else functools.partial(draw_merges, scores=scores, dropout=strength)
        )

    def __call__(self, ids: Iterable[int], seed: int) -> list[int]:
        """Cut anew what ids spell; the same seed gives the same, in any process."""
        random = Random(seed)
        cut: list[int] = []
        for plain, group in itertools.groupby(ids, lambda each: self._texts[each] in self._ids):
            if not plain:
                cut += group
                continue
            usual = list(group)
            drawn = [
                piece
                for word in self._words("".join(self._texts[each] for each in usual))
                for piece in self._draw(word, random)
            ]
            known = all(piece in self._ids for piece in drawn)
            cut += [self._ids[piece] for piece in drawn] if known else usual
        return cut


def split(text: str) -> list[str]:
    """Cut text before its spaces."""
    return WORD.findall(text)


def draw_merges(
    word: str, random: Random, *, scores: dict[str, float], dropout: float
) -> list[str]:
    """Merge characters as BPE does, but leave out each merge with some probability.

    Source: Provilkov et al. (2020), https://arxiv.org/abs/1910.13267, algorithm 1. As in
    SentencePiece, a merge that was left out is not tried again.
    """
    cuts, dropped = list(range(len(word) + 1)), set()
    while True:
        spans = list(zip(cuts, cuts[1:], cuts[2:], strict=False))
        found = [
            (-scores[word[span[0] : span[2]]], place)
            for place, span in enumerate(spans)
            if word[span[0] : span[2]] in scores and span not in dropped
        ]
        if not found:
            return [word[start:end] for start, end in itertools.pairwise(cuts)]
        _, place = min(found)
        if dropout and random.random() < dropout:
            dropped.add(spans[place])
        else:
            del cuts[place + 1]


def unigram_draw(scores: dict[str, float], alpha: float) -> Draw:
    """Make what draws from all segmentations of a word, by their probability to the power alpha.

    Source: Kudo (2018), https://arxiv.org/abs/1804.10959, section 3.2.
    """
    longest = max(map(len, scores), default=1)

    @functools.lru_cache(maxsize=WORDS_KNOWN)
    def known(word: str) -> list[Arc]:
        return lattice(word, scores, alpha, longest)

    def draw(word: str, random: Random) -> list[str]:
        arcs, end, pieces = known(word), len(word), []
        while end:
            starts, shares = arcs[end]
            start = starts[min(bisect(shares, random.random()), len(starts) - 1)]
            pieces.append(word[start:end])
            end = start
        return pieces[::-1]

    return draw


def lattice(word: str, scores: dict[str, float], alpha: float, longest: int) -> list[Arc]:
    """Sum up, for each place in a word, all ways to come there by the piece that ends there."""
    reached, arcs = [0.0], [([0], [1.0])]
    for end in range(1, len(word) + 1):
        starts = [
            start
            for start in range(max(0, end - longest), end)
            if word[start:end] in scores and reached[start] > -math.inf
        ]
        logs = [reached[start] + alpha * scores[word[start:end]] for start in starts]
        most = max(logs, default=-math.inf)
        weights = [math.exp(each - most) for each in logs]
        total = sum(weights)
        reached.append(most + math.log(total) if total else -math.inf)
        arcs.append((starts, [each / total for each in accumulate(weights)]))
    return arcs
