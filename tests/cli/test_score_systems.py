"""`nmt score` with several systems, parts of the test set, single lines, pages and COMET."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

LINES = {
    "ref": ["the cat sat on the mat today.", "hello, world!", "here is the third line.", "no."],
    "base": ["a cat sat on the mat today.", "hello world!", "here is a third line.", "now."],
    "new": ["the cat sits on a mat today.", "hello, worlds!", "here is the third line.", "no."],
    "src": ["the cat and zebra", "the cat", "the", "zebra"],
    "docs": ["one", "one", "two", "two"],
    "train": ["the cat", *["the"] * 20],
}


@pytest.fixture(autouse=True)
def texts(nmt: Command) -> None:
    """Write all texts into the folder where commands run."""
    for name, lines in LINES.items():
        Path(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def sacrebleu(*arguments: str) -> str:
    """Run sacreBLEU's own command."""
    return subprocess.run(
        [sys.executable, "-m", "sacrebleu", *arguments], check=True, capture_output=True, text=True
    ).stdout


def test_quiet_numbers_are_those_of_the_command(nmt: Command) -> None:
    printed = sacrebleu(
        "ref", "-i", "base", "-b", "-w", "9", "-m", "bleu", "chrf", "ter", "-f", "text"
    )
    metrics = ["--metric", "bleu", "--metric", "chrf", "--metric", "ter"]
    done = nmt("score", "base", "--ref", "ref", "-q", "--width", "9", *metrics)
    assert (done.status, done.out.split()) == (0, printed.split())


def test_the_interval_is_that_of_the_command(nmt: Command) -> None:
    printed = sacrebleu("ref", "-i", "base", "-m", "chrf", "-ci", "-w", "4", "-f", "text", "-nc")
    done = nmt("score", "base", "--ref", "ref", "--metric", "chrf", "--confidence", "--width", "4")
    spread = printed[printed.index("(") :].strip()
    assert f"{spread}  nrefs:1|bs:1000|seed:12345|" in done.out


def test_systems_stand_side_by_side_with_p_values(nmt: Command) -> None:
    done = nmt("score", "base", "new", "--ref", "ref", "--metric", "chrf")
    head, first, second, *_ = done.out.splitlines()
    assert (done.status, done.err) == (0, "intervals and p-values of only 4 lines say little\n")
    assert head.split() == ["system", "chrF2", "μ", "±", "95", "%", "p"]
    assert (first.split()[0], second.split()[0]) == ("base", "new")
    assert done.out.endswith("p  paired bootstrap against base, 1,000 samples\n")


def test_the_first_system_is_what_others_are_compared_with(nmt: Command) -> None:
    flags = ["--paired", "randomisation", "--samples", "50", "--format", "json"]
    forth, back = (
        json.loads(nmt("score", *names, "--ref", "ref", *flags).out)
        for names in (["base", "new"], ["new", "base"])
    )
    assert forth["systems"][1]["scores"][0]["p_value"] == back["systems"][1]["scores"][0]["p_value"]
    assert forth["test"] == "approximate randomisation against base, 50 samples"
    assert [each["hypothesis"] for each in back["systems"]] == ["new", "base"]


def test_one_of_the_systems_may_be_standard_input(nmt: Command) -> None:
    text = Path("new").read_text()
    by_pipe = nmt("score", "base", "-", "--ref", "ref", "-q", stdin=text)
    assert by_pipe == nmt("score", "base", "new", "--ref", "ref", "-q")


def test_parts_of_the_test_set(nmt: Command) -> None:
    flags = ["--by-length", "--by-document", "docs", "--source", "src", "--by-rarity", "train"]
    report = json.loads(nmt("score", "base", "--ref", "ref", *flags, "--format", "json").out)
    found = [(each["by"], each["bucket"], each["lines"]) for each in report["buckets"]]
    assert found == [
        ("length", "1-5", 3), ("length", "6-10", 1), ("rarity", "0", 2), ("rarity", "1-9", 1),
        ("rarity", "10-99", 1), ("document", "one", 2), ("document", "two", 2),
    ]  # fmt: skip
    for name in ("base", "ref"):
        Path(f"{name}.two").write_text("".join(f"{line}\n" for line in LINES[name][2:]))
    alone = json.loads(nmt("score", "base.two", "--ref", "ref.two", "--format", "json").out)
    values = {score["metric"]: score["value"] for score in alone["scores"]}
    assert report["buckets"][-1]["scores"] == values


def test_rarity_reads_an_encoded_corpus_too(nmt: Command, toy: Path) -> None:
    for name in ("src", "tgt"):
        Path(f"dev.{name}").write_text((toy / f"dev.{name}").read_text())
    Path("hyp").write_text(Path("dev.tgt").read_text())
    reports = [
        nmt("score", "hyp", "--ref", "dev.tgt", "--source", "dev.src", "--by-rarity", str(path))
        for path in (toy / "train.src", toy / "corpus")
    ]
    assert reports[0] == reports[1]
    assert "\nby rarity: times that training saw" in reports[0].out


def test_single_lines(nmt: Command) -> None:
    printed = sacrebleu("ref", "-i", "new", "-sl", "-b", "-w", "5", "-m", "bleu").split()
    flags = ["--per-line", "--metric", "bleu", "--width", "5"]
    assert nmt("score", "new", "--ref", "ref", *flags, "-q").out.split() == printed
    done = nmt("score", "base", "new", "--ref", "ref", *flags)
    rows = [row.split("\t") for row in done.out.splitlines()]
    assert rows[0] == ["line", "system", "BLEU"]
    assert [row[2] for row in rows if row[1] == "new"] == printed
    assert done.err.startswith("BLEU  nrefs:1|case:mixed|eff:yes|")
    objects = nmt("score", "new", "--ref", "ref", *flags, "--format", "json").out.splitlines()
    assert [f"{json.loads(each)['scores']['bleu']:.5f}" for each in objects] == printed


def test_the_page_is_written_beside_the_scores(nmt: Command) -> None:
    plain = nmt("score", "base", "new", "--ref", "ref")
    assert nmt("score", "base", "new", "--ref", "ref", "--html", "scores.html") == plain
    text = Path("scores.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>\n")
    assert "Most different sentences, by chrF2" in text


def test_text_cut_into_words_beforehand_is_scored_as_it_is(nmt: Command) -> None:
    for name in ("base", "ref"):
        words = (line.replace(".", " .").replace(",", " ,") for line in LINES[name])
        Path(f"{name}.tok").write_text("".join(f"{line}\n" for line in words))
    flags = ["-tok", "none", "-b", "-w", "6", "-m", "bleu", "--force"]
    printed = sacrebleu("ref.tok", "-i", "base.tok", *flags, "-f", "text")
    ours = ["--tokenize", "none", "-q", "--width", "6", "--metric", "bleu"]
    assert nmt("score", "base.tok", "--ref", "ref.tok", *ours).out == printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["base", "--paired", "bootstrap"], "--paired compares systems; give two or more hypo"),
        (["base", "--samples", "9"], "--samples needs --confidence, or systems to compare"),
        (["base", "new", "--paired", "none", "--samples", "9"], "--samples needs --confidence, "),
        (["base", "--per-line", "--by-length"], "--per-line writes the scores of lines alone; "),
        (["base", "new", "--per-line", "--paired", "none"], "--per-line writes the scores of"),
        (["base", "--by-rarity", "train"], "--by-rarity needs --source, the text that was trans"),
        (["base", "--comet", "model"], "--comet needs --source, the text that was translated"),
        (["base", "--comet-python", "python"], "--comet-python needs --comet"),
        (["base", "--comet", "x", "--source", "src"], "--comet x: no COMET model; its folder ho"),
        (["base", "--html", "x", "--output", "x"], "--html and --output must be different files"),
        (["base", "--html", "none/x"], "cannot write none/x: No such file or directory"),
        (["base", "base"], "base is given twice; hypothesis and references must be different"),
        (["base", "--by-document", "train"], "train has 21 lines but base has 4; each needs as"),
        (["base", "--source", "train"], "train has 21 lines but base has 4; each needs as many"),
        (["base", "--source", "src", "--by-rarity", "none"], "cannot read none: No such file"),
        (["base", "--source", "src", "--by-rarity", "."], ". holds no encoded corpus"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(
    nmt: Command, arguments: list[str], message: str
) -> None:
    done = nmt("score", *arguments, "--ref", "ref")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(f"nmt: {message}")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["--paired", "tossing"], ["--samples", "1"], ["--samples", "many"]]
)
def test_an_unknown_value_is_wrong_usage(nmt: Command, arguments: list[str]) -> None:
    assert nmt("score", "base", "new", "--ref", "ref", *arguments).status == 2
