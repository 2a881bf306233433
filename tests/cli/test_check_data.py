"""`nmt check data` end to end, and what `nmt clean` and `nmt train` make of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

PAIRS = [
    ("A house.", "Ein Haus."),
    ("", "Leer."),
    ("A house.", "Ein Haus."),
    ("A\x07 bell.", "Eine Glocke."),
    ("Berlin", "Berlin"),
    ("A large tree.", "GroÃŸer Baum."),
    ("A dog barks at the postman.", "Ein Hund bellt den Briefträger an."),
    ("The cat sleeps.", "Die Katze schläft."),
]
TWO = ("check", "data", "--source", "a.en", "--target", "a.de")


@pytest.fixture(autouse=True)
def texts(nmt: Command) -> None:
    write("a.en", [source for source, _ in PAIRS])
    write("a.de", [target for _, target in PAIRS])
    write("a.tsv", ["\t".join(pair) for pair in PAIRS])
    write("test.en", ["Nothing.", "the cat  sleeps."])
    write("test.de", ["Nichts.", "Die Katze schlief."])


def write(name: str, lines: list[str]) -> None:
    Path(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def test_counts_and_examples_are_printed(nmt: Command) -> None:
    finished = nmt(*TWO)
    assert finished.status == 0
    assert finished.out.startswith("8 pairs\n\nempty: 1 line (12.50%), a side without text\n")
    assert "  line 3: the same as line 1\n    'A house.'\n    'Ein Haus.'\n" in finished.out
    assert "  line 6: target: 'ÃŸ' stands for 'ß' at character 4\n" in finished.out
    assert "\nnothing found: drift, " in finished.out
    assert finished.out.endswith("note: drift is looked for in 400 pairs or more\n")


def test_json_holds_the_same_for_every_form_of_input(nmt: Command) -> None:
    one = nmt(*TWO, "--format", "json")
    table = json.loads(one.out)
    counts = {kind: found["count"] for kind, found in table["kinds"].items() if found["count"]}
    assert counts == {"empty": 1, "control": 1, "mojibake": 1, "identical": 1, "duplicate": 1}
    assert table["kinds"]["duplicate"]["examples"] == [
        {"kind": "duplicate", "number": 3, "detail": "the same as line 1", "source": "A house.",
         "target": "Ein Haus.", "last": 0}
    ]  # fmt: skip
    other = nmt("check", "data", "--tsv", "--source", "a.tsv", "--format", "json")
    assert other.out == one.out


def test_test_sets_are_named_by_options_or_by_settings(nmt: Command) -> None:
    options = ("--test-source", "test.en", "--test-target", "test.de")
    for named in (options, ("--test", "test.en", "--test", "test.de"), ("--dev-source", "test.en")):
        assert "  line 8: the source is test.en, line 2\n" in nmt(*TWO, *named).out
    Path("my.toml").write_text('[data]\ntest = ["test.en"]\n')
    finished = nmt(*TWO, "--config", "my.toml", "--dev-source", "test.en", "--format", "json")
    table = json.loads(finished.out)
    assert table["kinds"]["overlap"]["count"] == 1
    assert len(table["notes"]) == 1  # of drift: a text has nothing in common with itself


def test_sets_that_share_lines_are_noted(nmt: Command) -> None:
    write("dev.en", ["The cat sleeps."])
    finished = nmt(*TWO, "--dev-source", "dev.en", "--test-source", "test.en")
    assert "note: lines that test.en has in common with dev.en: 1\n" in finished.out


def test_what_is_found_can_be_dropped(nmt: Command) -> None:
    found = nmt(*TWO, "--test", "test.en", "--faults", "faults.tsv")
    assert found.status == 0
    outputs = ("--output-source", "b.en", "--output-target", "b.de", "--reasons", "why.tsv")
    finished = nmt("clean", "a.en", "a.de", *outputs, "--faults", "faults.tsv")
    assert finished.status == 0
    assert Path("b.en").read_text() == f"{PAIRS[0][0]}\n{PAIRS[6][0]}\n"
    reasons = [line.split("\t")[:3] for line in Path("why.tsv").read_text().splitlines()]
    assert reasons[-1] == ["8", "overlap", "the source is test.en, line 2"]
    assert ["overlap", "1", "12.5%"] in [line.split() for line in finished.err.splitlines()]


def test_a_list_of_faults_of_another_text_is_refused(nmt: Command) -> None:
    assert nmt(*TWO, "--test", "test.en", "--faults", "faults.tsv").status == 0
    write("a.en", [source for source, _ in reversed(PAIRS)])
    outputs = ("--output-source", "b.en", "--output-target", "b.de", "--reasons", "why.tsv")
    finished = nmt("clean", "a.en", "a.de", *outputs, "--faults", "faults.tsv")
    assert finished.status == 1
    assert "nmt: the list of faults has another text in line " in finished.err
    assert not Path("b.en").exists()
    write("faults.tsv", ["7"])
    finished = nmt("clean", "a.en", "a.de", *outputs, "--faults", "faults.tsv")
    assert (finished.status, finished.err.count("\n")) == (1, 1)
    assert "faults.tsv, line 1: no line number, kind, detail" in finished.err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--source", "a.en"), 2, "give SOURCE and TARGET, or --tsv and one file"),
        (("--source", "none", "--target", "a.de"), 1, "nmt: cannot read none: No such file"),
        (("--source", "a.en", "--target", "test.de"), 1, "nmt: a.en has 8 lines but test.de has 2"),
        ((*TWO[2:], "--test", "none"), 1, "nmt: cannot read none: No such file"),
        ((*TWO[2:], "--segmenter", "a.en"), 1, "nmt: a.en is not a SentencePiece model"),
        ((*TWO[2:], "--target-segmenter", "x"), 2, "--target-segmenter goes with --segmenter"),
        ((*TWO[2:], "--faults", "none/x"), 1, "nmt: "),
        ((*TWO[2:], "--max-pieces", "0"), 1, "nmt: encode.max_pieces must be at least 1, not 0"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    nmt: Command, arguments: tuple[str, ...], status: int, message: str
) -> None:
    finished = nmt("check", "data", *arguments)
    assert (finished.status, finished.out) == (status, "")
    assert message in finished.err


def test_a_segmenter_says_what_it_cannot_spell(nmt: Command, toy: Path) -> None:
    write("b.src", [*["a b"] * 3, "☃ a", "a " * 40])
    finished = nmt(
        "check", "data", "--source", "b.src", "--target", "b.src",
        "--segmenter", str(toy / "joint.model"), "--max-pieces", "30", "--format", "json",
    )  # fmt: skip
    kinds = json.loads(finished.out)["kinds"]
    assert "'☃' (U+2603)" in kinds["uncovered"]["examples"][0]["detail"]
    assert [each["number"] for each in kinds["truncation"]["examples"]] == [5]
    assert "pieces, at most 30 are kept" in kinds["truncation"]["examples"][0]["detail"]


def test_training_on_lines_of_a_test_set_is_refused_unless_allowed(
    nmt: Command, here: Path
) -> None:
    known = Path("train.src").read_text().splitlines()[6]
    write("leaked", ["never seen", f" {known.upper()} "])
    train = ("train", "--config", "toy.toml", "--output", "run", "--max-updates", "2")
    refused = nmt(*train, "--test", "leaked")
    assert (refused.status, refused.err.count("\n")) == (1, 1)
    assert f"in a test set (the first: {known!r}, leaked, line 2)" in refused.err
    assert "--allow-overlap" in refused.err
    assert not Path("run").exists()
    assert nmt(*train, "--test", "leaked", "--allow-overlap").status == 0
    write("fresh", ["never seen"])
    assert nmt(*train, "--existing", "replace", "--test", "fresh").status == 0
    assert "cannot read none" in nmt(*train, "--existing", "replace", "--test", "none").err
