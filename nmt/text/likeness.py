"""How alike a source line and a target line are in meaning, learnt from the text itself.

Words that occur in paired lines get vectors that are alike, and a line is the sum of its words.
The vectors are the leading axes of a correspondence analysis of which words occur in pairs
together, a form of cross-language latent semantic indexing; nothing is known of the languages.

N lines, M words of all lines, V words of the vocabulary, R axes.

Source: Dumais et al. (1997), Automatic Cross-Language Retrieval Using Latent Semantic Indexing,
https://aaai.org/papers/0004-SS97-05-004; Halko et al. (2011), Finding Structure with Randomness,
https://arxiv.org/abs/0909.4061, algorithm 4.4.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nmt.text.seen import Array

AXES = 48
ROUNDS = 3
FEWEST_LINES = 3  # with a word: with fewer, its vector is its one line's
MOST_WORDS = 20_000
MOST_OF_A_LINE = 64  # words: the rest of a longer line would tell little more
NONE = ""  # stands for words without a vector, and once in each line, so that none is without words

Lines = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Ragged:
    """Word ids of lines, end to end.

    Attributes:
        ids: (M) number of each word, 0 for one that has no vector.
        starts: (N) where each line begins.
    """

    ids: Array
    starts: Array

    def sums(self, vectors: Array) -> Array:
        """Add up the vectors of each line's words: (V, R) to (N, R)."""
        # Position by position, which is several times as fast as numpy's sums of unequal parts.
        lengths = np.diff([*self.starts, len(self.ids)])
        order = np.argsort(-lengths, kind="stable")
        starts, falling = self.starts[order], -lengths[order]
        total = np.zeros((len(order), vectors.shape[1]), np.float32)
        for place in range(-falling[0]):
            longer = np.searchsorted(falling, -place)  # how many lines have this position
            total[:longer] += vectors[self.ids[starts[:longer] + place]]
        back = np.empty_like(total)
        back[order] = total
        return back

    def counts(self) -> Array:
        """Count the words of each line that have a vector."""
        count: Array = np.add.reduceat((self.ids > 0).astype(np.int64), self.starts)
        return count

    def spread(self, values: Array, size: int) -> Array:
        """Add up, for each word, what its lines hold: (N, R) to (V, R)."""
        rows = np.repeat(np.arange(len(self.starts)), np.diff([*self.starts, len(self.ids)]))
        order = np.argsort(self.ids, kind="stable")
        ids = self.ids[order]
        begins = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
        total = np.zeros((size, values.shape[1]), np.float32)
        total[ids[begins]] = np.add.reduceat(values[rows[order]], begins, axis=0)
        total[0] = 0.0
        return total


@dataclass(frozen=True)
class Vocabulary:
    """The words of one side that have a vector.

    Attributes:
        numbers: From a word to its number, from 1 on.
        scale: (V, 1) inverse root of the number of lines with each word; 0 for word 0.
    """

    numbers: dict[str, int]
    scale: Array

    @classmethod
    def learn(cls, lines: Lines) -> "Vocabulary":
        """Take the most frequent words."""
        counts = Counter(word for line in lines for word in dict.fromkeys(line))
        frequent = counts.most_common(MOST_WORDS)
        words = [word for word, count in frequent if count >= FEWEST_LINES]
        scale = np.array([0.0, *(counts[word] ** -0.5 for word in words)], np.float32)
        return cls({word: number for number, word in enumerate(words, 1)}, scale[:, None])

    def read(self, lines: Lines) -> Ragged:
        """Look up the words of lines."""
        marked = [(*line[:MOST_OF_A_LINE], NONE) for line in lines]
        sizes = np.fromiter(map(len, marked), np.int64, len(lines))
        ids = np.fromiter(
            map(self.numbers.get, itertools.chain.from_iterable(marked), itertools.repeat(0)),
            np.int64,
            int(sizes.sum()),
        )
        return Ragged(ids, np.cumsum(sizes) - sizes)


@dataclass(frozen=True)
class Likeness:
    """Vocabularies and (V, R) vectors of the two sides."""

    vocabularies: tuple[Vocabulary, Vocabulary]
    vectors: tuple[Array, Array]

    @classmethod
    def learn(cls, sources: Lines, targets: Lines) -> "Likeness":
        """Learn from lines that are paired, most of them rightly."""
        source, target = Vocabulary.learn(sources), Vocabulary.learn(targets)
        one, other = source.read(sources), target.read(targets)
        width = max(1, min(AXES, len(sources) // 32, *map(len, (source.scale, target.scale))))
        right = np.random.default_rng(1).standard_normal((len(target.scale), width))
        right = right.astype(np.float32)
        for _ in range(ROUNDS):
            left = one.spread(other.sums(target.scale * right), len(source.scale)) * source.scale
            left = np.linalg.qr(left)[0]
            right = other.spread(one.sums(source.scale * left), len(target.scale)) * target.scale
            right, triangle = np.linalg.qr(right)
        turn, strength, other_turn = np.linalg.svd(triangle.T)
        # The first axis says only how frequent words are.
        left = (source.scale * (left @ turn) * np.sqrt(strength))[:, 1:]
        right = (target.scale * (right @ other_turn.T) * np.sqrt(strength))[:, 1:]
        return cls((source, target), (left.astype(np.float32), right.astype(np.float32)))

    def read(self, lines: Lines, side: int) -> tuple[Array, Array]:
        """Give lines of a side as (N, R) vectors of length 1, and how many words they rest on."""
        ragged = self.vocabularies[side].read(lines)
        total = ragged.sums(self.vectors[side])
        length = np.sqrt(np.einsum("nr,nr->n", total, total))[:, None]
        return total / np.maximum(length, 1e-9), ragged.counts()
