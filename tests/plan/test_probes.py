"""Peaks of parts of a batch, carried on to the whole."""

import numpy as np
import pytest

from nmt.corpus.batches import Batch
from nmt.plan import probes as module
from nmt.plan.probes import Probes, carried_on, doubled, some_of

FIXED, EACH = 1000, 50  # bytes of the pretended machine


def batch(count: int, size: int = 5) -> Batch:
    """Make a batch whose longest source and longest target are neither first nor last."""
    lengths = np.full(count, size - 1)
    source_lengths, target_lengths = lengths.copy(), lengths.copy()
    source_lengths[count // 3] = target_lengths[count // 2] = size
    numbers = np.arange(count)[:, None]
    source, target = (numbers + np.zeros((count, width), int) for width in (size, size + 1))
    return Batch(source, source_lengths, target, target_lengths)


class Machine:
    """Memory that is a line in the number of pairs."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, batch: Batch) -> int:
        self.seen.append(len(batch.source))
        return FIXED + EACH * len(batch.source)


@pytest.mark.parametrize(
    ("room", "most_tokens", "seen"),
    [
        (10**9, 10**9, [2, 4, 8, 16, 32, 50]),
        (10**9, 100, [2, 4, 8, 16]),  # of five tokens each
        (3000, 10**9, [2, 4, 8]),  # 16 would take more than half
        (0, 0, [2, 4]),
    ],
)
def test_probes_grow_while_they_are_cheap_and_tell_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, room: int, most_tokens: int, seen: list[int]
) -> None:
    monkeypatch.setattr(module, "MOST_TOKENS", most_tokens)
    machine = Machine()
    probes = Probes(machine, room)
    assert probes.peak(batch(50)) == FIXED + EACH * 50
    assert machine.seen == seen
    assert probes.peak(batch(50)) == FIXED + EACH * 50
    assert probes.peak(batch(4)) == FIXED + EACH * 4
    assert machine.seen == seen  # nothing is measured twice


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_small_batch_is_measured_whole(count: int) -> None:
    machine = Machine()
    assert Probes(machine, 10**9).peak(batch(count)) == FIXED + EACH * count
    assert machine.seen[-1] == count


def test_lengths_are_kept_apart() -> None:
    machine = Machine()
    probes = Probes(machine, 10**9)
    for size in (5, 6, 5):
        probes.peak(batch(4, size))
    assert machine.seen == [2, 4, 2, 4]


def test_a_bend_is_followed() -> None:
    assert carried_on({2: 100, 4: 100, 8: 140}, 16) == 220
    assert carried_on({2: 100, 4: 100, 8: 140}, 6) == 120
    assert carried_on({3: 70}, 9) == 70


def test_parts_double_up_to_the_whole() -> None:
    assert [list(doubled(count)) for count in (1, 2, 3, 8, 9)] == [
        [1], [2], [2, 3], [2, 4, 8], [2, 4, 8, 9],
    ]  # fmt: skip


@pytest.mark.parametrize("count", [2, 3, 7, 11, 12])
def test_a_part_has_the_longest_and_all_padding(count: int) -> None:
    part = some_of(batch(12), count)
    assert part.source.shape == (count, 5)
    assert part.target.shape == (count, 6)
    assert part.source_lengths.max() == part.target_lengths.max() == 5
    assert len(set(part.source[:, 0])) == count  # no pair twice
    for lengths, longest in ((part.source_lengths, 4), (part.target_lengths, 6)):
        assert part.source[lengths.argmax(), 0] == longest
