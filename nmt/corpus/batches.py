"""Token-budget batches from sentences of like length, in a seeded order that can be resumed.

B sentences, S source length, T target length.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np

from nmt.corpus.corpora import Pairs
from nmt.corpus.encoded import SIDES
from nmt.corpus.order import InTurn, Order
from nmt.corpus.sampling import Sampling
from nmt.corpus.store import Array
from nmt.errors import ConfigError, DataError


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
    """A place in the endless stream of batches: what a run has to remember of its data.

    Attributes:
        batch: Number of the batch within its window.
        window: Number of the window within its epoch; a small corpus is one window.
    """

    epoch: int = 0
    batch: int = 0
    window: int = 0


@dataclass(frozen=True)
class Boundaries:
    """Ids around sentences: what closes a source, and what opens and closes a target.

    Attributes:
        vocab_sizes: Of source and target, where ids are to be compared with them.
    """

    source_end: int
    target_start: int
    target_end: int
    vocab_sizes: tuple[int, int] | None = None


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
    refuse_long(int(longer.max(initial=0)), batch_tokens)
    shorter = np.minimum(source_lengths, target_lengths)[order]
    ranked = np.lexsort((shorter, longer))
    batches, start = [], 0
    ranked_lengths = longer[ranked]
    while start < len(ranked):
        end = batch_end(ranked_lengths, start, batch_tokens)
        batches.append(order[ranked[start:end]])
        start = end
    return batches


def refuse_long(longest: int, batch_tokens: int) -> None:
    """Refuse a pair that no batch can hold."""
    if longest > batch_tokens:
        raise ConfigError(
            f"data.batch_tokens = {batch_tokens:,}, but the longest pair has {longest:,} "
            "tokens; raise it, or encode with a lower encode.max_pieces"
        )


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
    """Pad pairs of id sequences into a batch.

    Raises:
        DataError: An id is in no vocabulary.
    """
    source, source_lengths = pad(sources, None, ends.source_end)
    target, target_lengths = pad(targets, ends.target_start, ends.target_end)
    for ids, size in zip((source, target), ends.vocab_sizes or (), strict=False):
        if ids.max() >= size:
            raise DataError(
                f"a corpus holds the id {ids.max()}, but its vocabulary has {size:,} pieces; it is "
                "damaged: look at it with nmt check corpus, and encode it again"
            )
    return Batch(source, source_lengths, target, target_lengths - 1)


class BatchStream:
    """The endless stream of a corpus' batches, in another order each epoch.

    The order of an epoch depends on the seed and the epoch's number alone, so a stream that
    starts at a position goes on exactly as one that came there by itself. Batches are planned for
    a window of pairs at a time.

    Args:
        order: Which pairs come when; by default each once an epoch.
        sampling: Cuts text anew; by default ids are those of the corpus.

    Raises:
        ConfigError: A pair is longer than a batch may be.
    """

    def __init__(
        self,
        corpus: Pairs,
        batch_tokens: int,
        seed: int,
        ends: Boundaries,
        order: Order | None = None,
        sampling: Sampling | None = None,
    ) -> None:
        self._corpus, self._ends, self._seed = corpus, ends, seed
        self._order = order or InTurn(len(corpus), seed)
        self._sampling = sampling
        self._set_budget(batch_tokens)

    def _set_budget(self, batch_tokens: int) -> None:
        longest = max(self._corpus.longest(side) for side in SIDES) + 1
        refuse_long(longest, batch_tokens)
        growth = self._sampling.growth if self._sampling else 1.0
        self._batch_tokens = max(longest, int(batch_tokens / growth))

    def plan(self, epoch: int, window: int = 0) -> list[Array]:
        """Plan the batches of a window in the order in which they are used."""
        random = np.random.default_rng((self._seed, epoch, window))
        pairs = self._order.window(epoch, window)
        pairs = pairs[random.permutation(len(pairs))]
        source, target = (self._corpus.lengths_of(side, pairs) + 1 for side in SIDES)
        places = np.arange(len(pairs), dtype=np.int32)
        batches = plan_batches(source, target, self._batch_tokens, places)
        return [pairs[batches[index]] for index in random.permutation(len(batches))]

    def from_position(self, position: Position) -> Iterator[tuple[Batch, Position]]:
        """Yield batches from a position on, each with the position after it."""
        while True:
            plan = self.plan(position.epoch, position.window)
            following = self._following(position)
            for index in range(position.batch, len(plan)):
                place = replace(position, batch=index)
                last = index + 1 == len(plan)
                after = following if last else replace(position, batch=index + 1)
                yield self.batch(plan[index], place), after
            del plan  # before the next, so that only one is in memory
            position = following

    def with_budget(self, batch_tokens: int) -> "BatchStream":
        """Give a stream of the same pairs in batches of another size."""
        other = copy.copy(self)
        other._set_budget(batch_tokens)
        return other

    def shape(self, numbers: Array) -> Shape:
        """Tell the size of a batch without reading it."""
        source, target = (self._corpus.lengths_of(side, numbers) + 1 for side in SIDES)
        longest = int(source.max()), int(target.max())
        return Shape(len(numbers), *longest, int(source.sum()), int(target.sum()))

    def _following(self, position: Position) -> Position:
        """Give where the next window begins."""
        if position.window + 1 < self._order.num_windows(position.epoch):
            return Position(position.epoch, 0, position.window + 1)
        return Position(position.epoch + 1)

    def batch(self, numbers: Array, place: Position = Position()) -> Batch:
        """Read the pairs of the batch that stands at a place."""
        if self._sampling is None:
            source, target = (
                [self._corpus.sequence(side, each) for each in numbers] for side in SIDES
            )
        else:
            # A pair that comes twice in an epoch is cut twice.
            moment = astuple(place) if self._order.repeats else (place.epoch,)
            source, target = (self._sampling.cut(side, numbers, moment) for side in SIDES)
        return make_batch(source, target, self._ends)
