"""One line out for one line in, whatever is translated together."""

import logging
import random
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nmt import translate
from nmt.attention.config import AttentionSections
from nmt.ensemble import Ensemble, Member
from nmt.errors import CheckpointError, DataError
from nmt.model.build import build_model
from nmt.model.compute import Compute, on_threads
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder, Memory
from nmt.model.directory import Segmenters
from nmt.search.config import SearchConfig
from nmt.search.hypothesis import Hypothesis
from nmt.text.config import SegmentConfig
from nmt.text.learning import learn_segmenter
from nmt.text.phrases import Phrases, holds
from nmt.text.segmenter import Segmenter
from nmt.translate import Candidate, Translator, joined, one_line

COMPUTE = Compute(torch.device("cpu"), torch.float32)
LINES = [
    "the cat", "", "a quick brown fox jumps", "dog", "", "the cat", "größe 🙂", "x y z", " ",
    "over the lazy dog and the cat",
]  # fmt: skip


@dataclass(frozen=True)
class CopyState:
    """The source as one-hot states, and how much of it is written."""

    states: Tensor
    step: int

    def select(self, sentences: Tensor) -> "CopyState":
        return replace(self, states=self.states[sentences])


class Copier(EncoderDecoder):
    """A model that writes its source, end of sentence included."""

    def __init__(self, vocab_size: int, max_length: int = 1000) -> None:
        super().__init__()
        self.vocab_size, self.max_length = vocab_size, max_length

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        assert source.size(1) <= self.max_length
        return Memory(F.one_hot(source, self.vocab_size).float(), lengths)

    def decode(self, memory: Memory, target: Tensor, lengths: Tensor) -> Tensor:
        raise NotImplementedError

    def output_weight(self) -> Tensor:
        return 30.0 * torch.eye(self.vocab_size)

    def start(self, memory: Memory, beam: int, limit: int) -> CopyState:
        assert limit <= self.max_length
        return CopyState(memory.states, 0)

    def step(self, state: CopyState, ids: Tensor, parents: Tensor) -> tuple[Tensor, CopyState]:
        place = min(state.step, state.states.size(1) - 1)
        states = state.states[:, place].unsqueeze(1).expand(-1, ids.size(1), -1)
        return states, replace(state, step=state.step + 1)


def learn(folder: Path, normalization: str) -> Segmenter:
    config = SegmentConfig(kind="bpe", vocab_size=300, normalization=normalization)
    return learn_segmenter([line for line in LINES if line.strip()], folder / "model", config)


@pytest.fixture(scope="session")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    """A segmenter that keeps every character."""
    return learn(tmp_path_factory.mktemp("segmenter"), "identity")


def translator(model: EncoderDecoder, segmenter: Segmenter, **search: Any) -> Translator:
    config = SearchConfig(**{"beam": 2, **search})
    return Translator(model, Segmenters(segmenter, segmenter), config, COMPUTE)


@pytest.fixture
def copier(segmenter: Segmenter) -> Translator:
    return translator(Copier(segmenter.vocab_size), segmenter)


@pytest.fixture(scope="session")
def transformer(segmenter: Segmenter) -> EncoderDecoder:
    config = ModelConfig(
        encoder_layers=1, decoder_layers=1, model_size=8, ffn_size=12, num_heads=2, max_length=16
    )
    torch.manual_seed(1)
    size = segmenter.vocab_size
    model = build_model(config, AttentionSections(), size, size).eval()
    for weight in model.parameters():
        weight.data += 0.5 * torch.randn_like(weight)
    return model


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


@pytest.mark.parametrize("batch_tokens", [1, 16])
@pytest.mark.parametrize("lines_at_once", [3, 100])
def test_a_translation_does_not_depend_on_what_is_translated_together(
    transformer: EncoderDecoder,
    segmenter: Segmenter,
    monkeypatch: pytest.MonkeyPatch,
    lines_at_once: int,
    batch_tokens: int,
) -> None:
    expected = list(translator(transformer, segmenter).translate(LINES))
    monkeypatch.setattr(translate, "LINES_AT_ONCE", lines_at_once)
    found = list(
        translator(transformer, segmenter, batch_tokens=batch_tokens).translate(LINES[::-1])
    )
    assert [each.text for each in found[::-1]] == [each.text for each in expected]
    for mine, theirs in zip(found[::-1], expected, strict=True):
        assert mine.candidates[0].score == pytest.approx(theirs.candidates[0].score, abs=1e-4)
    assert len({each.text for each in expected}) > 3


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


def test_a_prefix_belongs_to_the_first_part(segmenter: Segmenter) -> None:
    made = translator(Copier(segmenter.vocab_size), segmenter, max_pieces=6)
    (found,) = made.translate_together(["the cat. A dog."], 1, ["over"])
    assert found.text.startswith("over")
    assert found.text.endswith(" A dog.")
    assert found.text.count("over") == 1


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


SEARCHES = [
    {"method": "sample", "beam": 1, "nbest": 2, "top_p": 0.9}, {"beam": 4, "groups": 2, "nbest": 4},
    {"coverage_beta": 0.2}, {"stop": "bound", "no_repeat_ngram": 2},
]  # fmt: skip


@pytest.mark.parametrize("search", SEARCHES, ids=str)
def test_however_searched_for_a_translation_depends_on_its_line_alone(
    transformer: EncoderDecoder, segmenter: Segmenter, search: dict[str, Any]
) -> None:
    prefixes = ["the", "", "", "a", "", "", "", "x y", "", "dog"]
    made = translator(transformer, segmenter, **search)
    together = made.translate_together(LINES, 1, prefixes)
    small = translator(transformer, segmenter, batch_tokens=1, **search)
    for number, (line, prefix, expected) in enumerate(zip(LINES, prefixes, together, strict=True)):
        (alone,) = small.translate_together([line], number + 1, [prefix])
        assert [each.text for each in alone.candidates] == [e.text for e in expected.candidates]
        for mine, theirs in zip(alone.candidates, expected.candidates, strict=True):
            assert mine.score == pytest.approx(theirs.score, abs=1e-4)
            assert mine.text.startswith(prefix) or not line.strip()


def test_samples_depend_on_the_seed(transformer: EncoderDecoder, segmenter: Segmenter) -> None:
    segmenters, config = Segmenters(segmenter, segmenter), SearchConfig(method="sample", beam=1)
    texts = []
    for seed in (1, 2, 1):
        made = Translator(transformer, segmenters, config, replace(COMPUTE, seed=seed))
        texts.append([each.text for each in made.translate(LINES)])
    assert texts[0] == texts[2] != texts[1]
    made = Translator(transformer, segmenters, config, COMPUTE)
    alike = [each.text for each in made.translate(["the cat"] * 5)]
    assert len(set(alike)) > 1, "a line is drawn for by its number"


def test_a_prefix_has_room_to_go_on(copier: Translator, segmenter: Segmenter) -> None:
    prefix = "the lazy dog and the cat " * 9
    (found,) = copier.translate_together(["a b"], 1, [prefix])
    assert found.text.startswith(prefix.strip())
    short = translator(Copier(segmenter.vocab_size), segmenter, limit_ratio=0.0, limit_extra=1)
    (found,) = short.translate_together(["over the lazy dog"], 1, ["over"])
    assert found.text == "over"


def test_a_prefix_that_cannot_be_written_is_refused_with_its_line(segmenter: Segmenter) -> None:
    made = translator(Copier(segmenter.vocab_size, 8), segmenter)
    prefix = "x y z x y z x y z"
    size = len(segmenter.encode(prefix))
    with pytest.raises(DataError, match=rf"^line 4: the prefix has {size} pieces, .* at most 7 "):
        made.translate_together(["a", "b"], 3, ["", prefix])


@pytest.fixture(scope="session", params=["transformer", "rnn"])
def wide(request: pytest.FixtureRequest, segmenter: Segmenter) -> EncoderDecoder:
    """A model whose sums are long enough to round otherwise in another order."""
    own = {"ffn_size": 128, "num_heads": 2} if request.param == "transformer" else {}
    config = ModelConfig(
        arch=request.param, encoder_layers=1, decoder_layers=1, model_size=64, max_length=10, **own
    )
    torch.manual_seed(1)
    size = segmenter.vocab_size
    model = build_model(config, AttentionSections(), size, size).eval()
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    return model


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("search", "dtype"),
    [
        *((search, torch.float32) for search in ({}, {"beam": 1}, *SEARCHES)),
        *((search, torch.bfloat16) for search in ({}, SEARCHES[0])),
    ],
    ids=str,
)
def test_a_line_that_is_translated_alone_is_the_same_to_the_last_bit(
    wide: EncoderDecoder, segmenter: Segmenter, search: dict[str, Any], dtype: torch.dtype
) -> None:
    """Whatever stands beside it, in whatever order, on however many threads."""
    config = SearchConfig(**{"beam": 2, **search}, batch_invariant=True)
    compute = replace(COMPUTE, dtype=dtype)
    made = Translator(wide, Segmenters(segmenter, segmenter), config, compute)
    expected = made.translate_together(LINES)
    assert len({each.candidates for each in expected}) >= 7  # three are empty, and two alike
    with on_threads(2):
        for first in (9, 6, 3, 0):
            lines, numbers = LINES[first : first + 3], range(first + 1, first + len(LINES) + 1)
            found = made.translate_together(lines[::-1], numbers=numbers[: len(lines)][::-1])
            assert found[::-1] == expected[first : first + 3]


@pytest.mark.parametrize("alone", [False, True])
def test_each_line_is_alone_on_one_thread_only_if_asked_for(
    segmenter: Segmenter, alone: bool
) -> None:
    seen = set()

    class Watched(Copier):
        def step(self, state: CopyState, ids: Tensor, parents: Tensor) -> tuple[Tensor, CopyState]:
            seen.add((len(ids), torch.get_num_threads()))
            return super().step(state, ids, parents)

    made = translator(Watched(segmenter.vocab_size), segmenter, batch_invariant=alone)
    with on_threads(2):
        found = list(made.translate(LINES[:4]))
        assert torch.get_num_threads() == 2
    assert [each.text for each in found] == LINES[:4]
    assert seen == ({(1, 1)} if alone else {(3, 2), (2, 2), (1, 2)})


def test_threads_are_put_back_after_a_failure(segmenter: Segmenter) -> None:
    class Failing(Copier):
        def encode(self, source: Tensor, lengths: Tensor) -> Memory:
            raise MemoryError

    made = translator(Failing(segmenter.vocab_size), segmenter, batch_invariant=True)
    with on_threads(2):
        with pytest.raises(MemoryError):
            made.translate_together(["the cat"])
        assert torch.get_num_threads() == 2


def test_lines_may_have_numbers_of_their_own(
    transformer: EncoderDecoder, segmenter: Segmenter
) -> None:
    made = translator(transformer, segmenter, method="sample", beam=1, nbest=3)
    expected = [each.text for each in made.translate_together(["the cat"] * 4)]
    found = made.translate_together(["the cat"] * 2, numbers=[4, 2])
    assert [each.text for each in found] == [expected[3], expected[1]]


def test_lines_may_have_any_numbers(transformer: EncoderDecoder, segmenter: Segmenter) -> None:
    made = translator(transformer, segmenter, method="sample", beam=1, nbest=2)
    expected = made.translate_together(LINES, 5)
    places = [7, 2, 0]
    found = made.translate_together(
        [LINES[place] for place in places], numbers=[5 + place for place in places]
    )
    for place, mine in zip(places, found, strict=True):
        assert [e.text for e in mine.candidates] == [e.text for e in expected[place].candidates]


def test_another_way_to_search_leaves_the_first_as_it_was(
    transformer: EncoderDecoder, segmenter: Segmenter, caplog: pytest.LogCaptureFixture
) -> None:
    made = translator(transformer, segmenter, max_pieces=6)
    before = list(made.translate(["the cat. A dog. Over"]))
    wider = made.searching(SearchConfig(beam=4, nbest=4, max_pieces=6))
    (found,) = wider.translate(["the cat. A dog. Over"])
    assert len(found.candidates) == 4
    direct = translator(transformer, segmenter, beam=4, nbest=4, max_pieces=6)
    assert len(caplog.messages) == 1, "what was said of a line is not said again"
    assert list(direct.translate(["the cat. A dog. Over"])) == [found]
    assert list(made.translate(["the cat. A dog. Over"])) == before


def together(*models: EncoderDecoder, segmenter: Segmenter, **search: Any) -> Translator:
    segmenters = Segmenters(segmenter, segmenter)
    members = [Member(f"model {n}", each, segmenters, COMPUTE) for n, each in enumerate(models)]
    return Translator.of(Ensemble(members), SearchConfig(**{"beam": 2, **search}))


def test_several_models_translate_each_line_in_its_place(segmenter: Segmenter) -> None:
    size = segmenter.vocab_size
    pair = together(Copier(size), Copier(size, 40), segmenter=segmenter)
    assert [each.text for each in pair.translate(LINES)] == [each.strip() for each in LINES]


def test_several_models_write_no_more_than_each_can(
    transformer: EncoderDecoder, segmenter: Segmenter, caplog: pytest.LogCaptureFixture
) -> None:
    size = segmenter.vocab_size
    pair = together(Copier(size), transformer, segmenter=segmenter, limit_extra=50)
    long = "over the lazy dog and the cat " * 9
    (found,) = pair.translate([long])
    assert found.candidates[0].length > transformer.max_length, "it is translated in parts"
    assert caplog.text.count("more than the 15 that are read at once (model.max_length)") == 1
    with pytest.raises(DataError, match=r"^line 1: the prefix has \d+ pieces, .* at most 15 "):
        pair.translate_together([long], 1, [long])


@pytest.mark.parametrize("whole_words", [False, True])
def test_phrases_are_forced_upon_a_model_that_is_sure_of_something_else(
    segmenter: Segmenter, whole_words: bool
) -> None:
    size = segmenter.vocab_size
    asked = {"must": ("a dog",), "must_not": ("the", "🙂"), "whole_words": whole_words}
    made = translator(Copier(size), segmenter, beam=4, nbest=2, **asked)
    for each in made.translate(LINES):
        assert (each.text == "") == (each.source.strip() == "")
        for candidate in each.candidates if each.text else ():
            assert holds(candidate.text, "a dog", whole_words=whole_words)
            assert not holds(candidate.text, "the", whole_words=whole_words)
            assert "🙂" not in candidate.text


def test_a_line_may_ask_for_more_than_all(copier: Translator) -> None:
    own = [Phrases(("dog",), ("cat",)), Phrases()]
    first, second = copier.translate_together(["the cat", "the cat"], 1, (), own)
    assert "dog" in first.text.split()
    assert "cat" not in first.text.split()
    assert second.text == "the cat"


def test_a_text_that_breaks_its_phrases_is_never_given(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = translator(Copier(segmenter.vocab_size), segmenter, must_not=("cat",))
    monkeypatch.setattr(made, "_demand", lambda phrases: None)
    with pytest.raises(DataError, match=r"^line 3: no translation was found: it holds 'cat'$"):
        made.translate_together(["dog", "the cat"], 2)


def test_what_pieces_add_is_what_decoding_gives(segmenter: Segmenter) -> None:
    generator, surfaces = random.Random(1), segmenter.surfaces
    own = [id_ for id_, each in enumerate(surfaces) if isinstance(each, int)]
    for _ in range(500):
        ids = [generator.choice((generator.choice(own), generator.randrange(len(surfaces))))
               for _ in range(6)]  # fmt: skip
        parts = [b""]
        for id_ in ids:
            if (each := surfaces[id_]) is None:
                parts.append(b"")
            else:
                parts[-1] += bytes([each]) if isinstance(each, int) else each.encode()
        text = "".join(part.decode(errors="replace") for part in parts)
        # How many replacement characters stand for broken bytes is a matter of taste.
        found, expected = (
            re.sub("\ufffd+", "\ufffd", each) for each in (segmenter.decode(ids), text)
        )
        assert found.lstrip(" ") == expected.lstrip(" ")
