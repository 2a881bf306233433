"""A shortlist: what sentences may use, what may be stored, and what joins two of them."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nmt.model.shortlist import Shortlist

SOURCE, TARGET, END = 5, 7, 2


def shortlist(rows: list[list[int]], frequent: list[int]) -> Shortlist:
    """Make one of the suggestions of each source piece."""
    borders = torch.tensor([0, *map(len, rows)]).cumsum(0)
    flat = [id_ for row in rows for id_ in row]
    return Shortlist(torch.tensor(frequent), borders, torch.tensor(flat, dtype=torch.long))


MADE = shortlist([[0, 3], [4], [], [1, 5, 6], [2]], [END, 6])


def by_hand(ids: list[int], made: Shortlist = MADE) -> list[bool]:
    """Collect what a sentence may use, one source piece after the other."""
    allowed = set(made.frequent.tolist())
    for id_ in ids:
        begin, end = made.offsets[id_ : id_ + 2].tolist()
        allowed |= set(made.suggested[begin:end].tolist()) if end > begin else set(range(TARGET))
    return [id_ in allowed for id_ in range(TARGET)]


@pytest.mark.parametrize("seed", range(5))
def test_a_sentence_may_use_what_its_pieces_suggest_whatever_stands_beside_it(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    source = torch.randint(SOURCE, (4, 3), generator=generator)
    lengths = torch.tensor([3, 1, 2, 3])
    expected = [
        by_hand(row[:length]) for row, length in zip(source.tolist(), lengths.tolist(), strict=True)
    ]
    assert MADE.allowed(source, lengths, TARGET).tolist() == expected
    for row in range(4):
        one, length = source[row : row + 1, : int(lengths[row])], lengths[row : row + 1]
        assert MADE.allowed(one, length, TARGET).tolist() == expected[row : row + 1]


def test_a_piece_that_suggests_nothing_allows_everything() -> None:
    lengths = torch.tensor([1, 1])
    found = MADE.allowed(torch.tensor([[2], [4]]), lengths, TARGET)
    assert found.tolist() == [[True] * TARGET, by_hand([4])]
    assert not all(by_hand([4]))


def test_what_is_stored_is_what_was_learnt() -> None:
    stored = MADE.tensors()
    assert {each.dtype for each in stored.values()} == {torch.int32}
    found = Shortlist.of(stored)
    assert found is not None
    assert found.fits((SOURCE, TARGET), END)
    for name, each in MADE.tensors().items():
        assert torch.equal(getattr(found, name), each.long())


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {**MADE.tensors(), "more": torch.ones(1, dtype=torch.int32)},
        {**MADE.tensors(), "frequent": torch.ones(1)},
        {**MADE.tensors(), "suggested": torch.ones(6, dtype=torch.int64)},
        {**MADE.tensors(), "offsets": torch.zeros(2, 3, dtype=torch.int32)},
        {"frequent": MADE.frequent.int()},
    ],
    ids=["nothing", "more", "floats", "another size", "a matrix", "less"],
)
def test_other_tensors_are_no_shortlist(tensors: dict[str, Tensor]) -> None:
    assert Shortlist.of(tensors) is None


@pytest.mark.parametrize(
    "odd",
    [
        shortlist([[0]] * 4, [END]),
        shortlist([[0]] * 6, [END]),
        shortlist([[0]] * 5, [6]),
        shortlist([[0]] * 5, []),
        shortlist([[0]] * 5, [END, END]),
        shortlist([[0]] * 5, [END, TARGET]),
        shortlist([[0]] * 5, [-1, END]),
        shortlist([[0]] * 4 + [[TARGET]], [END]),
        shortlist([[-1]] + [[0]] * 4, [END]),
        shortlist([[3, 1]] + [[0]] * 4, [END]),
        shortlist([[1, 1]] + [[0]] * 4, [END]),
        replace(MADE, offsets=torch.tensor([0, 3, 2, 4, 5, 7])),
        replace(MADE, offsets=torch.tensor([1, 2, 3, 4, 5, 7])),
        replace(MADE, offsets=torch.tensor([0, 2, 3, 4, 5, 6])),
        replace(MADE, offsets=torch.tensor([0, 2, 3, 4, 5, 99])),
        replace(MADE, offsets=torch.tensor([], dtype=torch.long)),
    ],
)
def test_what_does_not_fit_the_vocabularies_or_has_no_end_is_told(odd: Shortlist) -> None:
    assert MADE.fits((SOURCE, TARGET), END)
    assert not odd.fits((SOURCE, TARGET), END)


def test_two_joined_suggest_what_either_does() -> None:
    other = shortlist([[], [4, 5], [], [0, 6], [1]], [0, END])
    joined = MADE.joined(other, TARGET)
    assert joined.fits((SOURCE, TARGET), END)
    expected = shortlist([[0, 3], [4, 5], [], [0, 1, 5, 6], [1, 2]], [0, END, 6])
    for name, each in expected.tensors().items():
        assert torch.equal(joined.tensors()[name], each)
    for name, each in MADE.joined(MADE, TARGET).tensors().items():
        assert torch.equal(MADE.tensors()[name], each)
