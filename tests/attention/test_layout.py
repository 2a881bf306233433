"""A layout's picture of who may look where, against a loop over pairs."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nmt.attention.layout import Layout

LENGTHS = torch.tensor([6, 0, 4, 1])
ANCESTRY = torch.tensor([[[0, 1], [2, 1], [0, 0]], [[2, 2], [1, 0], [0, 2]]])  # (B, T, steps)


def may_look(layout: Layout, sentence: int, query: int, key: int) -> bool:
    """Decide for one pair what the layout's attributes say."""
    if layout.key_lengths is not None and key >= layout.key_lengths[sentence]:
        return False
    if layout.causal and key > query + layout.offset:
        return False
    if layout.ancestry is None:
        return True
    step, row = divmod(key, layout.num_queries)
    return bool(layout.ancestry[sentence, query, step] == row)


def pairs(layout: Layout, batch_size: int) -> Tensor:
    """Decide for all pairs, (B, T, S)."""
    return torch.tensor(
        [
            [
                [may_look(layout, sentence, query, key) for key in range(layout.num_keys)]
                for query in range(layout.num_queries)
            ]
            for sentence in range(batch_size)
        ]
    )


def rendered(layout: Layout, batch_size: int) -> Tensor:
    """Spread what the layout renders to all pairs, (B, T, S)."""
    visible = layout.visible()
    shape = (batch_size, 1, layout.num_queries, layout.num_keys)
    if visible is None:
        visible = torch.tensor(True)
    assert visible.dtype == torch.bool
    return visible.expand(shape).squeeze(1)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "padded"])
@pytest.mark.parametrize(
    ("num_queries", "causal", "offset"),
    [(6, False, 0), (6, True, 0), (3, False, 0), (3, True, 0), (3, True, 2), (1, True, 5),
     (2, True, 4), (1, True, 0), (8, True, 0)],
)  # fmt: skip
def test_lengths_and_causality_are_those_of_each_pair(
    lengths: Tensor | None, num_queries: int, causal: bool, offset: int
) -> None:
    layout = Layout(
        num_queries=num_queries, num_keys=6, key_lengths=lengths, causal=causal, offset=offset
    )
    assert torch.equal(rendered(layout, 4), pairs(layout, 4))


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("beam", [1, 3])
def test_hypotheses_see_what_their_ancestors_wrote(steps: int, beam: int) -> None:
    ancestry = ANCESTRY[:, :beam, :steps] % beam
    layout = Layout(num_queries=beam, num_keys=beam * steps, ancestry=ancestry)
    assert torch.equal(rendered(layout, 2), pairs(layout, 2))
    assert (rendered(layout, 2).sum(-1) == steps).all()


def test_nothing_is_rendered_where_all_may_look_at_all() -> None:
    free = Layout(num_queries=1, num_keys=4)
    for layout in (
        free,
        replace(free, causal=True, offset=3),
        replace(free, ancestry=torch.zeros(2, 1, 4, dtype=torch.long)),
    ):
        assert layout.visible() is None


def test_all_layers_share_one_rendering() -> None:
    layout = Layout(num_queries=6, num_keys=6, key_lengths=LENGTHS)
    assert layout.visible() is layout.visible()
