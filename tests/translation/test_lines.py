"""One line out for one line in, whatever is translated together."""

import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nmt import translate
from nmt.errors import CheckpointError, DataError
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import Segmenters
from nmt.search.config import SearchConfig
from nmt.search.hypothesis import Hypothesis
from nmt.text.config import SegmentConfig
from nmt.text.learning import learn_segmenter
from nmt.text.segmenter import Segmenter
from nmt.translate import Candidate, Translator, joined, one_line
from tests.translation.copying import COMPUTE, LINES, Copier, learn, translator


@pytest.mark.parametrize("lines_at_once", [1, 3, 100])
@pytest.mark.parametrize("batch_tokens", [1, 16, 4096])
def test_each_line_is_translated_in_its_place(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, lines_at_once: int, batch_tokens: int
) -> None:
    monkeypatch.setattr(translate, "LINES_AT_ONCE", lines_at_once)
    copier = translator(Copier(segmenter.vocab_size), segmenter, batch_tokens=batch_tokens)
    found = list(copier.translate(LINES))
    assert [each.source for each in found] == LINES
    assert [each.text for each in found] == [line if line.strip() else "" for line in LINES]


def test_lines_are_read_as_they_are_needed(
    copier: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translate, "LINES_AT_ONCE", 2)
    stream = iter(["one", "two", "three", "four", "five"])
    assert next(copier.translate(stream)).text == "one"
    assert next(stream) == "three"


def test_no_lines_have_no_translations(copier: Translator) -> None:
    assert list(copier.translate([])) == []


def test_an_empty_line_has_one_empty_translation(copier: Translator, tmp_path: Path) -> None:
    (found,) = copier.translate([""])
    assert found.candidates == (Candidate("", 0.0, 0.0),)
    squeezing = learn(tmp_path, "nmt_nfkc")
    assert squeezing.encode(" \u3000 ") == []
    (found,) = translator(Copier(squeezing.vocab_size), squeezing).translate([" \u3000 "])
    assert found.candidates == (Candidate("", 0.0, 0.0),)


@pytest.mark.parametrize("nbest", [1, 3])
def test_a_line_has_as_many_candidates_as_asked_for_best_first(
    transformer: EncoderDecoder, segmenter: Segmenter, nbest: int
) -> None:
    found = list(translator(transformer, segmenter, beam=3, nbest=nbest).translate(["a cat", ""]))
    assert [len(each.candidates) for each in found] == [nbest, 1]
    scores = [each.score for each in found[0].candidates]
    assert scores == sorted(scores, reverse=True)
    assert found[0].text == found[0].candidates[0].text


def test_a_line_too_long_is_translated_in_parts_and_named(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(translate, "LINES_AT_ONCE", 2)
    lines = ["cat", "", "the", "dog " * 20 + "dog", "a"]
    size = len(segmenter.encode(lines[3]))
    copier = translator(Copier(segmenter.vocab_size, 12), segmenter)
    with caplog.at_level(logging.WARNING):
        found = [each.text for each in copier.translate(lines)]
    assert found == lines
    assert caplog.messages == [
        f"line 4 has {size} pieces, more than the 11 that are read at once (model.max_length); it "
        "is translated in 2 parts"
    ]


@pytest.mark.parametrize("line", ["x y. a  dog! the\tcat", "dog " * 9, "x" * 40, "größe 🙂" * 7])
@pytest.mark.parametrize("most", [1, 2, 5])
def test_whatever_is_cut_is_put_together_again(segmenter: Segmenter, line: str, most: int) -> None:
    copier = translator(Copier(segmenter.vocab_size), segmenter, max_pieces=max(most, 5))
    (found,) = copier.translate([line])
    assert found.text == line.strip()
    small = translator(Copier(segmenter.vocab_size), segmenter, max_pieces=most)
    assert len(list(small.translate([line, "a"]))) == 2


def test_parts_are_scored_as_one(transformer: EncoderDecoder, segmenter: Segmenter) -> None:
    parts = ["the cat.", "A dog.", "Over"]
    made = translator(transformer, segmenter, max_pieces=6, beam=3, nbest=2)
    assert max(len(segmenter.encode(part)) for part in parts) <= 6
    (whole,) = made.translate([" ".join(parts)])
    alone = list(made.translate(parts))
    assert whole.length > 6
    by_rank = {}
    for each in zip(*(part.candidates for part in alone), strict=True):
        log_prob, length = sum(e.log_prob for e in each), sum(e.length for e in each)
        by_rank[" ".join(e.text for e in each)] = log_prob, log_prob / length, length
    assert len(whole.candidates) == 2
    for candidate in whole.candidates:
        log_prob, score, length = by_rank[candidate.text]
        assert candidate.log_prob == pytest.approx(log_prob, abs=1e-4)
        assert candidate.score == pytest.approx(score, abs=1e-4)
        assert candidate.length == length
    assert whole.candidates[0].score >= whole.candidates[1].score


def test_coverage_is_the_sum_of_the_parts() -> None:
    search = SearchConfig(coverage_beta=0.5, length_alpha=0.7)
    parts = [Hypothesis((1, 2), -2.0, search.score(-2.0, 3) - 0.25), Hypothesis((), -1.0, -1.5)]
    whole = joined(parts, search)
    assert whole == Hypothesis((1, 2), -3.0, pytest.approx(search.score(-3.0, 4) - 0.25 - 0.5))
    assert joined(parts[:1], search) is parts[0]
    assert joined([], search) == Hypothesis((), 0.0, 0.0)


def test_parts_draw_for_themselves_and_the_first_as_a_line_would(
    transformer: EncoderDecoder, segmenter: Segmenter
) -> None:
    made = translator(transformer, segmenter, method="sample", beam=1, nbest=3, max_pieces=6)
    (whole,) = made.translate(["A cat. A cat. A cat."])
    (alone,) = made.translate(["A cat."])
    for drawn, first in zip(whole.candidates, alone.candidates, strict=True):
        assert drawn.text.startswith(first.text)
        assert drawn.text != " ".join([first.text] * 3)


def test_text_that_the_model_lacks_is_copied(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fixed = SegmentConfig(vocab_size=36, byte_fallback=False)
    unknown = learn_segmenter([line for line in LINES if line.strip()], tmp_path / "model", fixed)
    for segmenter in (unknown, learn(tmp_path, "nmt_nfkc")):
        made = translator(Copier(segmenter.vocab_size), segmenter, max_pieces=12)
        caplog.clear()
        lines = ["日本 Ω", "the cat", "Ω", "日本 a", "X. 日本! X y z x y z x y z"]
        found = list(made.translate(lines))
        assert found[0].candidates == (Candidate("日本 Ω", 0.0, 0.0),)
        assert [found[1].text, found[2].text] == ["the cat", "Ω"]
        assert found[3].candidates[0].length > 0, "what the model knows in part is translated"
        assert (
            found[4].text.split(" ")[1].startswith("日本") or len(segmenter.encode(lines[4])) < 13
        )
        said = "has text of characters alone that the model lacks; it is copied"
        assert [f"line 1 {said}", f"line 3 {said}"] == caplog.messages[:2]


def test_half_a_character_is_refused_with_its_line(copier: Translator) -> None:
    message = r"^line 8: character 3 \(U\+D800\) is half a character, a lone surrogate; decode "
    with pytest.raises(DataError, match=message):
        copier.translate_together(["a", "b \ud800"], 7)
    with pytest.raises(DataError, match=r"^line 7: character 1 "):
        copier.translate_together(["a", "b"], 7, ["\udcff", ""])


def test_a_line_as_long_as_the_model_reads_is_translated_whole(
    segmenter: Segmenter, caplog: pytest.LogCaptureFixture
) -> None:
    line = "a quick brown fox"
    model = Copier(segmenter.vocab_size, len(segmenter.encode(line)) + 1)
    (found,) = translator(model, segmenter).translate([line])
    assert found.text == line
    assert caplog.messages == []


def test_a_translation_keeps_to_the_limit_with_its_end(segmenter: Segmenter) -> None:
    line = "the cat and the dog"
    copier = translator(Copier(segmenter.vocab_size), segmenter, limit_ratio=0.0, limit_extra=3)
    (found,) = copier.translate([line])
    assert found.text == segmenter.decode(segmenter.encode(line)[:2])


def test_a_limit_beyond_the_model_is_the_models(
    transformer: EncoderDecoder, segmenter: Segmenter
) -> None:
    assert transformer.max_length == 16
    generous = translator(transformer, segmenter, limit_extra=500)
    assert len(list(generous.translate(["a", "the cat and the dog"]))) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a b", "a b"), ("a\nb", "a b"), ("a\r\nb\r", "a  b "), ("a\u2028b\tc", "a\u2028b\tc")],
)
def test_a_translation_is_one_line(text: str, expected: str) -> None:
    assert one_line(text) == expected


def test_a_model_that_writes_a_line_end_gives_one_line_all_the_same(copier: Translator) -> None:
    assert [each.text for each in copier.translate(["a\rb", "a\nb"])] == ["a b", "a b"]


def test_a_model_of_no_numbers_is_refused_with_the_first_line(segmenter: Segmenter) -> None:
    class Broken(Copier):
        def output_weight(self) -> Tensor:
            return torch.full((self.vocab_size, self.vocab_size), torch.nan)

    segmenters = Segmenters(segmenter, segmenter)
    broken = Translator(Broken(segmenter.vocab_size), segmenters, SearchConfig(), COMPUTE)
    with pytest.raises(CheckpointError, match=r"line 2 has no translation.*not numbers"):
        broken.translate_together(["", "the cat"])
