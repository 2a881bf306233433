"""`nmt bench translate` says what it has measured, or in one line why it cannot."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
BENCH = ("bench", "translate", "run", "test.src", "--threads", "1", "--turns", "2")
MARKS = ["exact", "fast"]


@pytest.fixture(autouse=True)
def texts(here: Path, run: Path) -> None:
    """Work on the toy pair with a trained `run`."""


def test_both_marks_have_a_line_and_what_is_inside_the_clock_is_said(nmt: Command) -> None:
    finished = nmt(*BENCH, "--beam", "3")
    assert (finished.status, finished.err) == (0, "")
    first, machine, inside, _, heads, *rows = finished.out.splitlines()
    assert first == "run: 8 lines of test.src, natural lengths, beam 3"
    assert re.search("torch .*, nmt .*, threads: 1$", machine)
    assert inside.startswith("inside the clock: from lines to translations")
    assert heads.split("  ")[-1].strip() == "target pieces/s"
    assert [row.split()[0] for row in rows[:2]] == MARKS
    number = r"[\d,]+\.\d \([\d,]+\.\d to [\d,]+\.\d\)"
    assert all(re.search(f"{number}  +{number}$", row) for row in rows[:2])
    assert re.fullmatch(r"segmenting and joining: .*% of the time of exact", rows[3])
    assert re.fullmatch(r"fast / exact  \d+\.\d\d \(\d+\.\d\d to \d+\.\d\d\)", rows[5])


def test_json_holds_the_same_and_pieces_are_those_asked_for(nmt: Command) -> None:
    found = json.loads(nmt(*BENCH, "--length", "5", "--format", "json").out)
    assert (found["model"], found["text"], found["lines"]) == ("run", "test.src", 8)
    assert (found["length"], found["beam"], found["threads"], found["turns"]) == (5, 2, 1, 2)
    assert [each["name"] for each in found["speeds"]] == MARKS == list(found["ways"])
    assert [each["pieces"] for each in found["speeds"]] == [40, 40]
    assert {"median", "low", "high"} == set(found["speeds"][0]["pieces_per_second"])
    assert [(each["name"], each["other"]) for each in found["ratios"]] == [("fast", "exact")]
    assert 0 < found["text_share"] < 1


def test_lines_alone_have_a_median_and_ninety_per_cent(nmt: Command) -> None:
    finished = nmt(*BENCH, "--alone")
    assert (finished.status, finished.err) == (0, "")
    assert "\none line at a time\n" in finished.out
    found = json.loads(nmt(*BENCH, "--alone", "--format", "json").out)
    for each in found["latencies"]:
        assert 0 < each["milliseconds"]["median"] <= each["milliseconds_90"]
    assert [each["name"] for each in found["latencies"]] == MARKS


@pytest.mark.slow
def test_each_change_has_a_line(nmt: Command) -> None:
    from nmt.bench.changes import CHANGES

    finished = nmt(*BENCH, "--compare")
    assert (finished.status, finished.err) == (0, "")
    names = [line.split("  ")[-1] for line in finished.out.splitlines()[5:]]
    assert len(names) > 3 and names == [name for name in CHANGES if name in names]
    record = json.loads(nmt(*BENCH, "--compare", "--format", "json").out)
    assert [each["name"] for each in record["changes"]] == names


def test_the_text_may_come_from_standard_input(nmt: Command) -> None:
    given = Path("test.src").read_text()
    finished = nmt("bench", "translate", "run", "--turns", "1", "--threads", "1", stdin=given)
    assert finished.status == 0
    assert "8 lines of standard input" in finished.out


ERRORS = {
    "a length that the model cannot write": (
        ["--length", "64"],
        "--length must be at most 63, all that the model can write beside the end "
        "(model.max_length), not 64",
    ),
    "two ways to measure": (
        ["--alone", "--compare"],
        "--compare and --alone exclude each other; measure one at a time",
    ),
    "changes against another program": (
        ["--compare", "--against", "ctranslate2"],
        "--compare and --against exclude each other; measure one at a time",
    ),
    "weights of nobody": (
        ["--quantization", "int8"],
        "--quantization needs --against ctranslate2, whose weights it is of",
    ),
    "what a mark decides": (
        ["--set", "compute.precision=bf16"],
        "compute.precision is what the marks differ in, exact and fast; leave it out",
    ),
    "what only one mark prunes": (
        ["--set", "search.prune=3"],
        "search.prune is what the marks differ in, exact and fast; leave it out",
    ),
    "what the other mark decides": (
        ["--set", "search.shortlist=true"],
        "search.shortlist is what the marks differ in, exact and fast; leave it out",
    ),
}


@pytest.mark.parametrize(("options", "message"), ERRORS.values(), ids=ERRORS)
def test_what_cannot_be_measured_is_refused_in_one_line(
    nmt: Command, options: list[str], message: str
) -> None:
    assert nmt(*BENCH, *options) == (1, "", f"nmt: {message}\n")


@pytest.mark.parametrize("text", ["", "\n", " \n\n"])
def test_a_text_without_words_is_refused(nmt: Command, text: str) -> None:
    Path("none").write_text(text)
    finished = nmt("bench", "translate", "run", "none")
    assert finished == (1, "", "nmt: none has no line to translate\n")


def test_a_missing_package_is_named_with_its_extra(
    nmt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    finished = nmt(*BENCH, "--against", "ctranslate2")
    assert (finished.status, finished.out) == (1, "")
    assert finished.err.count("\n") == 1
    assert finished.err.endswith("install it: pip install 'nmt[ctranslate2]'\n")


class TestAgainstCTranslate2:
    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        pytest.importorskip("ctranslate2", reason="pip install 'nmt[ctranslate2]'")

    def test_both_types_of_weights_are_measured_beside_both_marks(self, nmt: Command) -> None:
        finished = nmt(*BENCH, "--against", "ctranslate2")
        assert (finished.status, finished.err) == (0, "")
        pairs = re.findall("^(exact|fast) / (ctranslate2 [a-z0-9]+)  ", finished.out, re.M)
        others = ["ctranslate2 float32", "ctranslate2 int8"]
        assert pairs == [(mark, other) for mark in MARKS for other in others]

    def test_one_type_alone_at_a_fixed_length(self, nmt: Command) -> None:
        options = ("--against", "ctranslate2", "--quantization", "int8", "--format", "json")
        found = json.loads(nmt(*BENCH, *options, "--length", "6").out)
        assert [each["name"] for each in found["speeds"]] == [*MARKS, "ctranslate2 int8"]
        assert {each["pieces"] for each in found["speeds"]} == {48}
        assert found["ways"]["ctranslate2 int8"].startswith("version ")

    def test_lines_alone(self, nmt: Command) -> None:
        options = ("--against", "ctranslate2", "--alone", "--format", "json")
        found = json.loads(nmt(*BENCH, *options).out)
        assert len(found["latencies"]) == 4 == len(found["ratios"])

    def test_a_search_that_it_does_not_do_is_refused(self, nmt: Command) -> None:
        options = ("--against", "ctranslate2", "--set", "search.no_repeat_ngram=3")
        finished = nmt(*BENCH, *options)
        assert (finished.status, finished.out) == (1, "")
        assert "search.no_repeat_ngram = 3" in finished.err and finished.err.count("\n") == 1

    def test_our_threads_stay_as_many_as_they_were(self, nmt: Command) -> None:
        import torch

        before = torch.get_num_threads()
        try:
            arguments = [each if each != "1" else "2" for each in BENCH]
            found = json.loads(nmt(*arguments, "--against", "ctranslate2", "--format", "json").out)
            assert (found["threads"], torch.get_num_threads()) == (2, 2)
        finally:
            torch.set_num_threads(before)

    @pytest.mark.parametrize("alone", [False, True])
    def test_at_natural_lengths_it_translates_as_by_its_own_command(
        self, nmt: Command, alone: bool
    ) -> None:
        from nmt.bench.contest import contest
        from nmt.bench.marks import Setup
        from nmt.bench.translators import Way
        from nmt.cli.translate import load_parts

        package, asked, compute = load_parts("run", {})
        lines = [line for line in Path("test.src").read_text().split("\n") if line]
        setup = Setup(asked.search, compute, Way())
        with contest("run", package, setup, ["float32"], alone) as entered:
            theirs = entered.translators["ctranslate2 float32"]
            made = [each.text for line in lines for each in theirs.translate([line])]
        own = nmt("translate", "run", "test.src", "--engine", "ctranslate2").out.split("\n")
        assert made == [line for line in own if line]
