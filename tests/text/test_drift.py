"""Runs are the stretches whose scores add up, whatever the blocks that they are seen in."""

import random

import numpy as np
import pytest

from nmt.text import drift
from nmt.text.chunk import Chunk, Pair, chunks_of
from nmt.text.drift import THRESHOLD, DriftFinder, Evidence, Run, joined, segments


def toy_pairs(count: int) -> list[Pair]:
    """Make pairs in two languages whose words correspond one to one."""
    rng = random.Random(1)
    words = [
        ("".join(rng.choices("abdeik", k=4)), "".join(rng.choices("mnopru", k=4)))
        for _ in range(60)
    ]
    lines = [rng.choices(words, k=rng.randint(3, 9)) for _ in range(count)]
    return [(" ".join(a for a, _ in line), " ".join(b for _, b in line)) for line in lines]


def runs_of(pairs: list[Pair], evidence: Evidence) -> list[Run]:
    finder = DriftFinder(evidence)
    found = [run for chunk in chunks_of(pairs, 100) for run in finder.add(chunk)]
    return [*found, *finder.finish()]


@pytest.mark.parametrize("shift", [1, -3])
@pytest.mark.parametrize("block", [400, 32_768])
def test_a_run_is_found_in_blocks_as_in_the_whole(
    shift: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "BLOCK", block)
    monkeypatch.setattr(drift, "OVERLAP", 100)
    pairs = toy_pairs(2000)
    evidence = Evidence(Chunk(1, pairs))
    assert evidence.separation > drift.LEAST_SEPARATION
    assert runs_of(pairs, evidence) == []
    for first, last in ((390, 420), (1000, 1700)):  # across a border, and over several blocks
        slipped = list(pairs)
        for place in range(first - 1, last):
            slipped[place] = pairs[place][0], pairs[place + shift][1]
        (run,) = runs_of(slipped, evidence)
        assert abs(run.first - first) <= 1
        assert abs(run.last - last) <= 1
        assert run.shift == -shift


def test_segments_begin_and_end_where_the_sum_does() -> None:
    low, high = -THRESHOLD / 5, THRESHOLD / 4
    scores = np.array([low] * 9 + [high] * 6 + [low] * 9 + [high] * 3 + [low] * 4 + [high] * 5)
    assert segments(scores) == [(9, 14, 6 * high), (31, 35, 5 * high)]
    assert segments(np.array([high] * 4)) == [(0, 3, THRESHOLD)]
    assert segments(np.array([low, high])) == []
    assert segments(np.array([])) == []


def test_parts_of_a_run_are_joined_and_the_better_says_the_shift() -> None:
    assert joined(Run(1, 9, 0, 30.0), Run(8, 20, 2, 40.0)) == Run(1, 20, 2, 40.0)
