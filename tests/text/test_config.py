"""Settings of text that cannot work are refused by name."""

from typing import Any

import pytest

from nmt.errors import ConfigError
from nmt.settings import build, to_table
from nmt.text.config import CleanConfig, SegmentConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vocab_size": 7}, "segment.vocab_size must be at least 8, not 7"),
        ({"character_coverage": 0.5}, "segment.character_coverage must lie between 0.9 and 1"),
        ({"max_lines": 0}, "segment.max_lines must be at least 1, not 0"),
        ({"kind": "word"}, "segment.kind must be one of unigram, bpe, not 'word'"),
        ({"user_symbols": ["a", "a"]}, "segment.user_symbols: 'a' is given twice"),
        ({"user_symbols": [""]}, "segment.user_symbols: '' is empty or holds a space"),
        ({"user_symbols": ["a b"]}, "segment.user_symbols: 'a b' is empty or holds a space"),
        ({"user_symbols": ["\u2581a"]}, "segment.user_symbols: '▁a' is empty or holds a space"),
        ({"user_symbols": ["</s>"]}, "segment.user_symbols: '</s>' is a special piece already"),
        ({"user_symbols": ["<0x0A>"]}, "segment.user_symbols: '<0x0A>' is a special piece"),
    ],
)
def test_segmentation_that_cannot_work_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        build(SegmentConfig, settings, "segment")
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_words": -1}, "clean.min_words must be at least 0, not -1"),
        ({"max_words": -1}, "clean.max_words must be at least 0, not -1"),
        ({"max_characters": -1}, "clean.max_characters must be at least 0, not -1"),
        ({"min_words": 3, "max_words": 2}, "clean.max_words = 2 is below clean.min_words = 3"),
        ({"max_word_ratio": 0.5}, "clean.max_word_ratio must be 0 or at least 1, not 0.5"),
        ({"max_character_ratio": float("nan")}, "clean.max_character_ratio must be 0 or at least"),
        ({"min_script_share": 1.5}, "clean.min_script_share must lie between 0 and 1, not 1.5"),
        ({"source_script": "Latn1"}, "clean.source_script: 'Latn1' is no Unicode script; write"),
        ({"target_script": ["Han", ""]}, "clean.target_script: '' is no Unicode script; write"),
        ({"target_script": "L}|."}, "clean.target_script: 'L}|.' is no Unicode script; write"),
    ],
)
def test_cleaning_that_cannot_work_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        build(CleanConfig, settings, "clean")
    assert str(refused.value).startswith(message)


def test_what_is_allowed_is_kept() -> None:
    segment = SegmentConfig(vocab_size=8, character_coverage=0.9, user_symbols=("<2de>", "a"))
    clean = CleanConfig(max_words=0, min_words=9, source_script=("Latin", "Old_Italic"))
    assert build(SegmentConfig, to_table(segment)) == segment
    assert build(CleanConfig, to_table(clean)) == clean
