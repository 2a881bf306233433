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
from nmt.model.compute import Compute
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder, Memory
from nmt.model.directory import Segmenters
from nmt.search.config import SearchConfig
from nmt.text.config import SegmentConfig
from nmt.text.learning import learn_segmenter
from nmt.text.phrases import Phrases, holds
from nmt.text.segmenter import Segmenter
from nmt.translate import Candidate, Translator, one_line

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
    assert [each.text for each in found] == LINES


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


def test_a_line_too_long_is_cut_with_a_warning_that_names_it(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(translate, "LINES_AT_ONCE", 2)
    lines = ["cat", "", "the", "dog " * 20, "a"]
    ids = segmenter.encode(lines[3])
    copier = translator(Copier(segmenter.vocab_size, 12), segmenter)
    with caplog.at_level(logging.WARNING):
        found = [each.text for each in copier.translate(lines)]
    assert found == ["cat", "", "the", segmenter.decode(ids[:11]), "a"]
    assert caplog.messages == [
        f"line 4 has {len(ids)} pieces; only the first 11 are translated, all that the model can "
        "read (model.max_length)"
    ]


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


def together(*models: EncoderDecoder, segmenter: Segmenter, **search: Any) -> Translator:
    segmenters = Segmenters(segmenter, segmenter)
    members = [Member(f"model {n}", each, segmenters, COMPUTE) for n, each in enumerate(models)]
    return Translator.of(Ensemble(members), SearchConfig(**{"beam": 2, **search}))


def test_several_models_translate_each_line_in_its_place(segmenter: Segmenter) -> None:
    size = segmenter.vocab_size
    pair = together(Copier(size), Copier(size, 40), segmenter=segmenter)
    assert [each.text for each in pair.translate(LINES)] == LINES


def test_several_models_write_no_more_than_each_can(
    transformer: EncoderDecoder, segmenter: Segmenter, caplog: pytest.LogCaptureFixture
) -> None:
    size = segmenter.vocab_size
    pair = together(Copier(size), transformer, segmenter=segmenter, limit_extra=50)
    long = "over the lazy dog and the cat " * 9
    (found,) = pair.translate([long])
    assert len(segmenter.encode(found.text)) < transformer.max_length
    assert caplog.text.count("only the first 15 are translated") == 1
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
        assert (each.text == "") == (each.source == "")
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
