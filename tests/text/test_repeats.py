"""What says again what stands just before it."""

import random

import pytest

from nmt.text.repeats import LONGEST, repeated


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, 0, 0)), ("a", (0, 0, 0)), ("abc", (0, 0, 0)), ("aa", (1, 0, 1)),
        ("aaa", (2, 0, 1)), ("abab", (2, 0, 2)), ("xababab", (4, 1, 2)), ("xabab a", (2, 1, 2)),
        ("aabcabc", (3, 1, 3)), ("abcab", (0, 0, 0)),
    ],
)  # fmt: skip
def test_runs_are_counted_in_items_said_again(text: str, expected: tuple[int, int, int]) -> None:
    assert repeated(list(text)) == expected


def test_what_is_found_is_a_run_and_none_is_longer() -> None:
    generator = random.Random(1)
    for _ in range(200):
        items = generator.choices("abc", k=generator.randint(0, 14))
        count, first, size = repeated(items)
        run = items[first : first + count + size]
        assert run == items[first : first + size] * (1 + count // size if size else 0)
        assert count == max((runs(items, unit) for unit in range(1, 8)), default=0)


def runs(items: list[str], unit: int) -> int:
    """Count by trying every beginning."""
    best = 0
    for first in range(len(items)):
        times = 1
        phrase = items[first : first + unit]
        while items[first + times * unit : first + (times + 1) * unit] == phrase:
            times += 1
        best = max(best, (times - 1) * unit if len(phrase) == unit else 0)
    return best


def test_long_text_is_looked_at_in_time() -> None:
    assert repeated("a" * 20_000) == (19_999, 0, 1)
    phrase = [str(each) for each in range(LONGEST + 1)]
    assert repeated(phrase * 2) == (0, 0, 0)
    assert repeated(phrase[1:] * 2) == (LONGEST, 0, LONGEST)
