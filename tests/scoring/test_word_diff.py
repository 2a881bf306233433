"""Word diffs hold both texts."""

from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.scoring.word_diff import TOO_LONG, Span, word_diff

lines = st.text(alphabet="ab cd.北!\u0301 ", max_size=30)


@settings(max_examples=100, deadline=None)
@given(translation=lines, reference=lines)
def test_a_diff_holds_the_translation_and_the_words_of_the_reference(
    translation: str, reference: str
) -> None:
    spans = word_diff(translation, [reference])
    ours = "".join(span.text for span in spans if span.kind != "reference")
    theirs = "".join(span.text for span in spans if span.kind != "translation")
    if translation.strip():
        assert ours == translation
    assert "".join(theirs.split()) == "".join(reference.split())


def test_words_and_punctuation_are_told_apart() -> None:
    assert word_diff("the old cat.", ["the cat!"]) == [
        Span("both", "the "),
        Span("translation", "old "),
        Span("both", "cat"),
        Span("reference", "!"),
        Span("translation", "."),
    ]


def test_spaces_make_no_difference() -> None:
    assert word_diff("a  b ", ["a b"]) == [Span("both", "a  b ")]


def test_the_nearest_reference_is_taken() -> None:
    assert word_diff("a cat sat", ["nothing of it", "a cat sat"]) == [Span("both", "a cat sat")]


def test_what_is_too_long_is_left_unmarked() -> None:
    long = "a " * TOO_LONG
    assert word_diff(long, ["b"]) == [Span("both", long)]
