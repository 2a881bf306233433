"""`nmt force` end to end: given translations are scored as found ones are."""

import gzip
import json
import math
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nmt.cli.pairs import row_groups

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def texts(here: Path, run: Path) -> None:
    """Work on the toy pair with a trained `run`."""


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.split("\n")[:-1]]


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.split("\n")[:-1]]


def test_what_was_found_scores_as_when_it_was_found(nmt: Command) -> None:
    """Segmented anew, a translation may come in other pieces; then it scores otherwise."""
    found = rows(nmt("translate", "run", "test.src", "--format", "tsv", "--details").out)
    Path("hyp").write_text("".join(f"{row[2]}\n" for row in found))
    finished = nmt("force", "run", "test.src", "hyp", "--format", "tsv", "--details")
    assert finished.status == 0, finished.err
    forced, same = rows(finished.out), 0
    assert [row[:1] + row[2:3] for row in forced] == [row[:1] + row[2:3] for row in found]
    for mine, expected in zip(forced, found, strict=True):
        if mine[4] == expected[4]:
            same += 1
            assert float(mine[1]) == pytest.approx(float(expected[1]), abs=1e-4)
            assert float(mine[3]) == pytest.approx(float(expected[3]), abs=1e-3)
            assert mine[6] == expected[6]
    assert same > 4


def test_all_formats_hold_the_same_scores(nmt: Command) -> None:
    pair = ("force", "run", "test.src", "test.tgt")
    scores = nmt(*pair).out.split("\n")[:-1]
    table, full = (
        rows(nmt(*pair, "--format", "tsv").out),
        records(nmt(*pair, "--format", "json").out),
    )
    targets = Path("test.tgt").read_text().split("\n")[:-1]
    assert table == [[str(n), *each] for n, each in enumerate(zip(scores, targets, strict=True), 1)]
    for number, (record, score) in enumerate(zip(full, scores, strict=True), 1):
        assert record.keys() == {"line", "source", "translations"}
        assert record["line"] == number
        (only,) = record["translations"]
        assert only["text"] == targets[number - 1]
        assert f"{only['score']:.6f}" == score
        assert only["log_prob"] < 0 or not record["source"]


def test_details_add_up(nmt: Command) -> None:
    pair = ("force", "run", "test.src", "test.tgt", "--details")
    finished = nmt(*pair, "--format", "json")
    table = rows(nmt(*pair, "--format", "tsv").out)
    total, pieces = 0.0, 0
    for record, row in zip(records(finished.out), table, strict=True):
        (only,) = record["translations"]
        assert len(only["pieces"]) == len(only["log_probs"])
        assert sum(only["log_probs"]) == pytest.approx(only["log_prob"], abs=1e-4)
        assert row[4] == " ".join(only["pieces"])
        assert row[5] == " ".join(f"{value:.6f}" for value in only["log_probs"])
        assert row[6] == " ".join(f"{source}-{target}" for source, target in only["alignment"])
        if record["source"]:
            assert record["source_pieces"][-1] == only["pieces"][-1] == "</s>"
            words = [len(record["source"].split()), len(only["text"].split())]
            assert only["alignment"]
            assert all(s < words[0] and t < words[1] for s, t in only["alignment"])
        else:
            assert (only["score"], only["log_prob"], only["pieces"]) == (0.0, 0.0, [])
        total, pieces = total + only["log_prob"], pieces + len(only["pieces"])
    assert finished.err.endswith(
        f"9 pairs, {pieces} target pieces with ends: perplexity {math.exp(-total / pieces):.4f}\n"
    )
    assert finished.err.startswith(
        "alignment by layer 0, mean of all heads, at the position that predicts a piece of run "
        "(the default: none was chosen)\n"
    )


def test_length_penalties_are_those_of_search(nmt: Command) -> None:
    pair = ("force", "run", "test.src", "test.tgt", "--format", "json", "--details")
    (plain, *_), (halved, *_), (gnmt, *_) = (
        records(nmt(*pair, *flags).out)
        for flags in ((), ("--length-alpha", "0.5"), ("--length-penalty", "gnmt"))
    )
    one, two, three = (each["translations"][0] for each in (plain, halved, gnmt))
    size = len(one["pieces"])
    assert one["score"] == pytest.approx(one["log_prob"] / size)
    assert two["score"] == pytest.approx(one["log_prob"] / size**0.5)
    assert three["score"] == pytest.approx(one["log_prob"] / ((5 + size) / 6))


def test_files_columns_streams_and_compression_are_the_same(nmt: Command) -> None:
    expected = nmt("force", "run", "test.src", "test.tgt").out
    source, target = (Path(f"test.{side}").read_text() for side in ("src", "tgt"))
    Path("test.src.gz").write_bytes(gzip.compress(source.encode()))
    both = "".join(
        f"{s}\t{t}\n" for s, t in zip(source.split("\n")[:-1], target.split("\n")[:-1], strict=True)
    )
    Path("both").write_text(both)
    for arguments, stdin in (
        (("test.src.gz", "test.tgt"), ""),
        (("-", "test.tgt"), source),
        (("test.src", "-"), target),
        (("both", "--tsv"), ""),
        (("-", "--tsv"), both),
        (("test.src", "test.tgt", "--batch-tokens", "1"), ""),
    ):
        finished = nmt("force", "run", *arguments, stdin=stdin)
        assert finished.status == 0, finished.err
        mine, theirs = (list(map(float, text.split())) for text in (finished.out, expected))
        assert mine == pytest.approx(theirs, abs=1e-5)
    assert nmt("force", "run", "test.src", "test.tgt", "--output", "scores.gz").out == ""
    assert gzip.decompress(Path("scores.gz").read_bytes()).decode() == expected


def test_coverage_is_in_the_score_where_it_is_asked_for(nmt: Command) -> None:
    flags = ("--coverage-beta", "0.3")
    found = rows(nmt("translate", "run", "test.src", "--format", "tsv", "--details", *flags).out)
    Path("hyp").write_text("".join(f"{row[2]}\n" for row in found))
    forced = rows(
        nmt("force", "run", "test.src", "hyp", "--format", "tsv", "--details", *flags).out
    )
    same = [(a, b) for a, b in zip(forced, found, strict=True) if a[4] == b[4] and a[2]]
    assert len(same) > 3
    for mine, expected in same:
        assert float(mine[1]) == pytest.approx(float(expected[1]), abs=1e-4)
        assert float(mine[1]) < float(mine[3]) / len(mine[5].split())


def test_pairs_are_handed_on_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def read(_: str) -> Iterator[tuple[str, str]]:
        yield "first", "one"
        assert answered.wait(10), "the first pair was held back"
        yield "second", "two"

    monkeypatch.setattr("nmt.text.lines.read_tsv", read)
    groups = row_groups("-", None, "force")
    assert next(groups) == [("first", "one")]
    answered.set()
    assert list(groups) == [[("second", "two")]]


def test_nothing_in_is_nothing_out(nmt: Command) -> None:
    assert nmt("force", "run", "-", "--tsv") == (0, "", "")


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("ab\nab\n", "mn\n", "source has 2 lines but target has 1; parallel texts need as many on "
         "both sides"),
        ("ab\n", "mn 日 x\n", "line 1: the target holds '日', which the model lacks; --skip passes "
         "over such pairs"),
        ("ab\nab\n", "\n" + "mn " * 60 + "\n", "line 2: the target has N pieces, but the model "
         "can write at most 63 (model.max_length); --skip passes over such pairs"),
        ("ab " * 60 + "\n", "mn\n", "line 1: the source has N pieces, but the model can read at "
         "most 63 (model.max_length); --skip passes over such pairs"),
        ("\n", "mn\n", "line 1: the target has text but the source has none, which is never "
         "translated; --skip passes over such pairs"),
        ("ab\r\n", "mn\n", "source, line 1: a carriage return at character 3; lines end in \\n "
         "alone: remove it with tr -d '\\r'"),
    ],
    ids=["lines", "characters", "target", "source", "empty", "return"],
)  # fmt: skip
def test_what_cannot_be_scored_is_refused_in_a_line(
    nmt: Command, source: str, target: str, message: str
) -> None:
    Path("source").write_text(source)
    Path("target").write_text(target)
    finished = nmt("force", "run", "source", "target", "--output", "scores")
    assert (finished.status, finished.out) == (1, "")
    assert re.sub(r"has \d+ pieces", "has N pieces", finished.err) == f"nmt: {message}\n"
    assert not Path("scores").exists()


def test_pairs_that_do_not_fit_can_be_passed_over(nmt: Command) -> None:
    pairs = "ab\tmn\nab\tmn 日\n\tmn\nab\tmn\n"
    command = ("force", "run", "-", "--tsv", "--skip")
    finished = nmt(*command, stdin=pairs)
    scores = finished.out.split("\n")[:-1]
    assert scores[1:3] == ["nan", "nan"]
    assert scores[0] == scores[3] == nmt("force", "run", "-", "--tsv", stdin="ab\tmn\n").out.strip()
    assert finished.err.startswith("passed over 2 pairs, which the model cannot read\n2 pairs, ")
    table = rows(nmt(*command, "--format", "tsv", stdin=pairs).out)
    assert table[1] == ["2", "nan", "mn 日"]
    table = rows(nmt(*command, "--format", "tsv", "--details", stdin=pairs).out)
    assert table[2] == ["3", "nan", "mn", "nan", "", "", ""]
    assert {len(row) for row in table} == {7}
    full = records(nmt(*command, "--format", "json", stdin=pairs).out)
    assert full[1] == {
        "line": 2, "source": "ab", "translations": [],
        "skipped": "the target holds '日', which the model lacks",
    }  # fmt: skip
    assert [len(each["translations"]) for each in full] == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (
            ("test.src", "test.tgt", "--details"),
            1,
            "--details needs --format json or tsv, not text",
        ),
        (("test.src", "missing"), 1, "cannot read missing: No such file or directory"),
        (("-", "-"), 1, "only one of two parallel texts can be read from standard input"),
        (("test.src",), 2, "SOURCE needs its TARGET, or --tsv with both in one file"),
        (("test.src", "test.tgt", "--tsv"), 2, "--tsv takes one file, which holds both sides"),
        (("test.src", "--tsv"), 1, "test.src, line 1: 1 columns, but parallel TSV needs 2"),
    ],
)
def test_calls_that_cannot_be_are_refused(
    nmt: Command, arguments: tuple[str, ...], status: int, message: str
) -> None:
    finished = nmt("force", "run", *arguments)
    assert (finished.status, finished.out) == (status, "")
    assert finished.err.rstrip("\n").endswith(message)
