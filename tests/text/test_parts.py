"""A line is cut where sentences end, or else where it hurts least, and nothing of it is lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.text.parts import LEVELS, Part, cut, join_parts, split_line

SENTENCES = [
    ("One. Two! Three? Four… Five", ["One.", "Two!", "Three?", "Four…", "Five"]),
    ('He said "Stop!" And (so.) On', ['He said "Stop!"', "And (so.)", "On"]),
    ("Wait... What?! Yes", ["Wait...", "What?!", "Yes"]),
    ("e.g. this, 3.5 or a.b", ["e.g. this, 3.5 or a.b"]),
    ("你好。世界！「好。」再见", ["你好。", "世界！", "「好。」", "再见"]),
    ("नमस्ते। दुनिया॥ अंत", ["नमस्ते।", "दुनिया॥", "अंत"]),
    ("مرحبا؟ عالم۔ نهاية", ["مرحبا؟", "عالم۔", "نهاية"]),
    ("Բարեւ։ Աշխարհ", ["Բարեւ։", "Աշխարհ"]),
    ("ሰላም። ዓለም", ["ሰላም።", "ዓለም"]),
    ("One.\u2028Two.\x85Three", ["One.", "Two.", "Three"]),
    ("no end", ["no end"]),
    ("", [""]),
]


def restored(parts: list[Part]) -> str:
    return "".join(part.text + part.separator for part in parts)


@pytest.mark.parametrize(("line", "expected"), SENTENCES)
def test_sentences_are_cut_from_each_other(line: str, expected: list[str]) -> None:
    parts = cut(line, LEVELS[0])
    assert [part.text for part in parts] == expected
    assert restored(parts) == line


@pytest.mark.parametrize(
    ("line", "most", "expected"),
    [
        ("One two. Three, four.", 21, ["One two. Three, four."]),
        ("One two. Three, four.", 20, ["One two.", "Three, four."]),
        ("One two. Three, four, five.", 12, ["One two.", "Three, four,", "five."]),
        ("one. e.g. this. no", 9, ["one.", "e.g.", "this.", "no"]),
        ("One e.g. this. No", 14, ["One e.g. this.", "No"]),
        ("one, two, six, ten", 9, ["one, two,", "six, ten"]),
        ("one two six ten", 7, ["one two", "six ten"]),
        ("一二，三四、五六", 3, ["一二，", "三四、", "五六"]),
        ("abcdefgh", 3, ["ab", "cd", "ef", "gh"]),
        ("a  b.   C d", 5, ["a  b.", "C d"]),
        ("  a b  ", 3, ["a b"]),
        ("e\u0301e\u0301", 3, ["e\u0301", "e\u0301"]),
    ],
)
def test_each_mark_is_tried_before_the_next(line: str, most: int, expected: list[str]) -> None:
    parts = split_line(line, most, len)
    assert [part.text for part in parts] == expected
    assert restored(parts) == line.strip()


TEXT = st.text(st.sampled_from("ab .,!?。，。 \t\u2028\u0301\x85"), max_size=60)


@settings(derandomize=True, deadline=None)
@given(line=TEXT, most=st.integers(1, 12))
def test_nothing_is_lost_and_nothing_is_too_long(line: str, most: int) -> None:
    parts = split_line(line, most, len)
    assert restored(parts) == line.strip()
    for part in parts:
        assert len(part.text) <= most or part.text[1:].strip("\u0301") == ""
    assert parts[-1].separator == ""


@pytest.mark.parametrize(
    "line", ["." * 50_000, "a" * 50_000, ". " * 25_000, "a" + " " * 50_000 + "b", "a, " * 17_000]
)
def test_a_line_of_anything_is_cut_in_time(line: str) -> None:
    parts = split_line(line, 64, len)
    assert restored(parts) == line.strip()


def test_translations_keep_the_white_space_between_them() -> None:
    parts = [Part("A.", " "), Part("B.", "  "), Part("C.", "\t"), Part("D.")]
    assert join_parts(parts, ["a.", "b.", "c.", "d."]) == "a. b.  c.\td."
    assert join_parts([Part("A.")], ["a."]) == "a."
    assert join_parts([Part("A.", " "), Part("B.")], ["", "b."]) == "b."
    assert join_parts([Part("A.", " "), Part("B.")], ["a.", ""]) == "a. "


def test_scripts_with_and_without_spaces_are_joined_in_their_own_way() -> None:
    chinese, english = ["你好。", "世界。"], ["Hello.", "World."]
    assert join_parts([Part("你好。"), Part("世界。")], english) == "Hello. World."
    assert join_parts([Part("Hello.", " "), Part("World.")], chinese) == "你好。世界。"
    assert join_parts([Part("ab"), Part("cd")], ["x", "y"]) == "xy", "cut within a word"
