"""Links as text, two directions made one, error rates."""

import itertools
import random

import pytest

from nmt.alignment.links import WAYS, Errors, Gold, Links, parse_gold, spell, symmetrise, turned
from nmt.errors import DataError

Pairs = list[tuple[Links, Links]]


@pytest.fixture(scope="module")
def drawn() -> Pairs:
    """Draw links of two directions, each target or source word with one at most."""
    generator = random.Random(3)
    found = []
    for _ in range(200):
        rows, columns = generator.randint(1, 5), generator.randint(1, 5)
        forward = {(generator.randrange(rows), each) for each in range(columns)}
        backward = {(each, generator.randrange(columns)) for each in range(rows)}
        found.append((frozenset(forward), frozenset(backward)))
    return found


def test_links_are_spelt_in_the_order_of_the_target() -> None:
    assert spell({(2, 0), (0, 1), (10, 1), (1, 0)}) == "1-0 2-0 0-1 10-1"
    assert spell([]) == ""


def test_what_is_spelt_is_read(drawn: Pairs) -> None:
    for links, _ in drawn:
        gold = parse_gold(spell(links), "here", (5, 5))
        assert gold.sure == gold.possible == links


def test_possible_links_are_marked() -> None:
    assert parse_gold(" 0-0  1p2 ", "here", (2, 3)) == Gold(
        frozenset({(0, 0)}), frozenset({(0, 0), (1, 2)})
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0-0 1:2", "^gold, line 3: '1:2' is no link; write 0-0, or 0p0 if it is only possible$"),
        ("-1-0", "^gold, line 3: '-1-0' is no link"),
        ("²-0", "^gold, line 3: '²-0' is no link"),
        ("2-0", "^gold, line 3: 2-0 points beyond the 2 source and 3 target words, which are"),
        ("0p3", "^gold, line 3: 0p3 points beyond"),
    ],
)
def test_what_is_no_link_is_refused(line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_gold(line, "gold, line 3", (2, 3))


def test_each_way_holds_the_ones_before_it(drawn: Pairs) -> None:
    order = ("intersection", "grow-diag", "grow-diag-final-and", "union")
    assert set(order) == set(WAYS)
    for forward, backward in drawn:
        made = [symmetrise(forward, backward, way) for way in order]
        assert made[0] == forward & backward
        assert made[-1] == forward | backward
        assert all(few <= many for few, many in itertools.pairwise(made))
    sizes = [sum(len(symmetrise(*each, way)) for each in drawn) for way in order]
    assert sizes == sorted(set(sizes)), "each way is another"


@pytest.mark.parametrize("way", WAYS)
def test_directions_that_agree_stay_as_they_are(drawn: Pairs, way: str) -> None:
    for forward, _ in drawn:
        assert symmetrise(forward, forward, way) == forward


def test_growing_reaches_neighbours_of_words_without_links() -> None:
    forward = frozenset({(0, 0), (1, 1), (3, 3), (5, 0)})
    backward = frozenset({(0, 0), (2, 1), (3, 3), (5, 5)})
    # 1-1 is beside 0-0, then 2-1 beside 1-1; 5-0 and 5-5 are beside nothing
    grown = frozenset({(0, 0), (1, 1), (2, 1), (3, 3)})
    assert symmetrise(forward, backward, "grow-diag") == grown
    # 5 and 5 have no link; 5 and 0 then have
    assert symmetrise(forward, backward, "grow-diag-final-and") == grown | {(5, 5)}


def test_a_link_between_words_that_have_links_is_not_grown() -> None:
    forward, backward = frozenset({(0, 0), (1, 1), (0, 1)}), frozenset({(0, 0), (1, 1), (1, 0)})
    assert symmetrise(forward, backward, "grow-diag") == {(0, 0), (1, 1)}


def test_turned_twice_is_as_before(drawn: Pairs) -> None:
    for links, _ in drawn:
        assert turned(turned(links)) == links
    assert turned([(1, 2)]) == {(2, 1)}


def test_an_error_rate_counts_sure_and_possible_links() -> None:
    gold = Gold(frozenset({(0, 0), (1, 1)}), frozenset({(0, 0), (1, 1), (2, 1)}))
    errors = Errors()
    errors.add(frozenset({(0, 0), (2, 1), (2, 2)}), gold)
    assert errors.rate == pytest.approx(1 - (1 + 2) / (3 + 2))
    assert errors.precision == pytest.approx(2 / 3)
    assert errors.recall == pytest.approx(1 / 2)
    errors.add(frozenset({(0, 0)}), Gold(frozenset({(0, 0)}), frozenset({(0, 0)})))
    assert errors.rate == pytest.approx(1 - (2 + 3) / (4 + 3))


def test_gold_has_no_errors_and_nothing_is_no_error(drawn: Pairs) -> None:
    errors = Errors()
    assert (errors.rate, errors.precision, errors.recall) == (0.0, 1.0, 1.0)
    for links, _ in drawn:
        errors.add(links, Gold(links, links))
    assert (errors.rate, errors.precision, errors.recall) == (0.0, 1.0, 1.0)
