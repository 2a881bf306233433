"""Words of a line, and which of them a piece stands for."""

from typing import Any

import pytest

from nmt.text.words import word_spans, words_of


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        (" \t ", []),
        ("a", ["a"]),
        ("  two\t words ", ["two", "words"]),
        (
            "no-break\u00a0space, ideographic\u3000one",
            ["no-break\u00a0space,", "ideographic\u3000one"],
        ),
    ],
)
def test_words_stand_between_spaces_and_tabs(line: str, words: list[str]) -> None:
    assert [line[begin:end] for begin, end in word_spans(line)] == words


def spans(*pieces: str) -> list[tuple[int, int]]:
    """Lay pieces end to end."""
    found, place = [], 0
    for piece in pieces:
        found.append((place, place + len(piece)))
        place += len(piece)
    return found


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["an", "d", " so", " on"], [[0], [0], [1], [2]]),
        (["and so", " on"], [[0, 1], [2]]),
        ([" ", "a", " ", "b"], [[], [0], [], [1]]),
        (["name", ".", " (", "x", ")", " -"], [[0], [], [], [1], [], [2]]),
        (["...", "!", " a"], [[0], [0], [1]]),
        (["7", "%"], [[0], []]),
        (["कि", "ं"], [[0], [0]]),
    ],
)
def test_pieces_stand_for_the_words_they_are_letters_of(
    pieces: list[str], words: list[list[int]]
) -> None:
    line = "".join(pieces)
    assert [list(each) for each in words_of(line, spans(*pieces))] == words


def test_pieces_without_characters_go_with_the_letter_they_are_of() -> None:
    assert [list(each) for each in words_of("a é", [(0, 1), (1, 2), (2, 2), (2, 3)])] == [
        [0], [], [1], [1],
    ]  # fmt: skip


@pytest.mark.parametrize("normalization", ["identity", "nmt_nfkc"])
def test_every_word_has_a_piece(learn: Any, normalization: str) -> None:
    for line in ("  the cat, over the dog ", "größe 🙂 x½ 日本 ... (a)", "a\u00a0b c\td", "ﬁ ½"):
        (cut,) = learn(normalization=normalization).cut_lines([line])
        found = {word for each in words_of(line, cut.spans) for word in each}
        assert found == set(range(len(word_spans(line))))
