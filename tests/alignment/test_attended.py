"""From weights to links: the position, the head, tags, the end, and pieces of no word."""

import pytest
import torch
from torch import Tensor

from nmt.alignment.attended import NOTHING, Words, source_places, word_links
from nmt.alignment.head import Head

ALONE = Words([range(n, n + 1) for n in range(3)], [range(n, n + 1) for n in range(3)])


def looking(*places: int, width: int = 4) -> Tensor:
    """Make a head that looks at one place in each row, and a little everywhere, (1, T, S)."""
    rows = torch.full((len(places), width), 0.1)
    rows[range(len(places)), places] = 0.9
    return rows.unsqueeze(0)


def test_a_position_predicts_or_has_read() -> None:
    weights = [looking(2, 0, 1, 2)]
    assert source_places(weights, Head(0, 0, "predicts"), ALONE) == [2, 0, 1]
    assert source_places(weights, Head(0, 0, "reads"), ALONE) == [0, 1, 2]


def test_the_layer_and_the_head_are_those_named() -> None:
    heads = torch.cat([looking(0, 0, 0, 0), 3 * looking(1, 1, 1, 1)])
    weights = [None, looking(2, 2, 2, 2), heads]
    for head, place in ((Head(1, 0, "reads"), 2), (Head(2, 0, "reads"), 0),
                        (Head(2, 1, "reads"), 1), (Head(2, None, "reads"), 1)):  # fmt: skip
        assert source_places(weights, head, ALONE) == [place] * 3


def test_tags_the_end_and_pieces_of_no_word_are_not_looked_at() -> None:
    weights = [looking(0, 1, 4, 3, width=5)]  # a tag, three pieces, the end
    weights[0][0, :, 2] = 0.5
    words = Words([range(0), range(1), range(1, 2)], [range(1), range(1, 2), range(1, 2)], tags=1)
    assert source_places(weights, Head(0, 0, "predicts"), words) == [1, 1, 1]
    weights[0][0, :, 2:4] = 0.0
    assert source_places(weights, Head(0, 0, "predicts"), words) == [NOTHING] * 3


def test_target_pieces_of_no_word_are_linked_to_nothing() -> None:
    words = Words(ALONE.source, [range(1), range(0), range(1)])
    assert source_places([looking(2, 0, 1, 2)], Head(0, 0, "predicts"), words) == [2, NOTHING, 1]


@pytest.mark.parametrize("position", ["predicts", "reads"])
def test_an_empty_side_has_no_links(position: str) -> None:
    head = Head(0, None, position)
    assert source_places([torch.ones(2, 1, 3)], head, Words([range(1)] * 2, [])) == []
    assert source_places([torch.ones(2, 3, 1)], head, Words([], [range(1)] * 2)) == [NOTHING] * 2


def test_words_are_linked_where_any_of_their_pieces_are() -> None:
    words = Words([range(1), range(1), range(1, 3)], [range(1), range(1), range(1, 2), range(2, 3)])
    links = word_links([0, 2, NOTHING, 1], words)
    assert links == {(0, 0), (1, 0), (2, 0), (0, 2)}
    assert word_links([], Words([], [])) == frozenset()
