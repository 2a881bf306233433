"""Folding many lines is folding each; words are what reading would find."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.text.folding import EUROPEAN, EUROPEAN_WORD, WORD, fold, fold_lines, key_of, words_of

LINE = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=12)


@given(lines=st.lists(LINE, max_size=6))
def test_many_lines_are_folded_as_each_is(lines: list[str]) -> None:
    assert fold_lines(lines) == [fold(line) for line in lines]


@pytest.mark.parametrize(
    ("one", "other"),
    [("A  House ", "a house"), ("Stra\u00dfe", "STRASSE"), ("u\u0308ber", "\u00fcber")],
)
def test_lines_that_read_the_same_have_one_key(one: str, other: str) -> None:
    assert key_of(one) == key_of(other)


@given(line=st.text(st.characters(max_codepoint=0x24F, exclude_characters="\n"), max_size=12))
def test_the_quick_way_for_european_text_finds_the_same_words(line: str) -> None:
    folded = fold(line)
    if EUROPEAN.fullmatch(folded):
        assert EUROPEAN_WORD.findall(folded) == WORD.findall(folded)


def test_words_of_several_scripts() -> None:
    assert words_of("don't, 3.5 größer!") == ["don", "t", "3", "5", "größer"]
    assert words_of("東京 tower") == ["東", "京", "tower"]
    assert words_of("हिन्दी भाषा") == ["हिन्दी", "भाषा"]
    assert words_of("...") == []
