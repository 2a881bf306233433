"""Pairs are read in order, alone as in a batch; what is found is read as it was found."""

from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.alignment.head import Head, default_head
from nmt.errors import CheckpointError, ConfigError
from nmt.experiment import read_experiment
from nmt.forced.reader import Pair, Reader, Unfit
from nmt.forced.reading import Details, Reading, check_head, read_pairs
from nmt.model.compute import Compute
from nmt.model.directory import Package, load_package
from nmt.search.config import SearchConfig
from nmt.text.lines import read_lines
from nmt.text.segmenter import Cut
from nmt.translate import Candidate, Translation, Translator

CPU = Compute(torch.device("cpu"), torch.float32)
HEAD = Head(0, None, "predicts")


@pytest.fixture(scope="module")
def package(trained: Path) -> Package:
    return load_package(trained)


@pytest.fixture(scope="module")
def search(package: Package) -> SearchConfig:
    return read_experiment(package.settings).search


@pytest.fixture
def reader(package: Package, search: SearchConfig) -> Reader:
    return Reader(package.model, package.segmenters, search, CPU)


@pytest.fixture(scope="module")
def rows(toy: Path) -> list[tuple[str, str]]:
    sides = (read_lines(toy / f"test.{side}") for side in ("src", "tgt"))
    return list(zip(*sides, strict=True))


def fitting(reader: Reader, rows: list[tuple[str, str]]) -> list[Pair]:
    pairs = [each for each in reader.cut(rows, 1, known=True) if isinstance(each, Pair)]
    assert len(pairs) == len(rows)
    return pairs


def same(mine: Reading, expected: Reading) -> None:
    assert (mine.pieces, mine.source_pieces) == (expected.pieces, expected.source_pieces)
    assert mine.log_probs == pytest.approx(expected.log_probs, abs=1e-4)
    assert mine.score == pytest.approx(expected.score, abs=1e-4)
    assert mine.links == expected.links


@pytest.mark.parametrize("batch_tokens", [1, 30, 4096])
def test_a_pair_is_read_alike_whatever_is_read_with_it(
    package: Package, search: SearchConfig, rows: list[tuple[str, str]], batch_tokens: int
) -> None:
    settings = SearchConfig(batch_tokens=batch_tokens, length_alpha=search.length_alpha)
    reader = Reader(package.model, package.segmenters, settings, CPU)
    pairs = fitting(reader, rows)
    together = read_pairs(reader, pairs, HEAD)
    for pair, reading in zip(pairs, together, strict=True):
        (alone,) = read_pairs(reader, [pair], HEAD)
        same(alone, reading)
    assert len({each.log_probs for each in together}) > 5


@pytest.mark.parametrize(("method", "coverage"), [("beam", 0.0), ("sample", 0.0), ("beam", 0.3)])
def test_what_is_found_has_the_log_probability_and_the_score_that_search_gave(
    package: Package, rows: list[tuple[str, str]], method: str, coverage: float
) -> None:
    beam: dict[str, Any] = {"beam": 3} if method == "beam" else {"beam": 1, "method": "sample"}
    if coverage:
        beam["coverage_beta"] = coverage
    search = SearchConfig(**beam, nbest=3, length_alpha=0.7, length_penalty="gnmt")
    translator = Translator(package.model, package.segmenters, search, CPU)
    reader = Reader(package.model, package.segmenters, search, CPU)
    found = translator.translate_together([source for source, _ in rows])
    told = Details(reader, HEAD).of(found, 1)
    for translation, readings in zip(found, told, strict=True):
        for one, reading in zip(translation.candidates, readings, strict=True):
            assert reading.log_prob == pytest.approx(one.log_prob, abs=1e-3)
            assert reading.score == pytest.approx(one.score, abs=1e-3)
            assert sum(reading.log_probs) == pytest.approx(reading.log_prob)
            join = package.segmenters.target.join
            assert join(list(reading.pieces[:-1])) == one.text


def test_a_given_translation_is_read_as_a_found_one(
    reader: Reader, rows: list[tuple[str, str]]
) -> None:
    given = read_pairs(reader, fitting(reader, rows), HEAD)
    encode = reader.segmenters.target.encode
    cut = [(source, target, tuple(encode(target))) for source, target in rows]
    found = [
        Translation(source, (Candidate(target, 0.0, 0.0, ids, len(ids) + 1),))
        for source, target, ids in cut
    ]
    for mine, (expected,) in zip(given, Details(reader, HEAD).of(found, 1), strict=True):
        same(mine, expected)


def test_empty_pairs_are_certain_and_an_empty_translation_is_not(reader: Reader) -> None:
    (nothing, something) = read_pairs(reader, fitting(reader, [("", ""), ("ab", "")]), HEAD)
    assert nothing == Reading(links=frozenset())
    assert something.pieces == ("</s>",)
    assert something.log_prob < 0
    assert something.links == frozenset()
    assert read_pairs(reader, [], None) == []


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("ab " * 60, "mn"), r"the source has \d+ pieces, but the model can read at most 63 "),
        (("ab", "mn " * 60), r"the target has \d+ pieces, but the model can write at most 63 "),
        (("ab", "mn 日本 x"), r"the target holds '日本', which the model lacks$"),
        (("", "mn"), r"the target has text but the source has none, which is never translated$"),
    ],
    ids=["source", "target", "characters", "empty"],
)
def test_what_cannot_be_scored_is_told_by_number(
    reader: Reader, row: tuple[str, str], reason: str
) -> None:
    _, unfit, _ = reader.cut([("ab", "mn"), row, ("", "")], 7, known=True)
    assert isinstance(unfit, Unfit)
    assert str(unfit).startswith("line 8: ")
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(unfit.reason)


def test_words_can_be_linked_where_probabilities_mean_nothing(reader: Reader) -> None:
    pairs = reader.cut([("", "mn"), ("ab 日本", "mn 日本"), ("ab", "")], 1)
    readings = read_pairs(reader, [each for each in pairs if isinstance(each, Pair)], HEAD)
    assert len(readings) == 3
    assert [bool(each.links) for each in readings] == [False, True, False]


def test_nothing_is_told_of_a_line_that_was_translated_in_parts(
    package: Package, search: SearchConfig
) -> None:
    lines = ["ab " * 99, "ab"]
    translator = Translator(package.model, package.segmenters, search, CPU)
    found = translator.translate_together(lines)
    reader = Reader(package.model, package.segmenters, search, CPU)
    (long,), (short,) = Details(reader, HEAD).of(found, 1)
    assert long == Reading(links=frozenset())
    assert short.log_prob == pytest.approx(found[1].candidates[0].log_prob, abs=1e-3)


def test_a_line_end_that_a_model_wrote_is_a_space_between_words(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Cut("a\nb", (4,), ("x",), ((0, 3),))
    monkeypatch.setattr(type(reader.segmenters.target), "cut_ids", lambda *_: broken)
    found = Translation("ab", (Candidate("a b", 0.0, 0.0, (4,), 2),))
    ((pair,),) = reader.found([found], 1)
    assert pair.target.text == "a b"


def test_heads_are_counted_and_checked(reader: Reader) -> None:
    assert reader.heads() == [2]
    assert check_head(None, [2]) == default_head([2])
    assert check_head(Head(0, 1, "reads"), [2]) == Head(0, 1, "reads")


@pytest.mark.parametrize(
    ("head", "heads", "message"),
    [
        (None, [None, None], "^alignment needs weights of attention, but .* gives none$"),
        (Head(2, 0, "reads"), [2, 2], "^layer 2 is asked for .* are 0 to 1$"),
        (Head(1, 0, "reads"), [2, None], "^layer 1 of this model's cross-attention gives no "),
        (Head(0, 2, "reads"), [2, 2], "^head 2 is asked for .* layer 0 are 0 to 1$"),
    ],
)
def test_heads_that_are_not_there_are_refused(
    head: Head | None, heads: list[int | None], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_head(head, heads)


def test_weights_that_are_not_numbers_are_told(
    trained: Path, search: SearchConfig, rows: list[tuple[str, str]]
) -> None:
    package = load_package(trained)
    next(package.model.parameters()).data.fill_(float("nan"))
    reader = Reader(package.model, package.segmenters, search, CPU)
    with pytest.raises(CheckpointError, match=r"^line \d has no finite probability: the model's"):
        read_pairs(reader, fitting(reader, rows), None)


def test_tags_stand_before_the_source(package: Package, search: SearchConfig) -> None:
    piece = package.segmenters.source.pieces("ab")[0]
    tagged = SearchConfig(source_tag=(piece,))
    reader = Reader(package.model, package.segmenters, tagged, CPU)
    (reading,) = read_pairs(reader, fitting(reader, [("ab de", "mn")]), HEAD)
    assert reading.source_pieces[0] == piece
    assert reading.source_pieces[1:-1] == tuple(package.segmenters.source.pieces("ab de"))
    plain = Reader(package.model, package.segmenters, search, CPU)
    (other,) = read_pairs(plain, fitting(plain, [("ab de", "mn")]), HEAD)
    assert other.log_prob != pytest.approx(reading.log_prob, abs=1e-3)
    many = SearchConfig(source_tag=(piece,) * 63)
    with pytest.raises(ConfigError, match="leaves no room for text"):
        Reader(package.model, package.segmenters, many, CPU)
