"""Cleaning keeps or records every pair, and writes all files or none."""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import ConfigError, DataError
from nmt.text.clean import (
    REASONS,
    Dropped,
    Kept,
    clean_pairs,
    spell,
    summary,
    write_cleaned,
)
from nmt.text.config import CleanConfig
from nmt.text.lines import read_lines, read_pairs, read_tsv

LINE = st.text("ab \t\r\ufffd", max_size=4)
PAIRS = st.lists(st.tuples(LINE, LINE), max_size=8)
OFF = CleanConfig(
    drop_control=False,
    drop_identical=False,
    drop_duplicates=False,
    min_words=0,
    max_words=0,
    max_characters=0,
    max_word_ratio=0.0,
    max_character_ratio=0.0,
)


@given(pairs=PAIRS)
def test_every_pair_is_kept_or_recorded_in_order(pairs: list[tuple[str, str]]) -> None:
    results = list(clean_pairs(pairs, CleanConfig()))
    assert [result.number for result in results] == list(range(1, len(pairs) + 1))
    assert [(result.source, result.target) for result in results] == pairs
    dropped = [result for result in results if isinstance(result, Dropped)]
    assert all(result.reason in REASONS and result.detail for result in dropped)


@given(pairs=PAIRS)
def test_cleaning_twice_drops_nothing_more(pairs: list[tuple[str, str]]) -> None:
    once = kept(pairs, CleanConfig())
    assert kept(once, CleanConfig()) == once


@given(pairs=PAIRS)
def test_a_config_without_rules_drops_the_empty_alone(pairs: list[tuple[str, str]]) -> None:
    assert kept(pairs, OFF) == [pair for pair in pairs if pair[0].strip() and pair[1].strip()]


@given(pairs=st.lists(st.tuples(st.text("ab", min_size=1), st.text("AB", min_size=1)), max_size=9))
def test_of_equal_pairs_the_first_is_kept(pairs: list[tuple[str, str]]) -> None:
    config = CleanConfig(max_word_ratio=0.0, max_character_ratio=0.0)
    assert kept(pairs, config) == list(dict.fromkeys(pairs))


def kept(pairs: list[tuple[str, str]], config: CleanConfig) -> list[tuple[str, str]]:
    results = clean_pairs(pairs, config)
    return [(result.source, result.target) for result in results if isinstance(result, Kept)]


def test_the_first_rule_that_objects_gives_the_reason() -> None:
    pairs = [("\t", ""), ("a\t", "a\t"), ("a", "a"), ("a", "b"), ("a", "b")]
    reasons = [getattr(result, "reason", "kept") for result in clean_pairs(pairs, CleanConfig())]
    assert reasons == ["empty", "control", "identical", "kept", "duplicate"]


def test_pairs_are_judged_as_they_come() -> None:
    endless = (("a", str(number)) for number in itertools.count())
    assert next(clean_pairs(endless, CleanConfig())) == Kept(1, "a", "0")


def test_two_files_and_one_hold_the_same_pairs(tmp_path: Path) -> None:
    results = [Kept(1, "a", "b"), Dropped(2, "empty", "why", "", "c"), Kept(3, "d", "e")]
    two = [tmp_path / "source.gz", tmp_path / "target"]
    counts = write_cleaned(results, two, tmp_path / "reasons")
    assert counts == {"kept": 2, "empty": 1}
    assert write_cleaned(results, [tmp_path / "both"], tmp_path / "reasons.xz") == counts
    assert list(read_pairs(*two)) == list(read_tsv(tmp_path / "both")) == [("a", "b"), ("d", "e")]
    assert list(read_lines(tmp_path / "reasons")) == ["2\tempty\twhy\t\tc"]
    assert list(read_lines(tmp_path / "reasons.xz")) == ["2\tempty\twhy\t\tc"]


def test_a_failure_midway_leaves_every_old_file(tmp_path: Path) -> None:
    def results() -> Iterator[Kept]:
        yield Kept(1, "a", "b")
        raise DataError("the text ends badly")

    paths = [tmp_path / name for name in ("source", "target", "reasons")]
    for path in paths:
        path.write_text("old")
    with pytest.raises(DataError, match="the text ends badly"):
        write_cleaned(results(), paths[:2], paths[2])
    assert [path.read_text() for path in paths] == ["old"] * 3
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_one_output_that_cannot_be_written_leaves_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot write .*none/target: No such file"):
        write_cleaned([], [tmp_path / "source", tmp_path / "none" / "target"], tmp_path / "why")
    assert not list(tmp_path.iterdir())


def test_outputs_that_share_a_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "text"
    with pytest.raises(ConfigError, match=r"two outputs would be written to .*text; give each"):
        write_cleaned([], [path, tmp_path / "target"], f"{tmp_path}/./text")
    with pytest.raises(ConfigError, match="two outputs would be written to -;"):
        write_cleaned([], ["-", "-"], path)
    assert write_cleaned([], ["/dev/null", "/dev/null"], path) == {}


@given(source=st.text("ab\\\t\rtr"), target=st.text("ab\\\t\rtr"))
def test_the_texts_can_be_read_back_from_the_reasons(source: str, target: str) -> None:
    columns = spell(Dropped(7, "control", "why", source, target)).split("\t")
    assert columns[:3] == ["7", "control", "why"]
    plain = [column.encode("ascii").decode("unicode_escape") for column in columns[3:]]
    assert plain == [source, target]


def test_the_summary_counts_all_reasons_in_order() -> None:
    counts = Counter(kept=1500, duplicate=300, empty=200)
    assert summary(counts) == [
        "empty                    200   10.0%",
        "duplicate                300   15.0%",
        "kept                   1,500   75.0%",
    ]
    assert summary(Counter()) == []
