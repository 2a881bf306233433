"""What is learnt from a text: its scripts and how long translations are."""

import pytest

from nmt.text.lengths import LIMIT, Lengths, sizes
from nmt.text.scripts import has_foreign, scripts_of


@pytest.mark.parametrize(
    ("lines", "scripts"),
    [
        (["A house stands here.", "Дом"], ("Latin",)),
        (["Дом стоит"], ("Cyrillic",)),
        (["東京タワーは高い"], ("Han", "Hiragana", "Katakana")),
        (["서울은 크다"], ("Hangul", "Han")),
        (["東京很大"], ("Han",)),
        (["12 - 3", ""], ()),
    ],
)
def test_the_scripts_of_a_text_are_those_of_its_letters(
    lines: list[str], scripts: tuple[str, ...]
) -> None:
    assert scripts_of(lines) == scripts


def test_letters_of_other_scripts_are_foreign_and_marks_are_not() -> None:
    assert has_foreign("aж", ("Latin",))
    assert not has_foreign("aé1☃ ー", ("Latin",))


def test_unusual_lengths_are_far_from_the_usual() -> None:
    pairs = [("x" * size, "y" * (2 * size + size % 3)) for size in range(5, 80)]
    lengths = Lengths.learn(pairs)
    assert lengths.ratio == pytest.approx(2.0, abs=0.1)
    usual = lengths.distances(sizes([a for a, _ in pairs]), sizes([b for _, b in pairs]))
    assert abs(usual).max() < LIMIT
    odd = lengths.distances(sizes(["x" * 50, "x" * 50]), sizes(["y" * 10, "y" * 400]))
    assert odd[0] < -LIMIT
    assert odd[1] > LIMIT


def test_nothing_is_learnt_from_nothing() -> None:
    assert Lengths.learn([]) == Lengths(1.0, 0.0, 1.0)
