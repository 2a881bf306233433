"""Which target pieces a source piece is translated with, learnt from pairs.

N cells: a source and a target piece that stand in the same pair, each time that they do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nmt.corpus.corpora import Pairs
from nmt.corpus.store import Array

MAX_PAIRS = 100_000  # more teach little, and take time and memory
MAX_PIECES = 128  # of a side of a pair; cells grow with the square
AT_ONCE = 2_000  # pairs
ITERATIONS = 4
LEAST_PROBABILITY = 0.003  # of a suggestion
FREQUENT_SHARE = 0.98  # of target tokens that the frequent pieces make up


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
        pairs: (N,) source id * target vocabulary + target id.
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

    The end of the source stands for what has no source piece.

    Args:
        vocab_sizes: Of source and target.
        ends: Ids of the end of sentence, of source and target.
        copies: Whether a source piece suggests itself: both sides have one vocabulary.

    Source: Brown et al. (1993), https://aclanthology.org/J93-2003, section 4.1 (Model 1).
    """
    chunks = list(cells_of(corpus, vocab_sizes[1], ends[0]))
    known = np.unique(np.concatenate([np.unique(each.pairs) for each in chunks]))
    sources = known // vocab_sizes[1]
    probabilities = np.ones(len(known))
    indices = [np.searchsorted(known, each.pairs) for each in chunks]
    for _ in range(ITERATIONS):
        counts = np.zeros(len(known))
        for chunk, index in zip(chunks, indices, strict=True):
            given = probabilities[index]
            whole = np.bincount(chunk.positions, given, chunk.num_positions)
            counts += np.bincount(index, given / whole[chunk.positions], len(known))
        probabilities = counts / np.bincount(sources, counts, vocab_sizes[0])[sources]
    likely = known[probabilities >= LEAST_PROBABILITY]
    if copies:
        likely = np.union1d(likely, np.arange(vocab_sizes[0]) * (vocab_sizes[1] + 1))
    offsets = np.searchsorted(likely // vocab_sizes[1], np.arange(vocab_sizes[0] + 1))
    frequent = frequent_pieces(corpus, vocab_sizes[1], ends[1])
    return Lexicon(frequent, offsets, likely % vocab_sizes[1])


def sample(corpus: Pairs) -> Array:
    """Choose pairs, evenly spread."""
    count = min(len(corpus), MAX_PAIRS)
    return np.arange(count) * len(corpus) // max(count, 1)


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
            positions.append(np.tile(np.arange(done, done + len(target)), len(source)))
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
