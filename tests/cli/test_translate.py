"""`nmt translate` end to end."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.files import atomic_folder
from nmt.model.compute import Compute
from nmt.model.directory import load_package, save_package
from nmt.search.config import SearchConfig
from nmt.translate import Translator

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def texts(here: Path, run: Path) -> None:
    """Work on the toy pair with a trained `run`."""


def test_one_line_comes_out_for_each_line_in_order_empty_ones_too(nmt: Command) -> None:
    import torch

    package = load_package("run")
    search = SearchConfig(**package.settings["search"])
    compute = Compute(torch.device("cpu"), torch.float32)
    translator = Translator(package.model, package.segmenters, search, compute)
    lines = Path("test.src").read_text().split("\n")[:-1]
    expected = [each.text for line in lines for each in translator.translate([line])]
    finished = nmt("translate", "run", "test.src")
    assert finished.status == 0
    assert finished.out.split("\n")[:-1] == expected
    assert [line for line, text in zip(lines, expected, strict=True) if not text] == [""]
    assert len(set(expected)) > 3


def test_files_streams_and_compression_are_the_same(nmt: Command) -> None:
    text = Path("test.src").read_text()
    expected = nmt("translate", "run", "test.src").out
    Path("test.src.gz").write_bytes(gzip.compress(text.encode()))
    assert nmt("translate", "run", stdin=text).out == expected
    assert nmt("translate", "run", "-", stdin=text).out == expected
    assert nmt("translate", "run", "-", stdin=text.removesuffix("\n")).out == expected
    assert nmt("translate", "run", "test.src.gz", "--output", "hyp").out == ""
    assert Path("hyp").read_text() == expected
    assert nmt("translate", "run", "test.src", "--output", "hyp.gz").out == ""
    assert gzip.decompress(Path("hyp.gz").read_bytes()).decode() == expected


def test_nothing_in_is_nothing_out(nmt: Command) -> None:
    assert nmt("translate", "run", "--quiet") == (0, "", "")


def test_a_line_may_be_only_spaces_or_strange(nmt: Command) -> None:
    finished = nmt("translate", "run", stdin="  \n\u2028\n日本 Ω\n\x00\n")
    assert finished.out.count("\n") == 4


def test_all_formats_hold_the_same_translations(nmt: Command) -> None:
    arguments = ("translate", "run", "test.src", "--nbest", "2", "--beam", "3")
    text = nmt(*arguments).out.split("\n")[:-1]
    table = [line.split("\t") for line in nmt(*arguments, "--format", "tsv").out.split("\n")[:-1]]
    records = list(map(json.loads, nmt(*arguments, "--format", "json").out.split("\n")[:-1]))
    sources = Path("test.src").read_text().split("\n")[:-1]
    assert [(each["line"], each["source"]) for each in records] == list(enumerate(sources, 1))
    best = [(str(r["line"]), each) for r in records for each in r["translations"]]
    assert table == [[line, f"{each['score']:.6f}", each["text"]] for line, each in best]
    assert len(text) == 2 * len(sources)
    for record, *lines in zip(records, text[::2], text[1::2], strict=True):
        translations = record["translations"]
        assert len(translations) == (2 if record["source"] else 1)
        assert [each["text"] for each in translations] == lines[: len(translations)]
        scores = [each["score"] for each in translations]
        assert scores == sorted(scores, reverse=True)
        assert all(each["log_prob"] <= 0 for each in translations)


def test_the_best_of_many_is_the_best(nmt: Command) -> None:
    one = nmt("translate", "run", "test.src", "--beam", "3").out.split("\n")
    two = nmt("translate", "run", "test.src", "--beam", "3", "--nbest", "2").out.split("\n")
    assert two[::2] == one


def test_a_model_searches_as_it_was_trained_to_unless_told(nmt: Command) -> None:
    plain = nmt("translate", "run", "test.src", "--format", "json").out
    settings = load_package("run").settings["search"]
    assert settings.pop("source_tag") == []
    given = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    assert nmt("translate", "run", "test.src", "--format", "json", *given).out == plain
    for change in ("beam=1", "length_alpha=0.5", "limit_extra=1"):
        sets = ("--set", f"search.{change}")
        assert nmt("translate", "run", "test.src", "--format", "json", *sets).out != plain


def test_how_many_there_may_be_depends_on_the_models_own_beam(nmt: Command) -> None:
    finished = nmt("translate", "run", "test.src", "--nbest", "3")
    assert finished == (
        1, "", "nmt: search.nbest must lie between 1 and search.beam = 2, not 3\n"
    )  # fmt: skip
    package = load_package("run")
    package.settings["search"]["beam"] = 7
    with atomic_folder("wider") as folder:
        save_package(folder, package)
    finished = nmt("translate", "wider", "test.src", "--nbest", "7")
    assert (finished.status, finished.out.count("\n")) == (0, 9 * 7)


def test_a_model_is_a_folder_that_can_be_given_away(nmt: Command, tmp_path: Path) -> None:
    expected = nmt("translate", "run", "test.src").out
    shutil.copytree("run/best", "given", symlinks=True)
    shutil.rmtree("run/checkpoints")
    assert not any(path.is_symlink() for path in Path("given").rglob("*"))
    assert nmt("translate", "given", "test.src").out == expected
    Path("given").rename(tmp_path / "moved")
    assert nmt("translate", "moved", "test.src").out == expected


def test_any_checkpoint_is_a_model(nmt: Command) -> None:
    outputs = {
        path.name: nmt("translate", str(path), "test.src").out
        for path in Path("run/checkpoints").iterdir()
    }
    best, last = (Path("run", name).resolve().name for name in ("best", "last"))
    assert nmt("translate", "run", "test.src").out == outputs[best]
    assert nmt("translate", "run/last", "test.src").out == outputs[last]


def test_a_line_beyond_the_model_is_cut_and_told_by_number(nmt: Command) -> None:
    Path("long").write_text("ab\n" + "ab " * 99 + "\n")
    finished = nmt("translate", "run", "long")
    assert finished.out.count("\n") == 2
    assert "line 2 has " in finished.err
    assert "only the first 63 are translated" in finished.err
    assert "line 1" not in finished.err


def test_a_bad_line_midway_leaves_no_output(nmt: Command) -> None:
    finished = nmt("translate", "run", "--output", "hyp", stdin="ab\nab\r\n")
    assert finished.status == 1
    assert finished.err.startswith("nmt: standard input, line 2: a carriage return at character 3")
    assert not Path("hyp").exists()


def test_lines_are_translated_as_they_come(nmt: Command) -> None:
    expected = nmt("translate", "run", stdin="ab\n\n").out.split("\n")
    command = [sys.executable, "-m", "nmt", "translate", "run", "--quiet"]
    environment = {name: each for name, each in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, bufsize=1, **pipes) as process:
        watchdog = threading.Timer(60, process.kill)  # rather than wait for ever
        watchdog.start()
        assert process.stdin is not None
        assert process.stdout is not None
        for line, translation in zip(("ab", ""), expected, strict=False):
            process.stdin.write(f"{line}\n")
            assert process.stdout.readline() == f"{translation}\n"
        process.stdin.close()
        assert process.stdout.read() == ""
        watchdog.cancel()
    assert process.returncode == 0


def test_help_ends_with_an_example(nmt: Command) -> None:
    assert "Example:\n  nmt translate run test.en" in nmt("translate", "--help").out
