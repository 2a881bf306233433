"""A layout's picture of who may look where, against a loop over pairs."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nmt.attention.layout import FULL, Layout, Pattern, Tile

LENGTHS = torch.tensor([6, 0, 4, 1])
ANCESTRY = torch.tensor([[[0, 1], [2, 1], [0, 0]], [[2, 2], [1, 0], [0, 2]]])  # (B, T, steps)
SENTENCES = torch.tensor([[0, 0, 1, 1, 1, 2], [0] * 6, [0, 1, 2, 3, 3, 3], [5, 0, 0, 5, 1, 0]])
PATTERNS = {
    "full": FULL,
    "window": Pattern(1),
    "dilated": Pattern(1, dilation=2),
    "globals": Pattern(1, num_globals=2),
    "sentences": Pattern(sentences=True),
    "both": Pattern(2, sentences=True),
}


def may_look(layout: Layout, sentence: int, query: int, key: int) -> bool:
    """Decide for one pair what the layout's attributes say."""
    place, position, own = query + layout.offset, key, True
    if layout.hypotheses:
        place = layout.offset
    if layout.ancestry is not None:
        slot, row = divmod(key, layout.num_queries)
        position = slot if layout.held is None else int(layout.held[slot])
        place = layout.ancestry.size(2) - 1
        own = bool(layout.ancestry[sentence, query, position] == row)
    if layout.key_lengths is not None and position >= layout.key_lengths[sentence]:
        return False
    if layout.causal and position > place:
        return False
    return own and near(layout.pattern, place, position) and in_sentence(
        layout, sentence, query, position
    )  # fmt: skip


def near(pattern: Pattern, place: int, position: int) -> bool:
    if pattern.window is None or min(place, position) < pattern.num_globals:
        return True
    distance = abs(place - position)
    return distance <= pattern.window * pattern.dilation and distance % pattern.dilation == 0


def in_sentence(layout: Layout, sentence: int, query: int, position: int) -> bool:
    if not layout.pattern.sentences or layout.query_sentences is None:
        return True
    assert layout.key_sentences is not None
    keys = layout.key_sentences[sentence]
    number = keys[query, position] if layout.ancestry is not None else keys[position]
    return bool(layout.query_sentences[sentence, query] == number)


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


def rendered(layout: Layout, batch_size: int, tile: Tile | None = None) -> Tensor:
    """Spread what the layout renders to all pairs, (B, T, S)."""
    visible = layout.visible(tile)
    shape = (batch_size, 1, layout.num_queries, layout.num_keys)
    if visible is None:
        visible = torch.tensor(True)
    assert visible.dtype == torch.bool
    return visible.expand(shape).squeeze(1)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "padded"])
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
@pytest.mark.parametrize(
    ("num_queries", "causal", "offset"),
    [(6, False, 0), (6, True, 0), (3, False, 0), (3, True, 0), (3, True, 2), (1, True, 5),
     (2, True, 4), (1, True, 0), (8, True, 0), (3, False, 3)],
)  # fmt: skip
def test_what_is_seen_is_that_of_each_pair(
    lengths: Tensor | None, pattern: Pattern, num_queries: int, causal: bool, offset: int
) -> None:
    layout = Layout(
        num_queries=num_queries, num_keys=6, key_lengths=lengths, causal=causal, offset=offset,
        query_sentences=SENTENCES.repeat(1, 2)[:, :num_queries], key_sentences=SENTENCES,
    ).restricted(pattern)  # fmt: skip
    assert torch.equal(rendered(layout, 4), pairs(layout, 4))
    whole = Tile(torch.arange(num_queries).unsqueeze(0), torch.arange(6).unsqueeze(0))
    assert torch.equal(rendered(layout, 4, whole), pairs(layout, 4))


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
@pytest.mark.parametrize("causal", [False, True])
def test_a_tile_shows_its_part_of_all_pairs(pattern: Pattern, causal: bool) -> None:
    layout = Layout(
        num_queries=6, num_keys=6, key_lengths=LENGTHS, causal=causal,
        query_sentences=SENTENCES, key_sentences=SENTENCES, pattern=pattern,
    )  # fmt: skip
    queries = torch.tensor([[[1, 4], [5, 0]]])  # (1, L, T)
    keys = torch.tensor([[[0, 3, 5], [-1, 2, 6]]])  # (1, L, S); two are not there
    whole, part = pairs(layout, 4), layout.visible(Tile(queries, keys))
    assert part is not None
    part = part.expand(4, 1, 2, 2, 3)
    for b, block, t, s in torch.cartesian_prod(*map(torch.arange, (4, 2, 2, 3))).tolist():
        query, key = int(queries[0, block, t]), int(keys[0, block, s])
        seen = 0 <= key < 6 and bool(whole[b, query, key])
        assert bool(part[b, 0, block, t, s]) == seen


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_hypotheses_across_stand_where_their_step_does(pattern: Pattern) -> None:
    layout = Layout(
        num_queries=3, num_keys=6, key_lengths=LENGTHS, offset=4, hypotheses=True,
        query_sentences=SENTENCES[:, 3:4].expand(-1, 3), key_sentences=SENTENCES, pattern=pattern,
    )  # fmt: skip
    assert torch.equal(rendered(layout, 4), pairs(layout, 4))


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("beam", [1, 3])
def test_hypotheses_see_what_their_ancestors_wrote(steps: int, beam: int) -> None:
    ancestry = ANCESTRY[:, :beam, :steps] % beam
    layout = Layout(num_queries=beam, num_keys=beam * steps, ancestry=ancestry)
    assert torch.equal(rendered(layout, 2), pairs(layout, 2))
    assert (rendered(layout, 2).sum(-1) == steps).all()


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("held", [None, [0, 4, 2, 3], [4, 3]], ids=str)
def test_hypotheses_see_what_a_cache_still_holds(
    pattern: Pattern, beam: int, held: list[int] | None
) -> None:
    random = torch.Generator().manual_seed(7)
    ancestry = torch.randint(beam, (2, beam, 5), generator=random)
    past = torch.randint(2, (2, beam, 5), generator=random)
    layout = Layout(
        num_queries=beam, num_keys=beam * 5, ancestry=ancestry,
        query_sentences=past[:, :, -1], key_sentences=past,
    ).restricted(pattern)  # fmt: skip
    if held is not None:
        layout = layout.holding(torch.tensor(held))
        assert layout.num_keys == beam * len(held)
    assert torch.equal(rendered(layout, 2), pairs(layout, 2))


def test_nothing_is_rendered_where_all_may_look_at_all() -> None:
    free = Layout(num_queries=1, num_keys=4)
    for layout in (
        free,
        replace(free, causal=True, offset=3),
        replace(free, ancestry=torch.zeros(2, 1, 4, dtype=torch.long)),
        free.restricted(Pattern(sentences=True)),  # which nobody has numbered
    ):
        assert layout.visible() is None


def test_all_layers_share_one_rendering() -> None:
    layout = Layout(num_queries=6, num_keys=6, key_lengths=LENGTHS)
    assert layout.visible() is layout.visible()
    assert layout.restricted(FULL) is layout
    window = layout.restricted(Pattern(2))
    assert layout.restricted(Pattern(2)) is window
    assert window.restricted(Pattern(2)) is window
    assert not window.is_full
    assert layout.is_full


def test_what_is_added_to_scores_hides_what_is_not_visible() -> None:
    layout = Layout(num_queries=3, num_keys=6, ancestry=ANCESTRY)
    visible, addend = layout.visible(), layout.addend(torch.float64)
    assert visible is not None
    assert addend is not None
    assert addend.dtype == torch.float64
    assert torch.equal(addend == 0, visible)
    assert torch.equal(addend == -torch.inf, ~visible)
    assert layout.addend(torch.float64) is addend
    assert Layout(num_queries=3, num_keys=6).addend(torch.float32) is None
