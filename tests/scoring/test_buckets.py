"""Parts of a test set: every line is in one, under a name that says why."""

import random

import pytest

from nmt.scoring.buckets import Buckets, by_document, by_length, by_rarity, words


def described(parts: Buckets) -> dict[str, list[int]]:
    return {bucket.name: list(bucket.numbers) for bucket in parts.buckets}


def test_length_counts_words() -> None:
    sizes = [0, 1, 5, 6, 10, 11, 20, 21, 40, 41, 500]
    parts = by_length([" ".join(["word"] * size) for size in sizes])
    assert described(parts) == {
        "no words": [0],
        "1-5": [1, 2],
        "6-10": [3, 4],
        "11-20": [5, 6],
        "21-40": [7, 8],
        "41+": [9, 10],
    }


def test_a_script_without_spaces_is_counted_by_characters() -> None:
    assert described(by_length(["今天我们去北京", "去"])) == {"1-5": [1], "6-10": [0]}


def test_rarity_is_that_of_the_rarest_word() -> None:
    training = ["the cat"] * 12 + ["the dog!"] * 3 + ["THE Zebra"]
    source = ["The dog, the cat.", "the Cat", "a cat", "…", "zebra"]
    assert described(by_rarity(source, training)) == {
        "no words": [3],
        "0": [2],
        "1-9": [0, 4],
        "10-99": [1],
    }


def test_rarity_reads_training_once() -> None:
    training = iter(["a b", "a"])
    assert described(by_rarity(["a", "b", "c"], training)) == {"0": [2], "1-9": [0, 1]}


def test_words_are_without_punctuation_and_case() -> None:
    assert words("Don't STOP (now)!") == ["don", "t", "stop", "now"]
    assert words("Straße 42, 北京.") == ["straße", "42", "北", "京"]


def test_documents_stand_in_order_of_appearance() -> None:
    assert described(by_document(["b", "a", "b", ""])) == {"b": [0, 2], "a": [1], "": [3]}


@pytest.mark.parametrize("seed", range(3))
def test_every_line_is_in_one_part(seed: int) -> None:
    chance = random.Random(seed)
    lines = [" ".join(chance.choices("abcdefg", k=chance.randint(0, 60))) for _ in range(50)]
    for parts in (by_length(lines), by_rarity(lines, lines[:9]), by_document(lines)):
        numbers = [number for bucket in parts.buckets for number in bucket.numbers]
        assert sorted(numbers) == list(range(50))
