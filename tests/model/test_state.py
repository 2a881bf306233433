"""The state of decoding follows hypotheses, keeps sentences, and changes nothing in place."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from nmt.attention.contract import Cache
from nmt.model.state import DecoderState


@dataclass(frozen=True)
class Rows(Cache):
    """A cache that is copied when hypotheses move, (B, beam)."""

    values: Tensor

    def reorder(self, parents: Tensor) -> "Rows":
        return Rows(self.values.gather(1, parents))

    def select(self, sentences: Tensor) -> "Rows":
        return Rows(self.values[sentences])

    def num_bytes(self) -> int:
        return self.values.nbytes


@pytest.fixture
def state() -> DecoderState:
    """Two sentences, a beam of three, one position of four written."""
    own = tuple(Rows(torch.arange(6).view(2, 3) + 10 * layer) for layer in range(2))
    return DecoderState(
        own=own,
        cross=(Rows(torch.arange(2).unsqueeze(-1)),),
        source_lengths=torch.tensor([5, 2]),
        source_size=5,
        ancestry=torch.tensor([0, 1, 2]).view(1, 3, 1).repeat(2, 1, 4),
        length=1,
    )


PARENTS = torch.tensor([[2, 0, 0], [1, 1, 2]])


def test_a_hypothesis_inherits_its_parents_past_and_writes_its_own_row(state: DecoderState) -> None:
    following = state.follow(PARENTS)
    assert following.length == 2
    assert following.ancestry[:, :, 0].tolist() == PARENTS.tolist()
    assert following.ancestry[:, :, 1].tolist() == [[0, 1, 2]] * 2
    again = following.follow(PARENTS)
    assert again.ancestry[:, :, 0].tolist() == [[0, 2, 2], [1, 1, 2]]
    assert again.ancestry[:, :, 1].tolist() == PARENTS.tolist()


def test_caches_that_are_copied_follow_too(state: DecoderState) -> None:
    own = state.follow(PARENTS).own
    assert [cache.values.tolist() for cache in own] == [
        [[2, 0, 0], [4, 4, 5]],
        [[12, 10, 10], [14, 14, 15]],
    ]


def test_a_state_that_is_followed_stays_as_it_was(state: DecoderState) -> None:
    before = state.ancestry.clone()
    state.follow(PARENTS)
    assert torch.equal(state.ancestry, before)
    assert state.length == 1


def test_sentences_are_kept_in_the_order_asked_for(state: DecoderState) -> None:
    distinct = replace(state, ancestry=state.ancestry + torch.tensor([0, 7]).view(2, 1, 1))
    kept = distinct.select(torch.tensor([1, 0]))
    assert kept.source_lengths.tolist() == [2, 5]
    assert torch.equal(kept.ancestry, distinct.ancestry.flip(0))
    assert kept.own[1].values.tolist() == [[13, 14, 15], [10, 11, 12]]
    assert kept.cross[0].values.tolist() == [[1], [0]]
    assert (kept.length, kept.source_size) == (1, 5)


def test_layouts_describe_a_step(state: DecoderState) -> None:
    own, cross = state.follow(PARENTS).own_layout(), state.cross_layout()
    assert (own.num_queries, own.num_keys, own.causal) == (3, 6, False)
    assert own.ancestry.shape == (2, 3, 2)
    assert (cross.num_queries, cross.num_keys) == (3, 5)
    assert torch.equal(cross.key_lengths, state.source_lengths)
