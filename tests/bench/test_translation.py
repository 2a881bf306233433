"""Translators that are timed translate as those of users do, but for what is asked of them."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nmt.bench.changes import CHANGES, measure_changes
from nmt.bench.marks import Setup, exact, fast
from nmt.bench.translation import Range, measure_lines, measure_text, ninth_decile, ratios
from nmt.bench.translators import TimedTranslator, Way, in_order
from nmt.model.compute import Compute, ComputeConfig, has_fast_int8, prepare
from nmt.model.directory import TranslationPackage, load_package
from nmt.model.shortlist import Shortlist
from nmt.native.compiler import lacks_bytes
from nmt.search.config import SearchConfig
from nmt.translate import Translator

CPU = Compute(torch.device("cpu"), torch.float32)
SEARCH = SearchConfig(beam=3, limit_ratio=1.0, limit_extra=4, batch_tokens=32)


@pytest.fixture(scope="module")
def package(trained: Path) -> TranslationPackage:
    """Load the trained run, with a shortlist of the even pieces for every source piece."""
    package = load_package(trained)
    size = package.segmenters.target.vocab_size
    frequent = torch.tensor([package.segmenters.target.eos_id, *range(4, size, 2)])
    offsets, nothing = torch.zeros(size + 1, dtype=torch.long), torch.zeros(0, dtype=torch.long)
    package.model.shortlist = Shortlist(frequent.unique(), offsets, nothing)
    return package


@pytest.fixture(scope="module")
def lines(toy: Path) -> list[str]:
    return [line for line in (toy / "test.src").read_text().split("\n") if line]


def texts(translator: Translator, lines: list[str]) -> list[str]:
    return [each.text for each in translator.translate(lines)]


SEARCHES: dict[str, dict[str, Any]] = {
    "a beam": {},
    "n best": {"nbest": 3},
    "greedy": {"beam": 1},
    "until nothing is better": {"stop": "bound"},
    "groups": {"beam": 4, "groups": 2, "nbest": 4},
    "no repetition": {"no_repeat_ngram": 2},
    "coverage": {"coverage_beta": 0.2},
    "lines alone": {"batch_invariant": True},
    "samples": {"method": "sample", "beam": 1, "nbest": 2},
    "cut off": {"stop": "ctranslate2"},
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("length", [1, 7])
@pytest.mark.parametrize("shortlist", [False, True])
@pytest.mark.parametrize("asked", SEARCHES.values(), ids=SEARCHES)
def test_every_hypothesis_has_exactly_so_many_pieces(
    package: TranslationPackage, lines: list[str], asked: dict[str, Any], shortlist: bool,
    length: int,
) -> None:  # fmt: skip
    search = replace(SEARCH, shortlist=shortlist, **asked)
    end = package.segmenters.target.eos_id
    translator = TimedTranslator(package, search, CPU, Way(length))
    for translation in translator.translate(lines):
        assert len(translation.candidates) >= 1
        for candidate in translation.candidates:
            assert len(candidate.ids) == length and end not in candidate.ids
            assert candidate.log_prob > -torch.inf


def test_a_fixed_length_takes_the_best_of_that_length(
    package: TranslationPackage, lines: list[str]
) -> None:
    """Two ways to the same: a translation that has the length by itself is found again."""
    search = replace(SEARCH, beam=1)
    plain = Translator(package.model, package.segmenters, search, CPU)
    for line in lines:
        (found,) = plain.translate_together([line])
        length = len(found.candidates[0].ids)
        if not length:
            continue
        fixed = TimedTranslator(package, search, CPU, Way(length))
        (again,) = fixed.translate_together([line])
        assert again.candidates[0].ids == found.candidates[0].ids
        assert again.candidates[0].log_prob == pytest.approx(found.candidates[0].log_prob)


@pytest.mark.parametrize("way", [Way(), Way(side_by_side=False), Way(by_length=False)])
@pytest.mark.parametrize("shortlist", [False, True])
def test_at_natural_lengths_translations_are_those_of_users(
    package: TranslationPackage, lines: list[str], way: Way, shortlist: bool
) -> None:
    search = replace(SEARCH, shortlist=shortlist)
    mine = TimedTranslator(package, search, CPU, way)
    users = Translator(package.model, package.segmenters, search, CPU)
    assert texts(mine, lines) == texts(users, lines)


def test_batches_in_order_hold_every_sentence_once_and_within_the_budget() -> None:
    lengths = np.random.default_rng(1).integers(1, 9, 50)
    batches = list(in_order(lengths, 16))
    assert np.concatenate(batches).tolist() == list(range(50))
    assert all(len(batch) * lengths[batch].max() <= 16 for batch in batches)
    for batch, after in pairwise(batches):
        fuller = [*batch, after[0]]
        assert len(fuller) * lengths[fuller].max() > 16


def test_the_marks_are_what_they_say() -> None:
    low = replace(CPU, dtype=torch.bfloat16)
    setup = Setup(replace(SEARCH, shortlist=True), low, Way(3))
    assert exact(setup) == Setup(replace(SEARCH, shortlist=False), CPU, Way(3))
    quick = fast(setup)
    assert (quick.search, quick.way) == (replace(SEARCH, shortlist=False), Way(3))
    pruned = replace(setup, search=replace(SEARCH, prune=2.0))
    assert fast(pruned).search.prune == exact(pruned).search.prune == 0.0
    assert quick.compute.int8 == has_fast_int8(CPU.device)
    assert exact(quick) == exact(setup)
    assert exact(setup).described() == "float32"


@pytest.mark.skipif(bool(lacks_bytes()), reason=lacks_bytes())
def test_fast_is_what_users_have_by_default() -> None:
    config = ComputeConfig(device="cpu", threads=torch.get_num_threads())
    by_default = Setup(SearchConfig(), prepare(config, training=False), Way())
    assert fast(exact(by_default)) == by_default


def test_works_are_measured_in_every_turn_and_count_their_own_pieces(
    package: TranslationPackage, lines: list[str]
) -> None:
    setup = Setup(SEARCH, CPU, Way())
    made = {"exact": exact(setup).build(package), "other": exact(setup).build(package)}
    found = measure_text(made, lines, 3)
    assert [each.name for each in found.speeds] == ["exact", "other"]
    assert [len(each) for each in found.turns.values()] == [3, 3]
    for each in found.speeds:
        ids = [t.candidates[0].ids for t in found.translations[each.name]]
        assert each.pieces == sum(map(len, ids))
        speed = each.sentences_per_second
        assert 0 < speed.low <= speed.median <= speed.high
        share = each.pieces / len(lines)
        assert each.pieces_per_second.median == pytest.approx(speed.median * share)
    assert texts(made["exact"], lines) == [t.text for t in found.translations["exact"]]


def test_lines_alone_are_timed_once_each(package: TranslationPackage, lines: list[str]) -> None:
    setup = Setup(SEARCH, CPU, Way())
    found, speeds = measure_lines({"exact": exact(setup).build(package)}, lines)
    assert len(speeds["exact"]) == len(lines)
    (told,) = found
    times = told.milliseconds
    assert 0 < times.low <= times.median <= told.milliseconds_90 <= times.high


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (2, 2), (10, 9), (11, 10), (100, 90)])
def test_nine_of_ten_need_at_most_the_ninth_decile(count: int, expected: int) -> None:
    assert ninth_decile(list(range(count, 0, -1))) == expected


def test_ratios_are_of_the_same_turn() -> None:
    speeds = {"one": [2.0, 9.0, 4.0], "two": [1.0, 3.0, 4.0]}
    (found,) = ratios(speeds, ["one"], ["two"])
    assert (found.name, found.other, found.ratio) == ("one", "two", Range(2.0, 1.0, 3.0))


def test_each_change_changes_one_thing(
    package: TranslationPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.bench.changes.has_fast_bf16", lambda device: True)
    setup = Setup(SEARCH, replace(CPU, int8=True), Way())
    for change in CHANGES.values():
        changed = change(setup)
        same = [getattr(changed, name) == getattr(setup, name) for name in vars(setup)]
        assert sorted(same) == [False, True, True]
        changed.build(package)


def test_changes_that_change_nothing_here_are_left_out(
    trained: Path, lines: list[str], package: TranslationPackage
) -> None:
    plain = Setup(replace(SEARCH, beam=1, batch_tokens=512), CPU, Way())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = list(measure_changes(package, plain, lines[:2], 1))
    finally:
        torch.set_num_threads(threads)
    left_out = {
        "float32 products", "bfloat16 products",
        "a beam pruned at 2", "one search at a time, by all threads", "batches of 512 tokens",
        "greedy search (a beam of one)",
    }  # fmt: skip
    assert [each.name for each in found] == [name for name in CHANGES if name not in left_out]
    assert all(each.ratio > 0 < each.sentences_per_second for each in found)


def test_a_shortlist_is_tried_where_there_is_one(
    trained: Path, package: TranslationPackage, lines: list[str]
) -> None:
    name = "a shortlist in place of the whole vocabulary"
    bare = load_package(trained)
    bare.model.shortlist = None
    for each, is_tried in ((package, True), (bare, False)):
        found = measure_changes(each, Setup(SEARCH, CPU, Way()), lines[:2], 1)
        assert (name in [change.name for change in found]) == is_tried
