"""What `nmt check batch` looks at, over models whose translations are known."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nmt.checks import sameness
from nmt.checks.sameness import SIZES, Difference, Outcome, Trial, compared, differing
from nmt.model.compute import Compute
from nmt.model.directory import load_package
from nmt.search.config import SearchConfig
from nmt.translate import Candidate, Translation, Translator

COMPUTE = Compute(torch.device("cpu"), torch.float32)
BEAM = SearchConfig(beam=3, nbest=2, limit_ratio=1.0)
SAMPLES = SearchConfig(method="sample", beam=1, nbest=3, limit_ratio=1.0)


def made(*candidates: tuple[str, float]) -> Translation:
    """Make a translation of texts and scores."""
    return Translation("source", tuple(Candidate(text, score, score) for text, score in candidates))


def trial(run: Path, toy: Path, search: SearchConfig) -> Trial:
    lines = (toy / "test.src").read_text().split("\n")[:-1]
    return Trial(lines, load_package(str(run)), search, COMPUTE)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("search", [BEAM, SAMPLES], ids=["beam", "samples"])
@pytest.mark.parametrize("alone", [False, True])
def test_a_trained_model_translates_alike_in_every_way(
    trained: Path, toy: Path, search: SearchConfig, alone: bool
) -> None:
    tried = trial(trained, toy, replace(search, batch_invariant=alone))
    outcomes = list(tried.outcomes())
    assert [each.way for each in outcomes] == [way.name for way in tried.ways()]
    assert differing(outcomes) == set()
    most = [each.score_difference for each in outcomes]
    assert max(most) < 1e-4
    if alone:
        assert max(most) == 0


def test_the_ways_are_those_that_are_promised(
    trained: Path, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches are as large as they say, every line comes once, threads are as many."""
    calls: list[tuple[int, ...]] = []
    original = Translator.translate_together

    def watched(
        self: Translator, lines: list[str], numbers: list[int], **rest: object
    ) -> list[Translation]:
        calls.append((torch.get_num_threads(), *numbers))
        return original(self, lines, numbers=numbers)

    monkeypatch.setattr(Translator, "translate_together", watched)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    tried = trial(trained, toy, BEAM)
    assert len(tried.lines) == 9
    names, seen = [], {}
    for way in tried.ways():
        calls.clear()
        tried.translations(way)
        names.append(way.name)
        seen[way.name] = [numbers for _, *numbers in calls]
    assert names == [
        *(f"{size} a batch" for size in SIZES), "shuffled", "shuffled, 7 a batch", "threads: 2"
    ]  # fmt: skip
    everything = list(range(1, 10))
    for name, groups in seen.items():
        assert sorted(number for group in groups for number in group) == everything
        assert (groups[0] == everything[: len(groups[0])]) == ("shuffled" not in name)
    sizes = {name: [len(group) for group in groups] for name, groups in seen.items()}
    assert sizes["1 a batch"] == [1] * 9
    assert sizes["2 a batch"] == [2, 2, 2, 2, 1]
    assert sizes["7 a batch"] == sizes["shuffled, 7 a batch"] == [7, 2]
    assert sizes["64 a batch"] == sizes["shuffled"] == sizes["threads: 2"] == [9]


def test_a_batch_is_one_however_few_tokens_the_usual_may_hold(
    trained: Path, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    original = Translator._search_batch

    def watched(self: Translator, sentences: list[object], forced: bool) -> object:
        sizes.append(len(sentences))
        return original(self, sentences, forced)

    monkeypatch.setattr(Translator, "_search_batch", watched)
    tried = trial(trained, toy, replace(BEAM, batch_tokens=1))
    for way in tried.ways():
        if way.name == "7 a batch":
            tried.translations(way)
    assert sum(sizes) == 8  # of nine lines one is empty
    assert len(sizes) == 2


def test_ways_with_threads_belong_to_a_processor(trained: Path, toy: Path) -> None:
    tried = trial(trained, toy, BEAM)
    on_gpu = replace(tried, compute=Compute(torch.device("cuda"), torch.float32))
    assert any(way.threads for way in tried.ways())
    assert not any(way.threads for way in on_gpu.ways())


def test_what_differs_is_told_with_both_candidates() -> None:
    usual = [
        made(("a", -1.0), ("b", -2.0)), made(("c", -1.0)), made(("", 0.0)), made(("d", -1.0)),
    ]  # fmt: skip
    others = [
        made(("a", -1.0), ("x", -2.5)), made(("c", -1.25)), made(("", 0.0)),
        made(("d", -1.0), ("e", -3.0)),
    ]  # fmt: skip
    found = compared("a way", usual, others)
    second, last = found.differences
    assert second == Difference(1, "a way", Candidate("b", -2, -2), Candidate("x", -2.5, -2.5))
    assert second.gap == 0.5
    assert last == Difference(4, "a way", None, Candidate("e", -3, -3))
    assert last.gap is None
    assert found.score_difference == 0.25
    apart = Difference(2, "a way", Candidate("c", -1, -1), Candidate("c", -1.25, -1.25))
    exact = compared("a way", usual, others, exact=True)
    assert exact.differences == [second, apart, last]
    assert exact.score_difference == 0.25
    assert compared("a way", usual, usual) == Outcome("a way", [], 0.0)
    assert differing([found, found, compared("none", usual, usual)]) == {1, 4}


def test_a_line_that_is_cut_is_warned_of_once(
    trained: Path, toy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tried = trial(trained, toy, SearchConfig(beam=1))
    tried = replace(tried, lines=["ab de", "abdeikl " * 40])
    with caplog.at_level(logging.WARNING):
        list(tried.outcomes())
    assert [text for text in caplog.messages if "translated in" in text] == caplog.messages[:1]
    assert logging.root.manager.disable == logging.NOTSET
    assert sameness.SIZES == (1, 2, 7, 64)
