"""Inputs that go wrong, readers that leave, signals: one line out for one line in, or one error."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

TRANSLATE = [sys.executable, "-m", "nmt", "translate", "run"]
ODD = [
    ("", ""), ("   ", ""), ("\t", ""), ("\u2028", ""), ("\x85", ""), ("\u3000", ""),  # no text
    ("日本 Ω", "日本 Ω"), ("\x00", "\x00"), ("🙂", "🙂"), ("\ufffd", "\ufffd"),  # none known
    ("ab\x00", None), ("\x1b[31mab", None), ("ab\u2028de", None), ("ab\x85de", None),
    ("ab\tde", None), ("ab\x0bde\x0c\x1c", None), ("a\u0301b", None), ("ab 日本", None),
]  # fmt: skip


@pytest.fixture(autouse=True)
def texts(here: Path, run: Path) -> None:
    """Work on the toy pair with a trained `run`."""


def translated(nmt: Command, text: str, *flags: str) -> list[dict[str, Any]]:
    """Translate text, and expect a line for each."""
    Path("text").write_text(text, newline="")
    finished = nmt("translate", "run", "text", "--format", "json", *flags)
    assert finished.status == 0, finished.err
    return list(map(json.loads, finished.out.split("\n")[:-1]))


def test_whatever_a_line_holds_one_comes_out(nmt: Command) -> None:
    found = translated(nmt, "".join(f"{line}\n" for line, _ in ODD))
    assert [each["source"] for each in found] == [line for line, _ in ODD]
    for (line, expected), record in zip(ODD, found, strict=True):
        (best,) = record["translations"]
        if expected is None:
            assert best["log_prob"] < 0, line
        else:
            assert best == {"text": expected, "score": 0.0, "log_prob": 0.0}
    (plain,) = translated(nmt, "ab\n")
    assert found[-2]["translations"] != plain["translations"]


def test_text_of_unknown_characters_is_copied_and_told_by_number(nmt: Command) -> None:
    finished = nmt("translate", "run", stdin="ab\n日本 Ω\n")
    assert (finished.status, finished.out.split("\n")[1:]) == (0, ["日本 Ω", ""])
    assert finished.err == (
        "line 2 has text of characters alone that the model lacks; it is copied\n"
    )
    quiet = nmt("translate", "run", "--quiet", stdin="ab\n日本 Ω\n")
    assert (quiet.out, quiet.err) == (finished.out, "")
    many = nmt("translate", "run", stdin="Ω\n" * 50)
    assert many.err.count("\n") == 21
    assert many.err.endswith("more lines are like this; -v names all\n")
    assert nmt("translate", "run", "-v", stdin="Ω\n" * 50).err.count("is copied") == 50


def test_a_byte_order_mark_is_no_text(nmt: Command) -> None:
    plain = translated(nmt, "ab de\nil\n")
    assert translated(nmt, "\ufeffab de\nil\n") == plain
    Path("prefix").write_text("\ufeff\nmn\n")
    prefixed = translated(nmt, "ab de\nil\n", "--prefix", "prefix")
    assert prefixed[0] == plain[0]


@pytest.mark.parametrize("flags", [(), ("--nbest", "2"), ("--method", "sample", "--nbest", "2")])
def test_a_very_long_line_is_translated_in_parts(nmt: Command, flags: tuple[str, ...]) -> None:
    sentence = "ab de il。"
    line = sentence * 200
    finished = nmt("translate", "run", "--format", "json", *flags, stdin=f"ab\n{line}\nde\n")
    assert finished.status == 0
    records = list(map(json.loads, finished.out.split("\n")[:-1]))
    assert [each["line"] for each in records] == [1, 2, 3]
    assert finished.err.startswith("line 2 has ")
    assert "more than the 63 that are read at once (model.max_length); it is tra" in finished.err
    assert finished.err.count("\n") == 1
    best = records[1]["translations"]
    assert len(best) == (2 if flags else 1)
    if "--method" not in flags:
        (alone,) = translated(nmt, f"{sentence}\n", *flags)
        assert best[0]["text"] == " ".join([alone["translations"][0]["text"]] * 200)
        assert best[0]["log_prob"] == pytest.approx(200 * alone["translations"][0]["log_prob"])
        assert best[0]["score"] == pytest.approx(alone["translations"][0]["score"])


@pytest.mark.slow
def test_a_line_of_a_hundred_thousand_characters_is_one_line(nmt: Command) -> None:
    for line in ("ab de il. " * 10_000, "ab" * 50_000, "日" * 100_000):
        finished = nmt("translate", "run", "--beam", "1", stdin=f"{line}\nab\n")
        assert (finished.status, finished.out.count("\n")) == (0, 2)
        assert len(finished.out) > 2_000
        assert finished.err.count("\n") >= 1


def test_a_line_is_cut_sooner_where_that_is_asked_for(nmt: Command) -> None:
    text = "ab de\n" + "ab de il ab. " * 9 + "\n"
    assert "line 2 has " in nmt("translate", "run", "--max-pieces", "30", stdin=text).err
    finished = nmt("translate", "run", "--max-pieces", "-1", stdin=text)
    assert finished == (1, "", "nmt: search.max_pieces must be at least 0, not -1\n")


BAD = b"ab\nde \xff \xed\xa0\x80\r\nil\rab\nde\n"


def test_bytes_that_are_no_text_stop_with_line_and_byte(nmt: Command) -> None:
    Path("bad").write_bytes(BAD)
    message = "nmt: bad, line 2: byte 4 (0xff) is not UTF-8; convert the file with iconv\n"
    for flags in ((), ("--errors", "strict")):
        finished = nmt("translate", "run", "bad", "--output", "hyp", *flags)
        assert finished == (1, "", message)
        assert not Path("hyp").exists()
    finished = nmt("translate", "run", "text", "--errors", "ignore")
    assert finished.status == 2
    assert "'ignore' is not one of 'strict', 'replace'" in finished.err


def test_bytes_that_are_no_text_are_replaced_where_that_is_asked_for(nmt: Command) -> None:
    Path("bad").write_bytes(BAD)
    arguments = ("translate", "run", "bad", "--errors", "replace", "--format", "json")
    finished = nmt(*arguments)
    assert finished.status == 0
    assert finished.err == (
        "bad, line 2: byte 4 (0xff) is not UTF-8; replaced, here and below\n"
        "bad: replaced in 2 lines\n"
    )
    sources = [json.loads(line)["source"] for line in finished.out.split("\n")[:-1]]
    assert sources == ["ab", "de \ufffd " + 3 * "\ufffd", "il ab", "de"]
    Path("prefix").write_bytes(b"\nmn\r\n\n\n")
    assert nmt(*arguments, "--prefix", "prefix").status == 0


def test_a_tab_makes_no_column(nmt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from nmt.text.segmenter import Segmenter

    monkeypatch.setattr(Segmenter, "decode", lambda *_: "a\tb\nc\rd")
    assert nmt("translate", "run", stdin="ab\n").out == "a\tb c d\n"
    row = nmt("translate", "run", "--format", "tsv", stdin="ab\n").out
    assert row.split("\t")[2:] == ["a b c d\n"]


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    Path("long").write_text("ab de\n" * 20_000)
    with started("long", "--quiet") as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith(b"\n")
        process.stdout.close()
        assert ended(process) == (128 + signal.SIGPIPE, b"")


def test_ctrl_c_ends_what_waits_for_a_line() -> None:
    with started(stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"ab\n")
        process.stdin.flush()
        assert process.stdout.readline().endswith(b"\n")
        process.send_signal(signal.SIGINT)
        assert ended(process) == (130, b"nmt: interrupted")
        assert process.stdout.read() == b""


@pytest.mark.parametrize("seconds", [0.0, 0.4])
def test_ctrl_c_amid_a_batch_leaves_what_was_there(seconds: float) -> None:
    Path("long").write_text("ab de il\n" * 100_000)
    Path("hyp").write_text("as it was\n")
    with started("long", "--output", "hyp", "--quiet") as process:
        wait_for(lambda: bool(list(Path().glob(".hyp.*"))))
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        assert ended(process) == (130, b"nmt: interrupted")
    assert Path("hyp").read_text() == "as it was\n"
    assert not list(Path().glob(".hyp.*"))


def test_ctrl_c_amid_standard_output_leaves_whole_lines() -> None:
    Path("long").write_text("ab de il\n" * 100_000)
    with started("long", "--quiet") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert ended(process) == (130, b"nmt: interrupted")
    assert set((first + rest).split(b"\n")) == {first.removesuffix(b"\n"), b""}
    assert rest == b"" or rest.endswith(b"\n")


def started(*arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start a translation of its own."""
    environment = {name: each for name, each in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.Popen(
        [*TRANSLATE, *arguments],
        stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
    )  # fmt: skip


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """Wait for the end; give the status and what was said."""
    assert process.stderr is not None
    said = process.stderr.read().strip()
    return process.wait(60), said


def wait_for(happened: Callable[[], bool]) -> None:
    """Wait for something, but not for ever."""
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)
