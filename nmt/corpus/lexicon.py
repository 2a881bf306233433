"""Which target pieces a source piece is translated with, learnt from pairs.

N cells: a source and a target piece that stand in the same pair, each time that they do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nmt.corpus.corpora import Pairs
from nmt.corpus.store import Array

MAX_PAIRS = 100_000  # more teach little, and take time
MAX_CELLS = 64_000_000  # 8 bytes each: half a gigabyte
MAX_PIECES = 128  # of a side of a pair; cells grow with the square
AT_ONCE = 2_000  # pairs
SIDES = ("source", "target")
ITERATIONS = 4
LEAST_PROBABILITY = 0.003  # of a suggestion
FREQUENT_SHARE = 0.9  # of target tokens that the frequent pieces make up


@dataclass(frozen=True)
class Lexicon:
    """Target pieces by source piece.

    Attributes:
        frequent: Ids of the target pieces that make up most of the text, the end among them.
        offsets: (source vocabulary + 1,) where the suggestions of each source piece begin.
        suggested: All suggestions, one source piece after the other, each in the order of ids.
    """

    frequent: Array
    offsets: Array
    suggested: Array


@dataclass(frozen=True)
class Cells:
    """Which pieces stand in the same pair.

    Attributes:
        pairs: (N,) source id * target vocabulary + target id, or the place of that among all.
        positions: (N,) number of the target token, to which all of its cells belong.
        num_positions: Target tokens.
    """

    pairs: Array
    positions: Array
    num_positions: int


def learn_lexicon(
    corpus: Pairs, vocab_sizes: tuple[int, int], ends: tuple[int, int], *, copies: bool = False
) -> Lexicon:
    """Learn from a sample of the pairs, evenly spread.

    The end of the source stands for what has no source piece. A source piece that the sample
    lacks suggests nothing at all, not even itself.

    Args:
        vocab_sizes: Of source and target.
        ends: Ids of the end of sentence, of source and target.
        copies: Whether a source piece suggests itself: both sides have one vocabulary.

    Source: Brown et al. (1993), https://aclanthology.org/J93-2003, section 4.1 (Model 1).
    """
    known, probabilities = translations(corpus, vocab_sizes, ends[0])
    likely = known[probabilities >= LEAST_PROBABILITY]
    if copies:
        seen = np.unique(likely // vocab_sizes[1])
        likely = np.union1d(likely, seen * (vocab_sizes[1] + 1))
    offsets = np.searchsorted(likely // vocab_sizes[1], np.arange(vocab_sizes[0] + 1))
    frequent = frequent_pieces(corpus, vocab_sizes[1], ends[1])
    return Lexicon(frequent, offsets, likely % vocab_sizes[1])


def translations(
    corpus: Pairs, vocab_sizes: tuple[int, int], source_end: int
) -> tuple[Array, Array]:
    """Give all source id * target vocabulary + target id of a pair, and how probable each is."""
    known = np.unique(
        np.concatenate(
            [np.unique(each.pairs) for each in cells_of(corpus, vocab_sizes[1], source_end)]
        )
    )
    chunks = [
        Cells(
            np.searchsorted(known, each.pairs).astype(np.int32), each.positions, each.num_positions
        )
        for each in cells_of(corpus, vocab_sizes[1], source_end)
    ]
    sources, probabilities = known // vocab_sizes[1], np.ones(len(known))
    for _ in range(ITERATIONS):
        counts = np.zeros(len(known))
        for chunk in chunks:
            given = probabilities[chunk.pairs]
            whole = np.bincount(chunk.positions, given, chunk.num_positions)
            counts += np.bincount(chunk.pairs, given / whole[chunk.positions], len(known))
        probabilities = counts / np.bincount(sources, counts, vocab_sizes[0])[sources]
    return known, probabilities


def sample(corpus: Pairs) -> Array:
    """Choose pairs, evenly spread: no more than have room."""
    numbers = spread(len(corpus), MAX_PAIRS)
    lengths = [np.minimum(corpus.lengths_of(side, numbers), MAX_PIECES) for side in SIDES]
    cells = int(((lengths[0].astype(np.int64) + 1) * lengths[1]).sum())
    return spread(len(corpus), max(1, len(numbers) * MAX_CELLS // max(cells, MAX_CELLS)))


def spread(size: int, most: int) -> Array:
    """Choose no more than so many of the first numbers, evenly spread."""
    count = min(size, most)
    return np.arange(count) * size // max(count, 1)


def cells_of(corpus: Pairs, target_vocab: int, source_end: int) -> Iterator[Cells]:
    """List the cells of sampled pairs, many pairs at a time."""
    numbers = sample(corpus)
    for begin in range(0, len(numbers), AT_ONCE):
        pairs, positions, done = [], [], 0
        for number in numbers[begin : begin + AT_ONCE].tolist():
            source = corpus.sequence("source", number)[:MAX_PIECES].astype(np.int64)
            target = corpus.sequence("target", number)[:MAX_PIECES].astype(np.int64)
            source = np.append(source, source_end)
            pairs.append((source[:, None] * target_vocab + target).ravel())
            positions.append(
                np.tile(np.arange(done, done + len(target), dtype=np.int32), len(source))
            )
            done += len(target)
        yield Cells(np.concatenate(pairs), np.concatenate(positions), done)


def frequent_pieces(corpus: Pairs, target_vocab: int, target_end: int) -> Array:
    """Find the fewest target pieces that make up most tokens of sampled pairs; and the end."""
    tokens = [corpus.sequence("target", number) for number in sample(corpus).tolist()]
    counts = np.bincount(np.concatenate(tokens), minlength=target_vocab)
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]  # tokens of all that are more frequent
    needed = order[(before < FREQUENT_SHARE * counts.sum()) & (counts[order] > 0)]
    return np.union1d(needed, [target_end])
