"""What becomes of suspect translations."""

import logging
from collections.abc import Sequence
from typing import Any, cast

import pytest

from nmt.errors import DataError
from nmt.search.config import SearchConfig
from nmt.suspect.config import SuspectConfig
from nmt.suspect.guard import Guard, least_suspect, other_searches
from nmt.text.phrases import Phrases
from nmt.translate import Candidate, Translation, Translator

GOOD, BAD, WORSE = "uno dos 7", "uno dos", "uno uno uno uno"


class Told:
    """A translator that gives what it is told to give to each search, by the width of its beam."""

    def __init__(self, table: dict[tuple[int, int], list[list[str]]]) -> None:
        self.table = table
        self.search = SearchConfig()
        self.asked: list[Any] = []

    def searching(self, search: SearchConfig) -> "Told":
        self.search = search
        return self

    def translate_together(
        self,
        lines: Sequence[str],
        first_number: int = 1,
        prefixes: Sequence[str] = (),
        phrases: Sequence[Phrases] = (),
        numbers: Sequence[int] = (),
    ) -> list[Translation]:
        search = self.search if numbers else SearchConfig()
        way = search.beam, search.no_repeat_ngram
        self.asked.append((way, list(lines), list(numbers), list(prefixes)))
        return [
            Translation(line, tuple(map(candidate, texts)), len(line.split()))
            for line, texts in zip(lines, self.table[way], strict=True)
        ]


def candidate(text: str) -> Candidate:
    return Candidate(text, -0.1, -0.1, length=len(text.split()) + 1 if text else 0)


def guard(
    table: dict[tuple[int, int], list[list[str]]], on_suspect: str, **search: Any
) -> tuple[Guard, Told]:
    told = Told(table)
    config = SuspectConfig(on_suspect=on_suspect)
    return Guard(cast(Translator, told), SearchConfig(**search), config), told


def texts(found: Sequence[Translation]) -> list[list[str]]:
    return [[each.text for each in translation.candidates] for translation in found]


LINES = ["one two 7", "", "eins zwei 7"]
FIRST = {(5, 0): [[GOOD], [""], [BAD]]}


def test_suspect_lines_are_marked_named_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    made, _ = guard(FIRST, "warn")
    found = made.translate_together(LINES, 11)
    assert texts(found) == [[GOOD], [""], [BAD]]
    assert [each.candidates[0].suspect for each in found] == [(), (), ("number",)]
    assert caplog.messages == ["line 13 is suspect: number (lost '7')"]
    made.translate_together(LINES, 14)
    made.summarise()
    assert caplog.messages[1:] == [
        "line 16 is suspect: number (lost '7')", "suspect: 2 of 6 lines (number 2)",
    ]  # fmt: skip


def test_nothing_is_said_where_nothing_is_suspect(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made, _ = guard({(5, 0): [[GOOD]]}, "warn")
    made.translate_together(LINES[:1], 1)
    made.summarise()
    assert caplog.messages == []


def test_the_source_stands_in_the_place_of_suspect_translations(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made, _ = guard({(5, 0): [[GOOD], [""], [BAD, GOOD]]}, "source", nbest=2)
    found = made.translate_together([*LINES[:2], "eins\rzwei 7"], 1)
    assert texts(found) == [[GOOD], [""], ["eins zwei 7"]]
    assert found[2].candidates[0] == Candidate("eins zwei 7", 0.0, 0.0, suspect=("number",))
    made.summarise()
    assert caplog.messages[-1] == (
        "suspect: 1 of 3 lines (number 1); their source stands in their place"
    )


def test_a_suspect_translation_is_an_error_where_it_is_to_be_one() -> None:
    made, _ = guard(FIRST, "fail")
    message = r"^line 13: the translation is suspect: number \(lost '7'\); --on-suspect says what"
    with pytest.raises(DataError, match=message):
        made.translate_together(LINES, 11)


def test_suspect_lines_are_searched_for_until_one_is_not(caplog: pytest.LogCaptureFixture) -> None:
    table = {
        (5, 0): [[BAD], [""], [BAD], [BAD], [BAD]],
        (10, 0): [[BAD, GOOD], [WORSE, BAD], [WORSE], [WORSE]],
        (10, 3): [["drei 7"], [WORSE], ["fine 7 x"]],
    }
    made, told = guard(table, "retry")
    lines = ["a b 7", "", "c d 7", "e f 7", "g h 7"]
    found = made.translate_together(lines, 5, ["", "", "p", "q", ""])
    assert texts(found) == [[GOOD], [""], ["drei 7"], [BAD], ["fine 7 x"]]
    assert [each.source for each in found] == lines
    assert told.asked[1] == ((10, 0), ["a b 7", "c d 7", "e f 7", "g h 7"], [5, 7, 8, 9],
                             ["", "p", "q", ""])  # fmt: skip
    assert told.asked[2] == ((10, 3), ["c d 7", "e f 7", "g h 7"], [7, 8, 9], ["p", "q", ""])
    assert [each.candidates[0].suspect for each in found] == [(), (), (), ("number",), ()]
    made.summarise()
    assert caplog.messages[-1] == (
        "suspect: 4 of 5 lines (number 4); searched for again, 3 of them are not any more"
    )


def test_of_several_the_least_suspect_come_first_and_earlier_ones_before_later() -> None:
    def marked(*texts: tuple[str, int]) -> Translation:
        made = (Candidate(text, 0.0, 0.0, suspect=("copy",) * faults) for text, faults in texts)
        return Translation("s", tuple(made))

    before, after = marked(("a", 2), ("b", 1)), marked(("c", 1), ("a", 2), ("d", 0), ("e", 3))
    assert texts([least_suspect(before, after, 9)]) == [["d", "b", "c", "a", "e"]]
    assert texts([least_suspect(before, after, 2)]) == [["d", "b"]]
    assert texts([least_suspect(before, marked(("x", 2)), 1)]) == [["b"]]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ({"beam": 5}, [(10, 10, 0), (10, 10, 3)]),
        ({"beam": 1}, [(8, 8, 0), (8, 8, 3)]),
        ({"beam": 3, "groups": 3, "nbest": 2}, [(9, 9, 0), (9, 9, 3)]),
        ({"beam": 12, "groups": 6}, [(24, 24, 0), (24, 24, 3)]),
        ({"no_repeat_ngram": 2}, [(10, 10, 2)]),
        ({"no_repeat_ngram": 5}, [(10, 10, 5), (10, 10, 3)]),
        ({"method": "sample", "beam": 1, "nbest": 2}, [(1, 10, 0), (1, 10, 3)]),
    ],
)
def test_other_searches_are_wider_and_then_repeat_nothing(
    search: dict[str, Any], expected: list[tuple[int, int, int]]
) -> None:
    found = other_searches(SearchConfig(**search))
    assert [(each.beam, each.nbest, each.no_repeat_ngram) for each in found] == expected
