"""Lines of test sets are found, exactly and nearly, as trying all pairs would find them."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import DataError
from nmt.text.held_out import (
    FEWEST_WORDS,
    NEAR,
    HeldOutLines,
    Place,
    read_test_set,
    shingles,
    similarity,
)  # fmt: skip

LINES = st.lists(st.lists(st.sampled_from("abcdef"), max_size=8), max_size=6)


@given(held_out=LINES, lines=LINES)
def test_near_lines_are_those_that_trying_all_pairs_finds(
    held_out: list[list[str]], lines: list[list[str]]
) -> None:
    known = HeldOutLines()
    known.add(map(" ".join, held_out), "test")
    known.index(lines)
    found = {row: alike for row, _, alike in known.near(lines)}
    expected = {}
    for row, line in enumerate(lines):
        whole = [other for other in held_out if len(other) >= FEWEST_WORDS]
        best = max((jaccard(line, other) for other in whole), default=0.0)
        if best >= NEAR:
            expected[row] = best
    assert found == expected


def jaccard(one: list[str], other: list[str]) -> float:
    first, second = ({*words, *itertools.pairwise(words)} for words in (one, other))
    return len(first & second) / max(1, len(first | second))


def test_similarity_is_no_less_for_the_same() -> None:
    assert similarity(shingles(["a", "b", "c"]), shingles(["a", "b", "c"])) == 1.0


def test_exact_lines_are_found_whatever_their_case_and_spaces() -> None:
    known = HeldOutLines()
    shared = known.add(["A house.", "", "a  HOUSE."], "test.en")
    assert (len(known), shared) == (1, {})
    assert known.add(["a house."], "dev.en") == {"test.en": 1}
    assert known.find("a house.") == Place("test.en", 1)
    assert str(known.find("a house.")) == "test.en, line 1"
    assert known.find("") is None


def test_a_test_set_is_lines_of_either_side_or_of_both(tmp_path: Path) -> None:
    path = tmp_path / "test"
    path.write_text("a\nb\n")
    assert read_test_set(str(path)) == [(("source", "target"), ["a", "b"])]
    path.write_text("a\tb\n")
    assert read_test_set(str(path)) == [(("source",), ["a"]), (("target",), ["b"])]
    path.write_text("a\tb\nc\n")
    with pytest.raises(DataError, match="test has lines with and without a tab"):
        read_test_set(str(path))
