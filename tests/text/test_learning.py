"""Learning is reproducible, leaves nothing out in silence, and explains what cannot be done."""

import logging
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import ConfigError, DataError
from nmt.text.config import SegmentConfig
from nmt.text.learning import MAX_BYTES, explained, learn_segmenter, sample_lines

KINDS = ("unigram", "bpe")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.model"


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_lines_give_the_same_bytes(
    learn: Any, corpus: list[str], output: Path, kind: str
) -> None:
    learn_segmenter(iter(corpus), output, SegmentConfig(kind=kind, vocab_size=300))
    assert output.read_bytes() == learn(kind=kind).path.read_bytes()


def test_a_sample_is_chosen_by_the_seed(corpus: list[str], output: Path) -> None:
    def bytes_of(seed: int) -> bytes:
        config = SegmentConfig(vocab_size=290, max_lines=40, seed=seed)
        learn_segmenter(corpus, output, config)
        return output.read_bytes()

    assert bytes_of(1) == bytes_of(1) != bytes_of(2)


@given(count=st.integers(0, 30), limit=st.integers(1, 20), seed=st.integers(0, 9))
def test_a_sample_holds_as_many_lines_as_it_may(count: int, limit: int, seed: int) -> None:
    lines = [str(number) for number in range(count)]
    sample = sample_lines(lines, limit, seed)
    assert len(sample.lines) == len(set(sample.lines)) == min(count, limit)
    assert set(sample.lines) <= set(lines)
    if count <= limit:
        assert sample.lines == lines


def test_every_line_is_as_likely_to_be_sampled() -> None:
    lines = [str(number) for number in range(8)]
    picked = [line for seed in range(400) for line in sample_lines(lines, 2, seed).lines]
    assert all(70 <= picked.count(line) <= 130 for line in lines)


def test_lines_that_cannot_be_learnt_from_are_counted() -> None:
    lines = ["a", "", " ", "\u2585", "é" * (MAX_BYTES // 2), "é" * (MAX_BYTES // 2 + 1)]
    sample = sample_lines(lines, 10, 1)
    assert sample.lines == [lines[0], lines[4]]
    assert (sample.seen, sample.usable) == (6, 2)
    assert (sample.empty, sample.reserved, sample.too_long) == (2, 1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_longest_line_takes_part(output: Path, corpus: list[str], kind: str) -> None:
    # Unigram is slow on repetition; BPE counts positions within a run without a space.
    words = random.Random(1).choices(" ".join(corpus).split(), k=20_000)
    line = " ".join(["Z", *words])[:MAX_BYTES] if kind == "unigram" else "Z" * MAX_BYTES
    segmenter = learn_segmenter([*corpus, line], output, SegmentConfig(kind=kind, vocab_size=300))
    assert any("Z" in piece for piece in segmenter.pieces("Z"))


def test_what_was_learnt_is_reported(
    output: Path, corpus: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lines = [*corpus, "", "Z" * (MAX_BYTES + 1), "a\u2585"]
    learn_segmenter(lines, output, SegmentConfig(vocab_size=290, max_lines=100), "a.en + a.de")
    assert caplog.messages == [
        "lines left out of learning: 1 longer than 65,535 bytes, "
        "1 with U+2585, which SentencePiece reserves",
        "sampled 100 of 120 lines",
        "learnt 290 pieces (unigram, normalisation nmt_nfkc) from 100 lines of a.en + a.de",
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("byte_fallback", [True, False])
def test_too_large_a_vocabulary_names_the_largest_that_works(
    output: Path, corpus: list[str], kind: str, byte_fallback: bool
) -> None:
    settings: dict[str, Any] = {"kind": kind, "byte_fallback": byte_fallback}
    told = r"segment.vocab_size is 9,000, but a.en supports at most \d+ pieces; use --vocab-size "
    with pytest.raises(ConfigError, match=told) as refused:
        learn_segmenter(corpus, output, SegmentConfig(vocab_size=9000, **settings), "a.en")
    assert not output.exists()
    found = re.search(r"--vocab-size (\d+) or less, or more text", str(refused.value))
    assert found
    config = SegmentConfig(vocab_size=int(found[1]), **settings)
    assert learn_segmenter(corpus, output, config).vocab_size == config.vocab_size


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("byte_fallback", "size"), [(True, 200), (False, 9)])
def test_too_small_a_vocabulary_names_the_smallest_that_works(
    output: Path, corpus: list[str], kind: str, byte_fallback: bool, size: int
) -> None:
    settings: dict[str, Any] = {"kind": kind, "byte_fallback": byte_fallback}
    told = f"segment.vocab_size is {size}, but the characters of a.en with bytes, user symbols"
    with pytest.raises(ConfigError, match=told) as refused:
        learn_segmenter(corpus, output, SegmentConfig(vocab_size=size, **settings), "a.en")
    found = re.search(r"--vocab-size (\d+) or more, or a lower --char", str(refused.value))
    assert found
    config = SegmentConfig(vocab_size=int(found[1]), **settings)
    assert learn_segmenter(corpus, output, config).vocab_size == config.vocab_size


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "a.en has no lines; pieces are learnt from text"),
        (["", " ", ""], "all 3 lines of a.en are empty; nothing can be learnt"),
        (["", "\u2585"], "no line of a.en can be learnt from: 1 empty, 0 longer .* 1 with"),
        (["\u200b"], "a.en holds nothing to learn from once it is normalised"),
    ],
)
def test_a_text_without_text_is_refused(output: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        learn_segmenter(lines, output, SegmentConfig(), "a.en")
    assert not list(output.parent.iterdir())


def test_an_unforeseen_complaint_is_one_line() -> None:
    error = explained("INTERNAL: a.cc(1)\n [x] odd", SegmentConfig(), "a.en")
    assert str(error) == "SentencePiece cannot learn from a.en: INTERNAL: a.cc(1) [x] odd"


def test_a_failure_leaves_the_old_model(output: Path, corpus: list[str]) -> None:
    output.write_bytes(b"old")
    with pytest.raises(ConfigError):
        learn_segmenter(corpus, output, SegmentConfig(vocab_size=9000))
    assert output.read_bytes() == b"old"
    assert list(output.parent.iterdir()) == [output]


def test_an_output_without_a_folder_is_refused_before_reading(tmp_path: Path) -> None:
    def lines() -> Iterator[str]:
        raise AssertionError("text was read")
        yield ""

    with pytest.raises(DataError, match=r"cannot write .*none/a\.model: No such file"):
        learn_segmenter(lines(), tmp_path / "none" / "a.model", SegmentConfig())


def test_sentencepiece_says_nothing_of_its_own(
    output: Path, corpus: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    learn_segmenter(corpus, output, SegmentConfig(vocab_size=300))
    with pytest.raises(ConfigError):
        learn_segmenter(corpus, output, SegmentConfig(vocab_size=9000))
    assert capfd.readouterr() == ("", "")
