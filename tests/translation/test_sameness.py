"""A translation depends on its line and its number alone."""

import random
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt import translate
from nmt.attention.rows import Rows
from nmt.model.compute import on_threads, why_not_compiled
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder, Memory
from nmt.model.directory import Segmenters
from nmt.native.compiler import unavailable
from nmt.search.config import SearchConfig
from nmt.text.segmenter import Segmenter
from nmt.translate import Translator
from tests.translation.copying import (
    COMPUTE,
    LINES,
    SEARCHES,
    Copier,
    CopyState,
    random_model,
    translator,
)


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


@pytest.fixture(scope="session", params=["transformer", "rnn"])
def wide(request: pytest.FixtureRequest, segmenter: Segmenter) -> EncoderDecoder:
    return make_wide(request.param, segmenter)


def make_wide(arch: str, segmenter: Segmenter) -> EncoderDecoder:
    """Make a model whose sums are long enough to round otherwise in another order."""
    own = {"ffn_size": 128, "num_heads": 2} if arch == "transformer" else {}
    config = ModelConfig(
        arch=arch, encoder_layers=1, decoder_layers=1, model_size=64, max_length=10, **own
    )
    return random_model(segmenter, config, 0.1)


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


@pytest.mark.skipif(bool(unavailable()), reason=unavailable())
@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("search", [{}, {"beam": 1}, {"nbest": 3, "stop": "bound"}, {"prune": 1.0}])
def test_by_compiled_steps_a_line_is_the_same_to_the_last_bit_in_every_batch(
    segmenter: Segmenter, search: dict[str, Any], int8: bool
) -> None:
    compute = replace(COMPUTE, int8=int8)
    if why_not_compiled(compute):
        pytest.skip(why_not_compiled(compute))
    words, drawn = " ".join(LINES).split(), random.Random(1)
    lines = [" ".join(drawn.choices(words, k=drawn.randint(1, 12))) for _ in range(60)]
    config = SearchConfig(**{"beam": 3, **search}, batch_invariant=True)
    model = make_wide("transformer", segmenter)
    made = Translator(model, Segmenters(segmenter, segmenter), config, compute)
    assert made._invariant
    expected = [made.translate_together([line])[0].candidates for line in lines]
    for tokens in (2048, 100):
        other = made.searching(replace(config, batch_tokens=tokens))
        order = drawn.sample(range(len(lines)), len(lines))
        with on_threads(2):
            found = other.translate_together([lines[place] for place in order])
        assert [each.candidates for each in found] == [expected[place] for place in order]


@pytest.mark.parametrize("alone", [False, True])
def test_each_line_is_alone_on_one_thread_only_if_asked_for(
    segmenter: Segmenter, alone: bool
) -> None:
    seen = set()

    class Watched(Copier):
        def step(
            self, state: CopyState, ids: Tensor, parents: Tensor, rows: Rows | None = None
        ) -> tuple[Tensor, CopyState]:
            seen.add((len(ids), torch.get_num_threads()))
            return super().step(state, ids, parents, rows)

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
