"""Each rule objects to what it names and to nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.text.config import CleanConfig
from nmt.text.rules import RULES, count_words, share_of_script

GOOD = "Good morning"


@pytest.mark.parametrize(
    ("rule", "source", "target", "settings", "detail"),
    [
        ("empty", "", GOOD, {}, "source: no text"),
        ("empty", GOOD, " \u00a0", {}, "target: no text"),
        ("control", "a\tb", GOOD, {}, "source: U+0009 control character at character 2"),
        ("control", GOOD, "ab\r", {}, "target: windows line end"),
        ("control", "a\rb", GOOD, {}, "source: U+000D control character at character 2"),
        ("control", "\r\r", GOOD, {}, "source: U+000D control character at character 1"),
        ("control", "\ufeffa", GOOD, {}, "source: U+FEFF ZERO WIDTH NO-BREAK SPACE at character 1"),
        ("control", GOOD, "a\ufffd", {}, "target: U+FFFD REPLACEMENT CHARACTER at character 2"),
        ("control", "\u202eab", GOOD, {}, "source: U+202E RIGHT-TO-LEFT OVERRIDE at character 1"),
        ("control", "a\u2028b", GOOD, {}, "source: U+2028 LINE SEPARATOR at character 2"),
        ("identical", "Berlin", " Berlin", {}, "both sides are the same"),
        ("words", GOOD, "Moin", {"min_words": 2}, "target: word count 1, at least 2"),
        ("words", GOOD, "Moin", {"max_words": 1}, "source: word count 2, at most 1"),
        ("words", "早上好", "Moin", {"max_words": 2}, "source: word count 3, at most 2"),
        ("characters", "Hi", GOOD, {"max_characters": 11}, "target: 12 characters, at most 11"),
        (
            "word-ratio",
            "a b c d e",
            "ab cd",
            {"max_word_ratio": 2.0},
            "5 words against 2: ratio 2.5, at most 2",
        ),
        (
            "character-ratio",
            "ab",
            "abcdefg",
            {"max_character_ratio": 3.0},
            "2 characters against 7: ratio 3.5, at most 3",
        ),
        (
            "script",
            "Привет abc",
            GOOD,
            {"source_script": ("Cyrillic", "Greek"), "min_script_share": 0.7},
            "source: 67% of the letters are Cyrillic or Greek, at least 70%",
        ),
        (
            "script",
            GOOD,
            "Привет",
            {"target_script": ("Latin",)},
            "target: 0% of the letters are Latin, at least 50%",
        ),
    ],
)
def test_a_rule_says_what_it_objects_to(
    rule: str, source: str, target: str, settings: dict[str, Any], detail: str
) -> None:
    assert RULES[rule](source, target, CleanConfig(**settings)) == detail


@pytest.mark.parametrize(
    ("rule", "source", "target", "settings"),
    [
        # Joiners, direction marks, soft hyphens and combining marks are proper text.
        ("control", "می\u200cخواهم", "a\u00adb\u200e e\u0301", {}),
        ("control", "a\tb\r", "\ufeff", {"drop_control": False}),
        ("identical", "Berlin", "Berlin", {"drop_identical": False}),
        ("identical", "Berlin", "berlin", {}),
        ("words", "a b", "a b", {"min_words": 2, "max_words": 2}),
        ("words", "a " * 999, "", {"min_words": 0, "max_words": 0}),
        ("characters", "abc", "ab", {"max_characters": 3}),
        ("characters", "a" * 9999, "", {"max_characters": 0}),
        ("word-ratio", "a b c d", "a b", {"max_word_ratio": 2.0}),
        ("word-ratio", "a " * 999, "a", {"max_word_ratio": 0.0}),
        ("character-ratio", "abcd", "ab", {"max_character_ratio": 2.0}),
        ("character-ratio", "a" * 999, "a", {"max_character_ratio": 0.0}),
        ("script", "12 + 3!", "Привет", {"source_script": ("Latin",)}),
        ("script", "カーネルを", "x", {"source_script": ("Han", "Hiragana", "Katakana")}),
        ("script", "Привет abcdef", "x", {"source_script": ("Cyrillic",)}),
    ],
)
def test_a_rule_lets_pass_what_is_right_or_allowed(
    rule: str, source: str, target: str, settings: dict[str, Any]
) -> None:
    assert RULES[rule](source, target, CleanConfig(**settings)) == ""


@given(source=st.text(max_size=9), target=st.text(max_size=9))
def test_no_rule_but_script_prefers_a_side(source: str, target: str) -> None:
    config = CleanConfig(max_words=3, max_characters=5, max_word_ratio=1.5, max_character_ratio=1.5)
    for rule in RULES.values():
        assert bool(rule(source, target, config)) == bool(rule(target, source, config))


@given(words=st.lists(st.text("abz'é1", min_size=1), max_size=9))
def test_words_are_what_spaces_part(words: list[str]) -> None:
    assert count_words(" ".join(words)) == count_words("  ".join(words)) == len(words)


def test_each_letter_of_a_script_without_spaces_is_a_word() -> None:
    assert count_words("我用 Python 3") == 4
    assert count_words("ไทย") == 3


@given(text=st.text(max_size=20))
def test_a_script_has_a_share_between_none_and_all(text: str) -> None:
    assert 0 <= share_of_script(text, ("Latin",)) <= 1
    assert share_of_script(text, ("Latin",)) == share_of_script(text + "12 ー!", ("Latin",))
