"""What links tell, against counting by hand; which links tell most."""

import math
import random
from collections import Counter

import numpy as np
import pytest

from nmt.alignment.criteria import Ids, agreement, information
from nmt.alignment.links import Links

Text = list[tuple[list[int], list[int]]]


@pytest.fixture(scope="module")
def text() -> Text:
    """Draw lines of a language whose words are translated one to one, in the reverse order."""
    generator = random.Random(1)
    lines = [generator.choices(range(12), k=generator.randint(3, 7)) for _ in range(60)]
    return [(line, [word + 100 for word in reversed(line)]) for line in lines]


def arrays(text: Text, places: list[list[int]]) -> tuple[Ids, Ids, Ids]:
    rows = [
        (number, source[place] if place >= 0 else -1, word)
        for number, ((source, target), some) in enumerate(zip(text, places, strict=True))
        for place, word in zip(some, target, strict=True)
    ]
    line, source_ids, target_ids = np.array(rows, np.int64).T
    return line, source_ids, target_ids


def true_places(text: Text) -> list[list[int]]:
    return [list(reversed(range(len(source)))) for source, _ in text]


def by_hand(line: Ids, source: Ids, target: Ids) -> float:
    """Count afresh for every link."""
    rows = list(zip(line.tolist(), source.tolist(), target.tolist(), strict=True))
    kinds, total = len(set(target.tolist())), 0.0
    for number, given, word in rows:
        others = [row for row in rows if row[0] != number]
        of_target = Counter(row[2] for row in others)
        of_source = Counter(row[1] for row in others)
        together = Counter(row[1:] for row in others)
        plain = (of_target[word] + 1) / (len(others) + kinds)
        if given >= 0:
            total += math.log((together[given, word] + plain) / (of_source[given] + 1) / plain)
    return total / len(rows)


def test_information_is_what_counting_by_hand_gives(text: Text) -> None:
    generator = random.Random(2)
    for _ in range(3):
        places = [[generator.randrange(-1, len(source)) for _ in target] for source, target in text]
        given = arrays(text[:20], places[:20])
        assert information(*given) == pytest.approx(by_hand(*given))


def test_true_links_tell_most_and_no_links_nothing(text: Text) -> None:
    values = {}
    truth = true_places(text)
    for name, places in {
        "true": truth,
        "half": [[p if n % 2 else -1 for n, p in enumerate(some)] for some in truth],
        "one beside": [[max(p - 1, 0) for p in some] for some in truth],
        "diagonal": [sorted(some) for some in truth],
        "first": [[0] * len(some) for some in truth],
        "none": [[-1] * len(some) for some in truth],
    }.items():
        values[name] = information(*arrays(text, places))
    assert values["true"] > values["half"] > 0.5
    assert values["none"] == 0.0
    assert all(values[name] < 0.2 for name in ("one beside", "diagonal", "first"))
    empty = np.zeros(0, np.int64)
    assert information(empty, empty, empty) == 0.0


def test_agreement_is_that_of_sets() -> None:
    generator = random.Random(4)

    def draw() -> list[Links]:
        return [
            frozenset((generator.randrange(3), generator.randrange(3)) for _ in range(size))
            for size in (0, 2, 4)
        ]

    forward, backward = [draw() for _ in range(3)], [draw() for _ in range(2)]
    found = agreement(forward, backward)
    assert found.shape == (3, 2)
    for row, ours in zip(found, forward, strict=True):
        for share, theirs in zip(row, backward, strict=True):
            both = sum(len(a & b) for a, b in zip(ours, theirs, strict=True))
            size = sum(map(len, ours)) + sum(map(len, theirs))
            assert share == pytest.approx(2 * both / size)
    assert agreement(forward, forward).diagonal() == pytest.approx([1, 1, 1])
    assert agreement([[frozenset()]], [[frozenset()]]).tolist() == [[0.0]]
