"""Token-budget batches from sentences of like length, in a seeded order that can be resumed.

B sentences, S source length, T target length.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nmt.corpus.encoded import EncodedCorpus
from nmt.corpus.store import Array
from nmt.errors import ConfigError


@dataclass(frozen=True)
class Batch:
    """Padded ids of some pairs. Padding is 0 and never looked at: lengths tell.

    Attributes:
        source: (B, S) ids, each with its end of sentence.
        source_lengths: (B,)
        target: (B, T + 1) start, ids, end of sentence.
        target_lengths: (B,) of what is predicted: ids and end of sentence.
    """

    source: Array
    source_lengths: Array
    target: Array
    target_lengths: Array

    @property
    def tokens(self) -> int:
        """Count the target tokens that are predicted."""
        return int(self.target_lengths.sum())


@dataclass(frozen=True)
class Shape:
    """The size of a batch.

    Attributes:
        pairs: B.
        source, target: S and T.
        source_tokens, target_tokens: What is no padding, ends of sentence included.
    """

    pairs: int
    source: int
    target: int
    source_tokens: int
    target_tokens: int


@dataclass(frozen=True)
class Position:
    """A place in the endless stream of batches: what a run has to remember of its data."""

    epoch: int = 0
    batch: int = 0


@dataclass(frozen=True)
class Boundaries:
    """Ids around sentences: what closes a source, and what opens and closes a target."""

    source_end: int
    target_start: int
    target_end: int


def plan_batches(
    source_lengths: Array, target_lengths: Array, batch_tokens: int, order: Array
) -> list[Array]:
    """Cut pairs into batches of at most `batch_tokens` tokens, padding included.

    Args:
        source_lengths, target_lengths: (N,) with the ends of sentence counted.
        order: (N,) breaks ties between pairs of one length: shuffled, it makes other batches.

    Returns:
        The pairs of each batch, shortest batches first.
    """
    longer = np.maximum(source_lengths, target_lengths)[order]
    if len(longer) and longer.max() > batch_tokens:
        raise ConfigError(
            f"data.batch_tokens = {batch_tokens:,}, but the longest pair has {longer.max():,} "
            "tokens; raise it, or encode with a lower encode.max_pieces"
        )
    shorter = np.minimum(source_lengths, target_lengths)[order]
    ranked = np.lexsort((shorter, longer))
    batches, start = [], 0
    ranked_lengths = longer[ranked]
    while start < len(ranked):
        end = batch_end(ranked_lengths, start, batch_tokens)
        batches.append(order[ranked[start:end]])
        start = end
    return batches


def batch_end(lengths: Array, start: int, batch_tokens: int) -> int:
    """Find how many pairs from `start` on fit the budget; lengths rise, so the last one pads."""
    most = start + batch_tokens // int(lengths[start])
    sizes = np.arange(1, len(lengths[start:most]) + 1) * lengths[start:most]
    return start + max(1, int(np.searchsorted(sizes, batch_tokens, side="right")))


def pad(sequences: Sequence[Array], before: int | None, after: int) -> tuple[Array, Array]:
    """Put sequences into one array between the ids that open and close them.

    Returns:
        Ids (B, longest) and the lengths (B,).
    """
    first = 0 if before is None else 1
    lengths = np.array([first + len(ids) + 1 for ids in sequences], np.int64)
    padded = np.zeros((len(sequences), lengths.max()), np.int64)
    if before is not None:
        padded[:, 0] = before
    for row, ids, length in zip(padded, sequences, lengths, strict=True):
        row[first : length - 1] = ids
        row[length - 1] = after
    return padded, lengths


def make_batch(sources: Sequence[Array], targets: Sequence[Array], ends: Boundaries) -> Batch:
    """Pad pairs of id sequences into a batch."""
    source, source_lengths = pad(sources, None, ends.source_end)
    target, target_lengths = pad(targets, ends.target_start, ends.target_end)
    return Batch(source, source_lengths, target, target_lengths - 1)


class BatchStream:
    """The endless stream of a corpus' batches, in another order each epoch.

    The order of an epoch depends on the seed and the epoch's number alone, so a stream that
    starts at a position goes on exactly as one that came there by itself.
    """

    def __init__(
        self, corpus: EncodedCorpus, batch_tokens: int, seed: int, ends: Boundaries
    ) -> None:
        self._corpus, self._ends = corpus, ends
        self._batch_tokens, self._seed = batch_tokens, seed
        self._source_lengths = corpus.lengths("source") + 1
        self._target_lengths = corpus.lengths("target") + 1

    def plan(self, epoch: int) -> list[Array]:
        """Plan the batches of an epoch in the order in which they are used."""
        random = np.random.default_rng((self._seed, epoch))
        order = random.permutation(len(self._corpus))
        batches = plan_batches(
            self._source_lengths, self._target_lengths, self._batch_tokens, order
        )
        return [batches[index] for index in random.permutation(len(batches))]

    def from_position(self, position: Position) -> Iterator[tuple[Batch, Position]]:
        """Yield batches from a position on, each with the position after it."""
        epoch, first = position.epoch, position.batch
        while True:
            plan = self.plan(epoch)
            for index in range(first, len(plan)):
                last = index + 1 == len(plan)
                after = Position(epoch + 1, 0) if last else Position(epoch, index + 1)
                yield self.batch(plan[index]), after
            epoch, first = epoch + 1, 0

    def with_budget(self, batch_tokens: int) -> "BatchStream":
        """Give a stream of the same pairs in batches of another size."""
        other = copy.copy(self)
        other._batch_tokens = batch_tokens
        return other

    def shape(self, numbers: Array) -> Shape:
        """Tell the size of a batch without reading it."""
        source, target = self._source_lengths[numbers], self._target_lengths[numbers]
        longest = int(source.max()), int(target.max())
        return Shape(len(numbers), *longest, int(source.sum()), int(target.sum()))

    def batch(self, numbers: Array) -> Batch:
        """Read the pairs of a batch."""
        sources = [self._corpus.ids["source"][number] for number in numbers]
        targets = [self._corpus.ids["target"][number] for number in numbers]
        return make_batch(sources, targets, self._ends)
