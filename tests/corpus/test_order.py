"""Pairs come in windows: each once an epoch, or in given shares; any window can be asked for."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.corpus.config import StageConfig
from nmt.corpus.order import EndlessPairs, InTurn, Mixed, Order

SHARES = (StageConfig(weights=(3.0, 1.0)),)


def epoch_of(order: Order, epoch: int) -> list[int]:
    """List the pairs of an epoch."""
    windows = range(order.num_windows(epoch))
    return [pair for number in windows for pair in order.window(epoch, number).tolist()]


def drawn(order: Order, num_epochs: int, size: int) -> Counter[bool]:
    """Count the pairs of the first corpus (True) and of others, over some epochs."""
    return Counter(pair < size for epoch in range(num_epochs) for pair in epoch_of(order, epoch))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(1, 130), st.integers(0, 3))
def test_each_pair_comes_once_an_epoch(size: int, window: int, epoch: int) -> None:
    order = InTurn(size, 1, window)
    assert sorted(epoch_of(order, epoch)) == list(range(size))
    sizes = [len(order.window(epoch, number)) for number in range(order.num_windows(epoch))]
    assert max(sizes) <= window
    assert max(sizes) - min(sizes) <= 1


def test_a_small_corpus_is_one_window_in_its_own_order() -> None:
    assert InTurn(9, 1).num_windows(4) == 1
    assert InTurn(9, 1).window(4, 0).tolist() == list(range(9))


def test_another_epoch_or_seed_makes_other_windows() -> None:
    def windows(seed: int, epoch: int) -> list[list[int]]:
        order = InTurn(640, seed, 128)
        return [sorted(order.window(epoch, number)) for number in range(5)]

    assert windows(1, 0) == windows(1, 0)
    assert windows(1, 0) != windows(1, 1)
    assert windows(1, 0) != windows(2, 0)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(1, 200), st.lists(st.integers(0, 900), min_size=2, max_size=6), st.booleans())
def test_what_is_read_in_parts_is_what_is_read_at_once(
    size: int, cuts: list[int], small: bool
) -> None:
    pairs = EndlessPairs(size, 1, 0, 1000 if small else 128)
    cuts = sorted(cuts)
    parts = [pair for start, end in pairwise(cuts) for pair in pairs.between(start, end).tolist()]
    assert Counter(parts) == Counter(pairs.between(cuts[0], cuts[-1]).tolist())


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([7, 64, 1000]))
def test_shares_are_kept_to_within_a_pair(first: int, second: int, window: int) -> None:
    order = Mixed([first, second], SHARES, 1, window)
    counts = drawn(order, 4, first)
    total = 4 * (first + second)
    assert counts == {True: 3 * total // 4, False: total // 4} or counts.total() == total - 1
    assert counts[True] == 3 * total // 4


def test_each_corpus_is_used_up_before_it_begins_anew() -> None:
    order = Mixed([5, 35], (StageConfig(weights=(1.0, 1.0)),), 1, 8)
    seen = [pair for epoch in range(4) for pair in epoch_of(order, epoch)]
    for pairs in (range(5), range(5, 40)):
        counts = Counter(pair for pair in seen if pair in pairs)
        assert set(counts) == set(pairs)
        assert max(counts.values()) - min(counts.values()) <= 1


def test_by_size_is_each_pair_once_an_epoch() -> None:
    for stage in (StageConfig(temperature=1.0), StageConfig()):
        order = Mixed([7, 23], (stage,), 1, 11)
        assert sorted(epoch_of(order, 2)) == list(range(30))


@pytest.mark.parametrize(("temperature", "share"), [(1.0, 0.9), (2.0, 0.75), (1e6, 0.5)])
def test_a_higher_temperature_is_more_even(temperature: float, share: float) -> None:
    order = Mixed([900, 100], (StageConfig(temperature=temperature),), 1, 256)
    assert drawn(order, 4, 900)[True] / 4000 == pytest.approx(share, abs=2e-3)


def test_stages_follow_one_another_wherever_windows_are() -> None:
    stages = (
        StageConfig(pairs=25, weights=(1.0, 0.0)),
        StageConfig(pairs=10, weights=(0.0, 1.0)),
        StageConfig(weights=(1.0, 1.0)),
    )
    for window in (4, 7, 1000):
        order = Mixed([12, 8], stages, 1, window)
        windows = [
            order.window(epoch, number)
            for epoch in range(4)
            for number in range(order.num_windows(epoch))
        ]
        first = np.concatenate(windows) < 12
        assert first[:25].all()
        assert not first[25:35].any()
        assert abs(int(first[35:].sum()) - 22) <= 1
        assert all(len(each) <= window + 1 for each in windows)  # a pair more by rounding


def test_a_window_does_not_depend_on_those_before_it() -> None:
    stages = (StageConfig(pairs=33, weights=(1.0, 2.0)), StageConfig(weights=(5.0, 1.0)))
    whole = Mixed([30, 20], stages, 1, 8)
    for epoch in range(2):
        for number in range(whole.num_windows(epoch)):
            alone = Mixed([30, 20], stages, 1, 8).window(epoch, number)
            assert alone.tolist() == whole.window(epoch, number).tolist()
