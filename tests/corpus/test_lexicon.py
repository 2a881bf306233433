"""A lexicon of an artificial language is its dictionary; the sample is evenly spread."""

from dataclasses import dataclass

import numpy as np
import pytest

from nmt.corpus import lexicon
from nmt.corpus.lexicon import Lexicon, learn_lexicon, sample
from nmt.corpus.store import Array

WORDS, FIRST = 20, 3  # 0 unknown, 1 start, 2 end
SIZE, END = WORDS + FIRST, 2
RARE = SIZE - 1  # a word of the vocabulary that no pair has


@dataclass(frozen=True)
class Rows:
    """Pairs in memory."""

    sources: list[Array]
    targets: list[Array]

    def __len__(self) -> int:
        return len(self.sources)

    def lengths_of(self, side: str, numbers: Array) -> Array:
        return np.array([len(self.sequence(side, int(number))) for number in numbers], np.int32)

    def sequence(self, side: str, number: int) -> Array:
        return (self.sources if side == "source" else self.targets)[number]

    def longest(self, side: str) -> int:
        raise NotImplementedError

    def num_tags(self, side: str, number: int) -> int:
        raise NotImplementedError

    def line(self, side: str, number: int) -> str:
        raise NotImplementedError


def translated(ids: Array) -> Array:
    """Look every word up in the dictionary."""
    found: Array = (ids - FIRST + 7) % WORDS + FIRST
    return found


def made(size: int = 600, dtype: type = np.uint16) -> Rows:
    generator = np.random.default_rng(1)
    sources = [generator.integers(FIRST, RARE, generator.integers(2, 7)) for _ in range(size)]
    targets = [generator.permutation(translated(each)) for each in sources]
    return Rows([each.astype(dtype) for each in sources], [each.astype(dtype) for each in targets])


def suggestions(learnt: Lexicon) -> list[list[int]]:
    return [
        learnt.suggested[begin:end].tolist()
        for begin, end in zip(learnt.offsets[:-1], learnt.offsets[1:], strict=True)
    ]


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_every_word_suggests_its_translation_first_of_all(
    monkeypatch: pytest.MonkeyPatch, dtype: type
) -> None:
    monkeypatch.setattr(lexicon, "LEAST_PROBABILITY", 0.6)
    monkeypatch.setattr(lexicon, "ITERATIONS", 30)
    found = suggestions(learn_lexicon(made(dtype=dtype), (SIZE, SIZE), (END, END)))
    assert found[FIRST:RARE] == [[int(translated(np.array(id_)))] for id_ in range(FIRST, RARE)]
    assert found[RARE] == found[0] == found[1] == []


def test_what_is_usual_suggests_the_translation_among_few() -> None:
    found = suggestions(learn_lexicon(made(), (SIZE, SIZE), (END, END)))
    for id_ in range(FIRST, RARE):
        assert int(translated(np.array(id_))) in found[id_]
        assert found[id_] == sorted(set(found[id_]))


def test_with_one_vocabulary_a_word_that_was_seen_suggests_itself_too() -> None:
    without, learnt = (
        suggestions(learn_lexicon(made(), (SIZE, SIZE), (END, END), copies=copies))
        for copies in (False, True)
    )
    for id_, (before, after) in enumerate(zip(without, learnt, strict=True)):
        assert after == (sorted({*before, id_}) if before else [])


def test_frequent_pieces_are_the_fewest_that_make_up_most_and_the_end() -> None:
    rows = Rows(
        [np.array([5])] * 100, [np.array([7])] * 60 + [np.array([9])] * 39 + [np.array([8])]
    )
    assert learn_lexicon(rows, (SIZE, SIZE), (END, END)).frequent.tolist() == [END, 7, 9]


@pytest.mark.parametrize("size", [1, 7, 10, 11, 25, 1000])
def test_a_sample_is_evenly_spread_and_always_the_same(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(lexicon, "MAX_PAIRS", 10)
    numbers = sample(made(size))
    assert np.array_equal(numbers, sample(made(size)))
    assert len(numbers) == min(size, 10)
    gaps = np.diff(numbers)
    assert len(gaps) == 0 or (gaps.max() - gaps.min() <= 1 and gaps.min() >= 1)
    assert numbers[0] == 0
    assert size - numbers[-1] <= size / len(numbers) + 1


def test_long_pairs_are_cut_and_fewer_of_them_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory grows with the product of both lengths."""
    rows = Rows([np.full(400, 5)] * 50, [np.full(400, 7)] * 50)
    monkeypatch.setattr(lexicon, "MAX_CELLS", 10 * 129 * 128)
    assert len(sample(rows)) == 10
    (cells,) = lexicon.cells_of(rows, SIZE, END)
    assert len(cells.pairs) == len(cells.positions) == 10 * 129 * 128
    monkeypatch.setattr(lexicon, "MAX_CELLS", 1)
    assert sample(rows).tolist() == [0]


def test_learning_in_parts_is_learning_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = learn_lexicon(made(), (SIZE, SIZE), (END, END))
    monkeypatch.setattr(lexicon, "AT_ONCE", 17)
    found = learn_lexicon(made(), (SIZE, SIZE), (END, END))
    for name in ("frequent", "offsets", "suggested"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
