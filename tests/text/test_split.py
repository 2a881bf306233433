"""A split loses no pair in silence, and training sees no side of what is set apart."""

import logging
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import ConfigError, DataError
from nmt.settings import build
from nmt.text import split
from nmt.text.config import SplitConfig
from nmt.text.lines import read_lines, read_pairs
from nmt.text.split import (
    DROPPED,
    PARTS,
    REASONS,
    candidate,
    key_of,
    lowest,
    refuse_streams,
    split_pairs,
)

Pair = tuple[str, str]

DISTINCT = [(f"source line {number}", f"target line {number}") for number in range(50)]
SMALL = SplitConfig(dev=2, test=3)
NUMBERS = st.integers(0, 12)
SOURCES = st.builds("{} line  {}".format, st.sampled_from(["Source", "source", "SOURCE"]), NUMBERS)
TARGETS = st.builds("{} line {}".format, st.sampled_from(["target", "ｔarget", "Target"]), NUMBERS)
SHARING = st.lists(st.tuples(SOURCES | st.just(" "), TARGETS | st.just("")), max_size=30)
RECORD = "dropped"


def mixed(sharing: list[Pair], seed: int) -> list[Pair]:
    """Strew pairs that share a side among pairs that share none."""
    return random.Random(seed).sample([*DISTINCT, *sharing], len(DISTINCT) + len(sharing))


PAIRS = st.builds(mixed, SHARING, st.integers(0, 99))


@pytest.fixture(autouse=True, scope="module")
def hurried() -> Iterator[None]:
    """Spare hundreds of examples the wait for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


def run(pairs: list[Pair], config: SplitConfig = SMALL) -> dict[str, list[Any]]:
    """Split pairs, and read all that was written: a list of pairs a set, rows of the record."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "parts"
        counts = split_pairs(lambda: iter(pairs), folder, config)
        found: dict[str, list[Any]] = {
            name: list(read_pairs(folder / f"{name}.source", folder / f"{name}.target"))
            for name in PARTS
            if (folder / f"{name}.source").exists()
        }
        found[RECORD] = [line.split("\t") for line in read_lines(folder / DROPPED)]
        told = Counter({name: len(found[name]) for name in PARTS if name in found})
        assert counts == told + Counter(row[1] for row in found[RECORD])
        assert len(list(folder.iterdir())) == 2 * len(told) + 1
    return found


def keys(pairs: list[Pair], side: int) -> list[str]:
    return [key_of(pair[side]) for pair in pairs]


@given(pairs=PAIRS)
def test_every_pair_is_in_one_place_and_order_is_kept(pairs: list[Pair]) -> None:
    found = run(pairs)
    dropped = [tuple(row[3:]) for row in found[RECORD]]
    everything = Counter(dropped)
    for name in PARTS:
        everything += Counter(found[name])
        places = iter(pairs)
        assert all(pair in places for pair in found[name])  # a subsequence
    assert everything == Counter(pairs)
    assert [pairs[int(row[0]) - 1] for row in found[RECORD]] == dropped


@given(pairs=PAIRS)
def test_training_holds_no_side_of_what_is_set_apart(pairs: list[Pair]) -> None:
    found = run(pairs)
    held_out = found["dev"] + found["test"]
    assert (len(found["dev"]), len(found["test"])) == (SMALL.dev, SMALL.test)
    for side in (0, 1):
        assert not set(keys(held_out, side)) & set(keys(found["train"], side))
        assert len(set(keys(held_out, side))) == len(held_out)


@given(pairs=PAIRS)
def test_each_reason_is_true(pairs: list[Pair]) -> None:
    found = run(pairs)
    for _, reason, detail, *pair in found[RECORD]:
        side = REASONS.index(reason)
        name = next(name for name in PARTS if f" {name} " in detail)
        assert key_of(pair[side]) in keys(found[name], side)


@given(pairs=PAIRS, seed=st.integers(0, 9))
def test_the_choice_does_not_depend_on_the_order(pairs: list[Pair], seed: int) -> None:
    config = SplitConfig(dev=2, test=3, seed=seed)
    here, there = run(pairs, config), run(sorted(pairs), config)
    assert {name: sorted(here[name]) for name in PARTS} == {
        name: sorted(there[name]) for name in PARTS
    }


@given(pairs=PAIRS, size=st.integers(1, 8))
def test_the_lowest_candidates_are_those_of_a_full_sort(pairs: list[Pair], size: int) -> None:
    best: dict[str, split.Candidate] = {}
    full = [pair for pair in pairs if all(map(str.strip, pair))]
    for each in sorted((candidate(*pair, seed=1) for pair in full), reverse=True):
        best[key_of(each.source)] = each
    assert lowest(pairs, 1, size) == (sorted(best.values())[:size], len(full))


def test_the_seed_chooses_the_pairs() -> None:
    seeds = [run(DISTINCT, SplitConfig(dev=2, test=3, seed=seed)) for seed in (1, 1, 2)]
    assert seeds[0] == seeds[1]
    assert seeds[0]["test"] != seeds[2]["test"]


def test_the_test_set_outlives_a_change_of_dev() -> None:
    assert run(DISTINCT)["test"] == run(DISTINCT, SplitConfig(dev=9, test=3))["test"]


def test_a_set_of_no_pairs_has_no_files() -> None:
    assert set(run(DISTINCT, SplitConfig(dev=0, test=3))) == {"train", "test", RECORD}
    assert set(run(DISTINCT, SplitConfig(dev=3, test=0))) == {"train", "dev", RECORD}


def test_single_words_are_set_apart_last_and_empty_sides_never(
    caplog: pytest.LogCaptureFixture,
) -> None:
    words = [(f"a{number}", f"b {number}") for number in range(10)]
    empty = [("", "leer leer"), ("void void", " ")] * 9
    found = run([*words, *empty, *DISTINCT[:4]])
    assert set(DISTINCT[:4]) < {*found["dev"], *found["test"]} < {*DISTINCT[:4], *words}
    assert caplog.messages == [
        "1 of the 5 pairs set apart have a side of a single word, for want of others"
    ]
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        run([*words, *DISTINCT])
    assert caplog.messages == []


def test_letters_of_a_script_without_spaces_are_words() -> None:
    assert not candidate("保存文件", "ファイルを保存", 1).one_word
    assert candidate("保存文件", "Save", 1).one_word


def test_candidates_that_share_targets_make_room_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    same = [(f"many sources {number}", "one target") for number in range(300)]
    pairs = random.Random(1).sample([*same, *DISTINCT], 350)
    config = SplitConfig(dev=8, test=8)
    little = run(pairs, config)
    monkeypatch.setattr(split, "SPARE", 99)
    assert little == run(pairs, config)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Save  the\u3000file ", "save the FILE", True),
        ("Straße", "STRASSE", True),
        ("ｆｕｌｌ ７", "full 7", True),
        ("cafe\u0301", "caf\u00e9", True),
        ("page 7", "page 8", False),
        ("page 7", "page7", False),
        ("Save.", "Save", False),
    ],
)
def test_lines_are_compared_without_case_and_spaces(one: str, other: str, same: bool) -> None:
    assert (key_of(one) == key_of(other)) is same


def test_what_can_be_read_once_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").touch()
    refuse_streams([tmp_path / "text", tmp_path / "none", tmp_path])
    for path, name in (("-", "standard input"), (tmp_path / "pipe", tmp_path / "pipe")):
        with pytest.raises(DataError) as refused:
            refuse_streams([tmp_path / "text", path])
        assert str(refused.value) == (
            f"{name} can be read only once, but a split reads its text twice; "
            "save it to a file and name that"
        )


@pytest.mark.parametrize(
    ("pairs", "config", "message"),
    [
        (
            [*DISTINCT, ("", "x y")],
            SplitConfig(dev=10, test=15),
            "split.dev + split.test = 25, but the text has 50 pairs with both sides, and more "
            "than half must be left to train on; lower --dev or --test",
        ),
        (
            [*DISTINCT[:3], *((f"more sources {number}", "one target") for number in range(50))],
            SMALL,
            "split.dev + split.test = 5, but only 4 pairs were found that share no side with one "
            "another; lower --dev or --test",
        ),
        (
            [*DISTINCT[:8], *[DISTINCT[0]] * 30, *[DISTINCT[1]] * 30],
            SplitConfig(dev=3, test=5),
            "only 0 pairs would be left to train on, as 60 share a side with one of the 8 that "
            "are set apart; lower --dev or --test",
        ),
    ],
    ids=["many", "shared", "little"],
)
def test_a_split_that_leaves_too_little_is_refused_and_leaves_nothing(
    tmp_path: Path, pairs: list[Pair], config: SplitConfig, message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        split_pairs(lambda: iter(pairs), tmp_path / "parts", config)
    assert str(refused.value) == message
    assert not list(tmp_path.iterdir())


def test_a_text_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    texts = iter([DISTINCT, DISTINCT[:3]])
    with pytest.raises(DataError, match="the text changed while it was read; split it again"):
        split_pairs(lambda: next(texts), tmp_path / "parts", SMALL)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("mine")
    with pytest.raises(DataError, match="exists already; choose another name or remove it"):
        split_pairs(lambda: iter(DISTINCT), tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dev": -1}, "split.dev must be 0 or more, not -1"),
        ({"test": -1}, "split.test must be 0 or more, not -1"),
        ({"dev": 0, "test": 0}, "split.dev and split.test are both 0; at least one must be above"),
    ],
)
def test_sizes_that_make_no_split_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        build(SplitConfig, settings, "split")
    assert str(refused.value) == message
