"""The state of a recurrent model follows hypotheses, keeps sentences, and changes nothing."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from nmt.attention.contract import Cache
from nmt.model.recurrent_state import RecurrentState, of_parents


@dataclass(frozen=True)
class Sentences(Cache):
    """A cache of one number for each sentence."""

    values: Tensor

    def reorder(self, parents: Tensor) -> "Sentences":
        return self

    def select(self, sentences: Tensor) -> "Sentences":
        return Sentences(self.values[sentences])

    def num_bytes(self) -> int:
        return 0


@pytest.fixture
def state() -> RecurrentState:
    """Two sentences, a beam of three, two layers of two parts, width four, at position five."""
    return RecurrentState(
        hidden=torch.arange(2 * 3 * 2 * 2 * 4).view(2, 3, 2, 2, 4),
        fed=torch.arange(2 * 3 * 4).view(2, 3, 4),
        cross=Sentences(torch.tensor([7, 8])),
        source_lengths=torch.tensor([6, 2]),
        source_size=6,
        length=5,
        sentences=torch.tensor([[0, 1, 2], [3, 4, 5]]),
        source_sentences=torch.tensor([[0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]]),
    )


PARENTS = torch.tensor([[2, 0, 0], [1, 1, 2]])


def test_a_hypothesis_takes_over_what_its_parent_carried(state: RecurrentState) -> None:
    hidden, fed = state.hidden.clone(), state.fed.clone()
    following = state.follow(PARENTS)
    for sentence, parents in enumerate(PARENTS.tolist()):
        for row, parent in enumerate(parents):
            assert torch.equal(following.hidden[sentence, row], hidden[sentence, parent])
            assert torch.equal(following.fed[sentence, row], fed[sentence, parent])
    assert following.sentences is not None
    assert following.sentences.tolist() == [[2, 0, 0], [4, 4, 5]]
    assert torch.equal(state.hidden, hidden)
    assert torch.equal(state.fed, fed)


def test_following_twice_is_following_the_parents_parents(state: RecurrentState) -> None:
    twice = state.follow(PARENTS).follow(PARENTS.flip(1))
    once = state.follow(of_parents(PARENTS, PARENTS.flip(1)))
    assert torch.equal(twice.hidden, once.hidden)


def test_sentences_are_kept_in_the_order_asked_for(state: RecurrentState) -> None:
    kept = state.select(torch.tensor([1, 0, 1]))
    assert kept.hidden[:, 0, 0, 0, 0].tolist() == [48, 0, 48]
    assert kept.fed[:, 0, 0].tolist() == [12, 0, 12]
    assert isinstance(kept.cross, Sentences)
    assert kept.cross.values.tolist() == [8, 7, 8]
    assert kept.source_lengths.tolist() == [2, 6, 2]
    assert kept.sentences is not None
    assert kept.sentences.tolist() == [[3, 4, 5], [0, 1, 2], [3, 4, 5]]
    assert kept.source_sentences is not None
    assert kept.source_sentences[:, 2].tolist() == [0, 1, 0]
    assert (kept.source_size, kept.length) == (6, 5)


def test_the_layout_says_where_hypotheses_stand_and_what_is_padding(state: RecurrentState) -> None:
    layout = state.cross_layout()
    assert (layout.num_queries, layout.num_keys, layout.offset) == (3, 6, 5)
    assert layout.is_step
    visible = layout.visible()
    assert visible is not None
    assert visible.sum(-1).flatten().tolist() == [6, 2]
    assert layout.query_sentences is state.sentences
    assert layout.key_sentences is state.source_sentences
