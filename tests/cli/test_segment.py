"""`nmt segment` end to end."""

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.text.config import SegmentConfig
from nmt.text.learning import learn_segmenter
from nmt.text.segmenter import Segmenter

Command = Callable[..., Any]

GENERATOR = random.Random(1)
WORDS = ["".join(GENERATOR.choices("acdeghimnost", k=GENERATOR.randint(2, 6))) for _ in range(99)]
SOURCE, TARGET = [[" ".join(GENERATOR.choices(WORDS, k=6)) for _ in range(60)] for _ in range(2)]
RAW = "the  cat \n\nΩ日本\n 1\n"


@pytest.fixture(autouse=True)
def texts(nmt: Command) -> None:
    for name, lines in (("a.en", SOURCE), ("a.de", TARGET), ("a.both", SOURCE + TARGET)):
        Path(name).write_text("".join(f"{line}\n" for line in lines))


def learn(nmt: Command, *arguments: str) -> None:
    finished = nmt("segment", "learn", *arguments, "--output", "a.model", "--quiet")
    assert (finished.status, finished.out, finished.err) == (0, "", "")


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@pytest.mark.parametrize("ids", [(), ("--ids",)])
def test_undo_gives_back_what_apply_cut(nmt: Command, kind: str, ids: tuple[str, ...]) -> None:
    size = ("--kind", kind, "--vocab-size", "300")
    learn(nmt, "a.en", "a.de", *size, "--normalization", "identity")
    cut = nmt("segment", "apply", "--model", "a.model", *ids, stdin=RAW)
    joined = nmt("segment", "undo", "--model", "a.model", *ids, stdin=cut.out)
    assert (cut.status, joined.status) == (0, 0)
    assert joined.out == RAW
    assert cut.out.count("\n") == RAW.count("\n")


def test_files_are_read_and_written_as_the_standard_streams(nmt: Command) -> None:
    learn(nmt, "a.en", "--vocab-size", "290")
    Path("raw").write_text(RAW)
    to_stream = nmt("segment", "apply", "--model", "a.model", "raw").out
    assert nmt("segment", "apply", "raw", "--model", "a.model", "--output", "cut").out == ""
    assert Path("cut").read_text() == to_stream
    assert to_stream.splitlines() == [
        " ".join(Segmenter.load("a.model").pieces(line)) for line in RAW.split("\n")[:-1]
    ]


def test_a_joint_model_is_that_of_the_texts_in_a_row(nmt: Command) -> None:
    learn(nmt, "a.en", "a.de", "--vocab-size", "300")
    joint = Path("a.model").read_bytes()
    learn(nmt, "a.both", "--vocab-size", "300")
    assert Path("a.model").read_bytes() == joint


def test_flags_settings_and_files_mean_the_same(nmt: Command) -> None:
    config = SegmentConfig(
        vocab_size=290, byte_fallback=True, user_symbols=("<2de>", "<2fr>"), kind="bpe"
    )
    wanted = learn_segmenter(SOURCE, "b.model", config).sha256
    symbols = ("--user-symbols", "<2de>", "--user-symbols", "<2fr>")
    Path("a.toml").write_text(
        "[segment]\nvocab_size = 9\nkind = 'bpe'\n[model]\nencoder_layers = 2\n"
    )
    size = ("--set", "segment.vocab_size=290")
    for arguments in (
        ("--kind", "bpe", "--vocab-size", "290", "--byte-fallback", *symbols),
        ("--set", "segment.kind=bpe", *size, *symbols),
        ("--config", "a.toml", *size, "--set", 'segment.user_symbols=["<2de>", "<2fr>"]'),
    ):
        learn(nmt, "a.en", *arguments)
        assert Segmenter.load("a.model").sha256 == wanted


def test_what_was_learnt_is_told_on_standard_error(nmt: Command) -> None:
    finished = nmt("segment", "learn", "a.en", "a.de", "--vocab-size", "290", "--output", "a.model")
    assert finished.out == ""
    assert finished.err == (
        "learnt 290 pieces (unigram, normalisation nmt_nfkc) from 120 lines of a.en + a.de\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("learn", "none", "--output", "b"), "cannot read none: No such file or directory"),
        (("learn", "a.en", "--output", "c/b"), "cannot write c/b: No such file or directory"),
        (("learn", "a.en", "--output", "."), "cannot write .: Is a directory"),
        (
            ("learn", "a.en", "--output", "b", "--set", "segment.vocabsize=9"),
            "unknown setting segment.vocabsize; did you mean 'vocab_size'?",
        ),
        (
            ("learn", "a.en", "--output", "b", "--set", "segmnt.vocab_size=9"),
            "unknown setting segmnt; did you mean 'segment'?",
        ),
        (
            ("learn", "a.en", "--output", "b", "--set", "segment=9"),
            "--set needs section.key=value, not 'segment=9'",
        ),
        (
            ("learn", "a.en", "--output", "b", "--vocab-size", "2"),
            "segment.vocab_size must be at least 8, not 2",
        ),
        (("apply", "--model", "none"), "cannot read none: No such file or directory"),
        (
            ("apply", "--model", "a.en"),
            "a.en is not a SentencePiece model; nmt segment learn makes one",
        ),
        (("undo", "none", "--model", "ok.model"), "cannot read none: No such file or directory"),
        (
            ("undo", "--ids", "--model", "ok.model"),
            "standard input, line 1: 'the' is no id; leave out --ids to join pieces",
        ),
    ],
)
def test_a_users_error_is_one_line_and_leaves_nothing(
    nmt: Command, arguments: tuple[str, ...], message: str
) -> None:
    learn_segmenter(SOURCE, "ok.model", SegmentConfig(vocab_size=290))
    before = sorted(Path().iterdir())
    finished = nmt("segment", *arguments, stdin=RAW)
    assert finished == (1, "", f"nmt: {message}\n")
    assert sorted(Path().iterdir()) == before


def test_a_bad_line_midway_leaves_no_output(nmt: Command) -> None:
    learn(nmt, "a.en", "--vocab-size", "290")
    finished = nmt("segment", "apply", "--model", "a.model", "--output", "cut", stdin="a\nb\r\n")
    assert finished.status == 1
    assert finished.err.startswith("nmt: standard input, line 2: a carriage return at character 2")
    assert not Path("cut").exists()


def test_a_command_line_that_is_incomplete_is_a_usage_error(nmt: Command) -> None:
    for arguments in (("learn", "--output", "b"), ("apply",), ("learn", "a.en"), ("cut",)):
        finished = nmt("segment", *arguments)
        assert (finished.status, finished.out) == (2, "")
        assert "Error: " in finished.err


@pytest.mark.parametrize("command", ["learn", "apply", "undo"])
def test_help_ends_with_an_example(nmt: Command, command: str) -> None:
    finished = nmt("segment", command, "--help")
    assert finished.status == 0
    assert f"Example:\n  nmt segment {command} " in finished.out


def test_the_program_itself_reports_one_line(tmp_path: Path) -> None:
    path = tmp_path / "none"
    finished = subprocess.run(
        [sys.executable, "-m", "nmt", "segment", "apply", "--model", path],
        capture_output=True,
        text=True,
    )
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr == f"nmt: cannot read {path}: No such file or directory\n"


def test_a_reader_that_leaves_early_is_no_error(nmt: Command) -> None:
    learn(nmt, "a.en", "--vocab-size", "290")
    Path("long").write_text("the cat\n" * 99_999)
    command = [sys.executable, "-m", "nmt", "segment", "apply", "--model", "a.model", "long"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 128 + signal.SIGPIPE


def test_a_full_disk_behind_standard_output_is_one_line(nmt: Command) -> None:
    learn(nmt, "a.en", "--vocab-size", "290")
    command = [sys.executable, "-m", "nmt", "segment", "apply", "--model", "a.model"]
    Path("long").write_text("the cat\n" * 9_999)
    for name in ("a.en", "long"):  # less and more than a buffer holds
        with Path("/dev/full").open("wb") as full:
            finished = subprocess.run([*command, name], stdout=full, stderr=subprocess.PIPE)
        assert finished.stderr == b"nmt: cannot write standard output: No space left on device\n"
        assert finished.returncode == 1
