"""The head that is chosen is the one that knows, by every criterion: heads made by hand."""

import random
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from nmt.alignment.head import Choice, Head, candidates
from nmt.alignment.links import Gold, turned
from nmt.errors import ConfigError, DataError
from nmt.forced.choosing import by_agreement, by_gold, by_information, try_heads
from nmt.forced.reader import Pair, Reader
from nmt.search.forced import Forced
from nmt.text.segmenter import Cut

WORDS = [f"w{number}" for number in range(12)]


def cut(ids: list[int]) -> Cut:
    """Cut a line of words of two letters or three into a piece for each."""
    words = [WORDS[id_ % 100] for id_ in ids]
    spans, place = [], 0
    for word in words:
        spans.append((place, place + len(word)))
        place += len(word) + 1
    return Cut(" ".join(words), tuple(ids), tuple(words), tuple(spans))


def make_pairs(count: int = 50) -> tuple[list[Pair], list[Gold]]:
    """Draw lines whose words are translated one to one and put in another order."""
    generator = random.Random(1)
    pairs, gold = [], []
    for number in range(1, count + 1):
        source = generator.choices(range(12), k=generator.randint(3, 7))
        order = generator.sample(range(len(source)), len(source))
        pairs.append(Pair(number, cut(source), cut([source[place] + 100 for place in order])))
        links = frozenset((place, n) for n, place in enumerate(order))
        gold.append(Gold(links, links))
    return pairs, gold


class Knowing:
    """A reader one of whose heads looks at the truth, from one of two positions."""

    def __init__(self, gold: Sequence[Gold], knows: Head, layers: list[int | None]) -> None:
        self.gold, self.knows, self.layers = gold, knows, layers
        self.tags: list[int] = [7]

    def heads(self) -> list[int | None]:
        return self.layers

    def read(self, pairs: Sequence[Pair], *, need_weights: bool) -> Iterator[tuple[int, Forced]]:
        assert need_weights
        for place in reversed(range(len(pairs))):
            pair, generator = pairs[place], torch.Generator().manual_seed(place)
            size = len(pair.target.ids) + 1, len(pair.source.ids) + 2
            layers = [
                None if heads is None else torch.rand(heads, *size, generator=generator)
                for heads in self.layers
            ]
            knowing = layers[self.knows.layer]
            assert knowing is not None
            shift = int(self.knows.position == "reads")
            for source, target in self.gold[pair.number - 1].sure:
                knowing[self.knows.head, target + shift, source + 1] = 1.01
            yield place, Forced((), cast(tuple[Tensor | None, ...], tuple(layers)))


def reader(gold: Sequence[Gold], knows: Head, layers: list[int | None]) -> Reader:
    return cast(Reader, cast(Any, Knowing(gold, knows, layers)))


KNOWS = [Head(0, 1, "predicts"), Head(2, 0, "reads"), Head(2, 3, "predicts")]
LAYERS: list[int | None] = [3, None, 4]


@pytest.mark.parametrize("knows", KNOWS, ids=str)
def test_the_head_that_knows_is_chosen_by_every_criterion(knows: Head) -> None:
    pairs, gold = make_pairs()
    trials = try_heads(reader(gold, knows, LAYERS), pairs)
    assert [trial.head for trial in trials] == candidates(LAYERS)
    flipped = [Gold(turned(each.sure), turned(each.possible)) for each in gold]
    back = [Pair(pair.number, pair.target, pair.source) for pair in pairs]
    other = try_heads(reader(flipped, KNOWS[1], LAYERS), back)
    drawn, told = by_gold(trials, gold), by_information(trials, pairs)
    agreed, others = by_agreement(trials, other)
    for ranked in (drawn, told, agreed):
        assert ranked[0].head == knows
        assert len(ranked) == len(trials)
        assert ranked[0].pairs == len(pairs)
    assert others[0].head == KNOWS[1]
    assert drawn[0].value == 0.0
    assert drawn[1].value > 0.2
    assert agreed[0].value == others[0].value == 1.0
    assert told[0].value > 1.0 > told[-1].value
    check_order(drawn, 1)
    check_order(told, -1)
    check_order(agreed, -1)


def check_order(ranked: list[Choice], sign: int) -> None:
    values = [sign * each.value for each in ranked]
    assert values == sorted(values)


def test_there_must_be_heads_and_pairs() -> None:
    pairs, gold = make_pairs(2)
    with pytest.raises(ConfigError, match="needs weights of attention"):
        try_heads(reader(gold, KNOWS[0], [None]), pairs)
    with pytest.raises(DataError, match="there are no pairs with text to choose by"):
        try_heads(reader(gold, KNOWS[0], LAYERS), [])
