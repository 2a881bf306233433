"""Batches hold every pair once, keep their budget, and go on from anywhere."""

import random
from collections import Counter
from collections.abc import Callable
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.corpus.batches import (
    Batch,
    BatchStream,
    Boundaries,
    Position,
    make_batch,
    pad,
    plan_batches,
)
from nmt.corpus.config import DataConfig, StageConfig
from nmt.corpus.encoded import EncodedCorpus
from nmt.corpus.order import InTurn, Mixed
from nmt.errors import ConfigError, DataError

Encoded = Callable[..., EncodedCorpus]
Lengths = list[tuple[int, int]]
ENDS = Boundaries(source_end=2, target_start=1, target_end=3)
BUDGET = 48


def plan(lengths: Lengths, batch_tokens: int, seed: int = 0) -> list[list[int]]:
    """Plan batches of pairs of these lengths, in an order of this seed."""
    source, target = np.array(lengths, np.int64).reshape(-1, 2).T
    order = np.random.default_rng(seed).permutation(len(lengths))
    return [batch.tolist() for batch in plan_batches(source, target, batch_tokens, order)]


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=40),
    st.integers(12, 60),
)
def test_a_plan_holds_each_pair_once_within_the_budget(lengths: Lengths, budget: int) -> None:
    batches = plan(lengths, budget)
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    longest = [max(max(lengths[number]) for number in batch) for batch in batches]
    assert longest == sorted(longest)
    for batch, size in zip(batches, longest, strict=True):
        assert len(batch) * size <= budget
    for batch, following in pairwise(batches):
        first = min(max(lengths[number]) for number in following)
        assert (len(batch) + 1) * first > budget, "the next pair would have fitted"


def test_a_plan_depends_on_the_order_among_equals_only() -> None:
    lengths = [(4, 4)] * 12
    assert plan(lengths, 16, seed=1) == plan(lengths, 16, seed=1)
    assert plan(lengths, 16, seed=1) != plan(lengths, 16, seed=2)
    different = [(size, 1) for size in range(1, 13)]
    assert plan(different, 16, seed=1) == plan(different, 16, seed=2)


def test_pairs_alike_on_both_sides_share_a_batch() -> None:
    lengths = [(4, 1), (4, 4)] * 4
    batches = plan(lengths, 16)
    assert [{lengths[number] for number in batch} for batch in batches] == [{(4, 1)}, {(4, 4)}]


def test_no_pairs_make_no_batches() -> None:
    assert plan([], 8) == []


@pytest.mark.parametrize("pair", [(1001, 2), (2, 1001)])
def test_a_pair_that_exceeds_the_budget_is_refused(pair: tuple[int, int]) -> None:
    assert plan([(1, 1), pair], 1001)
    with pytest.raises(
        ConfigError,
        match=r"data.batch_tokens = 1,000, but the longest pair has 1,001 tokens; raise it, or "
        r"encode with a lower encode.max_pieces",
    ):
        plan([(1, 1), pair], 1000)


@pytest.mark.parametrize("before", [None, 7])
def test_padding_is_what_a_slow_loop_writes(before: int | None) -> None:
    sequences = [np.array(ids, np.uint16) for ids in ([5, 6, 8], [], [65535], [4, 4])]
    padded, lengths = pad(sequences, before, 9)
    rows = [[*([] if before is None else [before]), *ids.tolist(), 9] for ids in sequences]
    longest = max(map(len, rows))
    assert lengths.tolist() == [len(row) for row in rows]
    assert padded.tolist() == [row + [0] * (longest - len(row)) for row in rows]
    assert padded.dtype == lengths.dtype == np.int64


def test_a_batch_opens_and_closes_its_sentences() -> None:
    batch = make_batch([np.array([5, 6])], [np.array([7])], ENDS)
    assert batch.source.tolist() == [[5, 6, 2]]
    assert batch.source_lengths.tolist() == [3]
    assert batch.target.tolist() == [[1, 7, 3]]
    assert batch.target_lengths.tolist() == [2]


def test_an_id_that_is_in_no_vocabulary_is_refused() -> None:
    ends = Boundaries(2, 1, 3, vocab_sizes=(8, 9))
    make_batch([np.array([7])], [np.array([8])], ends)
    for source, target, found in ((8, 8, 8), (7, 9, 9)):
        with pytest.raises(DataError, match=rf"a corpus holds the id {found}, but its vocabulary"):
            make_batch([np.array([source])], [np.array([target])], ends)


@pytest.fixture
def corpus(encoded: Encoded) -> EncodedCorpus:
    """Forty pairs of unequal length, some of them the same."""
    generator = random.Random(1)
    words = ["the", "cat", "sat", "mat"]
    rows = [
        [" ".join(generator.choices(words, k=generator.randint(1, 4))) for _ in range(2)]
        for _ in range(40)
    ]
    return encoded([(source, target) for source, target in rows])


def stream(corpus: EncodedCorpus, seed: int = 1, budget: int = BUDGET) -> BatchStream:
    return BatchStream(corpus, budget, seed, ENDS)


def windowed(corpus: EncodedCorpus) -> BatchStream:
    """Give a stream whose windows are much smaller than the corpus."""
    return BatchStream(corpus, BUDGET, 1, ENDS, InTurn(len(corpus), 1, window=16))


def mixed(corpus: EncodedCorpus) -> BatchStream:
    """Give a stream that draws the same corpus as two of other sizes."""
    stages = (StageConfig(pairs=50, weights=(1.0, 3.0)), StageConfig(weights=(3.0, 1.0)))
    order = Mixed([10, len(corpus) - 10], stages, 1, window=16)
    return BatchStream(corpus, BUDGET, 1, ENDS, order)


def rows(batch: Batch) -> list[tuple[list[int], list[int]]]:
    """Take padding off."""
    return [
        (source[:size].tolist(), target[: length + 1].tolist())
        for source, size, target, length in zip(
            batch.source, batch.source_lengths, batch.target, batch.target_lengths, strict=True
        )
    ]


def take(stream: BatchStream, count: int, position: Position) -> list[tuple[object, Position]]:
    """Take batches from a position on, in a form that can be compared."""
    return [(rows(batch), after) for batch, after in islice(stream.from_position(position), count)]


def test_every_epoch_holds_every_pair_once(corpus: EncodedCorpus) -> None:
    everything = Counter(
        (
            (*corpus.ids["source"][number].tolist(), 2),
            (1, *corpus.ids["target"][number].tolist(), 3),
        )
        for number in range(len(corpus))
    )
    batches = stream(corpus)
    size = len(batches.plan(0))
    assert size == len(batches.plan(1)) > 3
    for epoch in range(3):
        taken = take(batches, len(batches.plan(epoch)), Position(epoch))
        assert taken[-1][1] == Position(epoch + 1, 0)
        found = Counter(
            (tuple(source), tuple(target)) for batch, _ in taken for source, target in batch
        )
        assert found == everything


def test_no_batch_exceeds_the_budget_on_either_side(corpus: EncodedCorpus) -> None:
    for batch, _ in islice(stream(corpus).from_position(Position()), 30):
        assert batch.source.size <= BUDGET
        assert batch.target[:, 1:].size <= BUDGET
        assert batch.tokens == batch.target_lengths.sum()


def test_a_seed_and_an_epoch_decide_the_order(corpus: EncodedCorpus) -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        return [batch.tolist() for batch in stream(corpus, seed).plan(epoch)]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)
    assert order(1, 2) != order(2, 1)


def test_batches_come_in_no_order_of_length(corpus: EncodedCorpus) -> None:
    lengths = corpus.lengths("source")
    longest = [int(lengths[batch].max()) for batch in stream(corpus).plan(0)]
    assert longest not in (sorted(longest), sorted(longest, reverse=True))


def test_a_stream_goes_on_from_every_position_as_if_it_had_not_stopped(
    corpus: EncodedCorpus,
) -> None:
    batches = stream(corpus)
    count = len(batches.plan(0)) + len(batches.plan(1)) + 2
    whole = take(batches, count, Position())
    for done, (_, position) in enumerate(whole[:-1], start=1):
        assert take(stream(corpus), count - done, position) == whole[done:]


def test_positions_count_batches_and_epochs(corpus: EncodedCorpus) -> None:
    batches = stream(corpus)
    sizes = [len(batches.plan(epoch)) for epoch in range(2)]
    expected = [Position(epoch, batch) for epoch, size in enumerate(sizes) for batch in range(size)]
    found = [position for _, position in take(batches, sum(sizes) - 1, Position())]
    assert found == expected[1:]


def test_batches_of_a_small_corpus_are_those_of_all_versions(corpus: EncodedCorpus) -> None:
    source, target = corpus.lengths("source") + 1, corpus.lengths("target") + 1
    for epoch in range(3):
        random = np.random.default_rng((1, epoch))
        order = random.permutation(len(corpus))
        batches = plan_batches(source, target, BUDGET, order)
        expected = [batches[index].tolist() for index in random.permutation(len(batches))]
        assert [batch.tolist() for batch in stream(corpus).plan(epoch)] == expected


def test_windows_together_hold_every_pair_once(corpus: EncodedCorpus) -> None:
    batches = windowed(corpus)
    for epoch in range(2):
        plans = [batches.plan(epoch, window) for window in range(3)]
        numbers = [number for plan in plans for batch in plan for number in batch.tolist()]
        assert sorted(numbers) == list(range(len(corpus)))


@pytest.mark.parametrize("make", [windowed, mixed])
def test_a_stream_in_windows_goes_on_from_every_position(
    corpus: EncodedCorpus, make: Callable[[EncodedCorpus], BatchStream]
) -> None:
    whole = take(make(corpus), 40, Position())
    assert {position.window for _, position in whole} >= {0, 1, 2}
    assert whole[-1][1].epoch > 0
    for done, (_, position) in enumerate(whole[:-1], start=1):
        assert take(make(corpus), 40 - done, position) == whole[done:]


def test_a_pair_that_no_batch_holds_is_refused_before_anything_is_read(
    corpus: EncodedCorpus,
) -> None:
    longest = max(corpus.longest("source"), corpus.longest("target")) + 1
    stream(corpus, budget=longest)
    with pytest.raises(ConfigError, match=f"but the longest pair has {longest} tokens; raise it"):
        stream(corpus, budget=longest - 1)


def test_a_budget_below_one_token_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data.batch_tokens must be at least 1, not 0"):
        DataConfig(batch_tokens=0)


def test_shapes_are_those_of_the_batches_whatever_the_budget(corpus: EncodedCorpus) -> None:
    for tokens in (BUDGET, 2 * BUDGET):
        changed, made = stream(corpus).with_budget(tokens), stream(corpus, budget=tokens)
        for mine, theirs in zip(changed.plan(1), made.plan(1), strict=True):
            np.testing.assert_array_equal(mine, theirs)
            batch, shape = made.batch(theirs), changed.shape(mine)
            assert (shape.pairs, shape.source) == batch.source.shape
            assert shape.target == batch.target.shape[1] - 1
            assert shape.source_tokens == batch.source_lengths.sum()
            assert shape.target_tokens == batch.tokens
