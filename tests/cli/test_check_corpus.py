"""`nmt check corpus` reads every byte; a message never writes to the terminal what a file says."""

from pathlib import Path
from typing import Any

from nmt.cli.command import in_one_line


def test_a_corpus_is_as_it_was_encoded_or_not(nmt: Any, here: Path) -> None:
    whole = "ok    corpus: 120 lines\n"
    assert nmt("check", "corpus", "corpus") == (0, whole, "")
    path = Path("corpus/target.ids.bin")
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    assert nmt("check", "corpus", "corpus") == (
        1, "", "nmt: corpus is damaged: its ids and texts are not those that were encoded (their "
        "hash differs from corpus.json); encode it again\n",
    )  # fmt: skip


def test_training_refuses_ids_that_are_in_no_vocabulary(nmt: Any, here: Path) -> None:
    path = Path("corpus/source.ids.bin")
    path.write_bytes(b"\xff" * path.stat().st_size)
    finished = nmt("train", "--config", "toy.toml", "--output", "out", "-q")
    assert (finished.status, finished.out) == (1, "")
    assert finished.err == (
        "nmt: a corpus holds the id 65535, but its vocabulary has 60 pieces; it is damaged: look "
        "at it with nmt check corpus, and encode it again\n"
    )


def test_settings_of_a_run_that_were_edited_are_refused(nmt: Any, here: Path, run: Path) -> None:
    path = run / "config.toml"
    path.write_text(path.read_text().replace("max_updates = 60", "max_updates = 61"))
    for command in (("train", "--resume"), ("show",)):
        finished = nmt(*command, str(run))
        assert (finished.status, finished.out) == (1, "")
        assert f"{path} has changed since {run} was started" in finished.err


def test_a_message_is_one_line_of_letters(nmt: Any, here: Path) -> None:
    assert in_one_line("größe 'x'") == "größe 'x'"
    assert in_one_line("a\nb\x1b[31m") == "a\\nb\\x1b[31m"
    assert len(in_one_line("a" * 10**6)) < 2100
    Path("own.toml").write_text('[score]\n"a\\n\\u001bb" = 1\n')
    finished = nmt("score", "train.src", "--ref", "train.tgt", "--config", "own.toml")
    assert finished.status == 1
    assert finished.err.count("\n") == 1
    assert "\x1b" not in finished.err
