"""Search among what sources suggest, and for several batches side by side."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.model.compute import on_threads
from nmt.model.contract import EncoderDecoder, Memory
from nmt.model.directory import Segmenters
from nmt.model.shortlist import Shortlist
from nmt.search.config import SearchConfig
from nmt.text.segmenter import Segmenter
from nmt.translate import MOST_ON_CPU, Translator
from tests.translation.copying import (
    COMPUTE,
    LINES,
    SEARCHES,
    SMALL,
    Copier,
    random_model,
    translator,
)


def narrow(segmenter: Segmenter) -> Shortlist:
    """Let every piece suggest three others."""
    size = segmenter.vocab_size
    pieces = (torch.arange(size)[:, None] * 5 % (size - 9) + torch.arange(3)).flatten()
    return Shortlist(torch.tensor([segmenter.eos_id]), torch.arange(size + 1) * 3, pieces)


@pytest.fixture(scope="session")
def short(segmenter: Segmenter) -> EncoderDecoder:
    """Make a model with a shortlist."""
    model = random_model(segmenter, SMALL, 0.5)
    model.shortlist = narrow(segmenter)
    return model


def test_a_shortlist_serves_if_asked_for_and_if_no_line_has_a_prefix(
    short: EncoderDecoder, segmenter: Segmenter
) -> None:
    free = translator(short, segmenter).translate_together(LINES)
    made = translator(short, segmenter, shortlist=True, batch_tokens=16)
    found = made.translate_together(LINES)
    assert found != free
    for line, each in zip(LINES, found, strict=True):
        (alone,) = made.translate_together([line])
        assert alone.text == each.text
        assert alone.candidates[0].score == pytest.approx(each.candidates[0].score, abs=1e-4)
    for prefixes in ([""] * len(LINES), ["", "the", *[""] * (len(LINES) - 2)]):
        forced = made.translate_together(LINES, 1, prefixes)
        plain = translator(short, segmenter).translate_together(LINES, 1, prefixes)
        assert [each.text for each in forced] == [each.text for each in plain]
    other = made.searching(SearchConfig(beam=1))
    assert other.translate_together(LINES) == translator(
        short, segmenter, beam=1
    ).translate_together(LINES)
    assert made.searching(SearchConfig(beam=2, shortlist=True)).translate_together(
        LINES
    ) == translator(short, segmenter, shortlist=True).translate_together(LINES)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_with_a_shortlist_too_a_line_alone_is_the_same_to_the_last_bit(
    short: EncoderDecoder, segmenter: Segmenter, dtype: torch.dtype
) -> None:
    config = SearchConfig(beam=3, shortlist=True, batch_invariant=True)
    compute = replace(COMPUTE, dtype=dtype)
    made = Translator(short, Segmenters(segmenter, segmenter), config, compute)
    expected = made.translate_together(LINES)
    with on_threads(2):
        assert made.translate_together(LINES[::-1])[::-1] == expected


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "search", [{}, {"shortlist": True}, {"beam": 4, "nbest": 4}, *SEARCHES], ids=str
)
def test_side_by_side_on_two_threads_is_one_after_the_other_on_one(
    short: EncoderDecoder, segmenter: Segmenter, search: dict[str, Any]
) -> None:
    made = translator(short, segmenter, batch_tokens=16, **search)
    with on_threads(1):
        expected = made.translate_together(LINES)
    with on_threads(2):
        found = made.translate_together(LINES)
        assert torch.get_num_threads() == 2
    for mine, theirs in zip(found, expected, strict=True):
        assert [each.text for each in mine.candidates] == [each.text for each in theirs.candidates]
        for one, other in zip(mine.candidates, theirs.candidates, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-5)


class Slow(Copier):
    """Take a moment for each batch, and count them; what is asked to may go wrong."""

    def __init__(self, vocab_size: int, fault: Callable[[], object]) -> None:
        super().__init__(vocab_size)
        self.begun, self.fault = 0, fault

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        self.begun += 1
        if self.begun == 3:
            self.fault()
        time.sleep(0.05)
        return super().encode(source, lengths)


def test_batches_fit_the_caches_of_a_processor(
    short: EncoderDecoder, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, whole = [], Translator._search_batch
    made = translator(short, segmenter)
    expected = made.translate_together(LINES)

    def search(self: Translator, group: Any, scorer: Any) -> Any:
        sizes.append((len(group), len(group) * max(each.length + 1 for each in group)))
        return whole(self, group, scorer)

    monkeypatch.setattr(Translator, "_search_batch", search)
    monkeypatch.setattr("nmt.translate.MOST_ON_CPU", 24)
    found = made.translate_together(LINES)
    assert [each.text for each in found] == [each.text for each in expected]
    assert len(sizes) > 1
    assert all(count == 1 or tokens <= 24 for count, tokens in sizes)


@pytest.mark.parametrize("num_lines", [90, 130, 200, 290, 500])
def test_no_thread_is_left_without_a_batch_at_the_end(
    short: EncoderDecoder, segmenter: Segmenter, num_lines: int
) -> None:
    with on_threads(2):
        batches = list(translator(short, segmenter)._batches(np.full(num_lines, 11)))
    sizes = [len(batch) for batch in batches]
    assert sum(sizes) == num_lines
    assert len(sizes) % 2 == 0
    assert max(sizes) * 11 <= MOST_ON_CPU
    assert min(sizes) > 0.8 * max(sizes)


def test_lines_that_may_use_every_piece_have_batches_of_their_own(
    short: EncoderDecoder, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = short.shortlist
    assert known is not None
    rare = segmenter.encode("the")[0]
    counts = known.offsets.diff()
    begin = int(known.offsets[rare])
    counts[rare] = 0
    suggested = torch.cat([known.suggested[:begin], known.suggested[begin + 3 :]])
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
    monkeypatch.setattr(short, "shortlist", Shortlist(known.frequent, offsets, suggested))
    groups, whole = [], Translator._search_batch

    def search(self: Translator, group: Any, scorer: Any) -> Any:
        groups.append([rare in each.readings[0] for each in group])
        return whole(self, group, scorer)

    monkeypatch.setattr(Translator, "_search_batch", search)
    made = translator(short, segmenter, shortlist=True)
    found = made.translate_together(LINES)
    assert {all(group) for group in groups} == {True, False}
    assert all(len(set(group)) == 1 for group in groups)
    for line, each in zip(LINES, found, strict=True):
        assert made.translate_together([line])[0].text == each.text


def refuse() -> None:
    raise MemoryError


@pytest.mark.parametrize(
    ("fault", "error"),
    [(lambda: os.kill(os.getpid(), signal.SIGINT), KeyboardInterrupt), (refuse, MemoryError)],
    ids=["Ctrl-C", "a failure"],
)
def test_what_ends_one_search_keeps_others_from_beginning(
    segmenter: Segmenter, fault: Callable[[], object], error: type[BaseException]
) -> None:
    slow = Slow(segmenter.vocab_size, fault)
    made = translator(slow, segmenter, batch_tokens=1)
    with on_threads(2):
        with pytest.raises(error):
            made.translate_together(["the cat"] * 40)
        assert torch.get_num_threads() == 2
    assert slow.begun < 10
