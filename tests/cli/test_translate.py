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


def test_details_change_nothing_else_and_add_up(nmt: Command) -> None:
    for flags in (("--nbest", "2"), ("--method", "sample", "--nbest", "2")):
        arguments = ("translate", "run", "test.src", *flags)
        plain = nmt(*arguments, "--format", "json").out.split("\n")[:-1]
        finished = nmt(*arguments, "--format", "json", "--details")
        assert finished.status == 0, finished.err
        table = nmt(*arguments, "--format", "tsv", "--details").out.split("\n")[:-1]
        rows = iter(line.split("\t") for line in table)
        for before, line in zip(plain, finished.out.split("\n")[:-1], strict=True):
            record, expected = json.loads(line), json.loads(before)
            source = record.pop("source_pieces")
            assert source[-1:] == (["</s>"] if record["source"] else [])
            for each in record["translations"]:
                told = {name: each.pop(name) for name in ("pieces", "log_probs", "alignment")}
                assert len(told["pieces"]) == len(told["log_probs"])
                assert sum(told["log_probs"]) == pytest.approx(each["log_prob"], abs=1e-3)
                links = " ".join(f"{source}-{target}" for source, target in told["alignment"])
                number, score, text, log_prob, pieces, values, shown = next(rows)
                assert [number, text] == [str(record["line"]), each["text"]]
                assert float(score) == pytest.approx(each["score"], abs=1e-5)
                assert float(log_prob) == pytest.approx(each["log_prob"], abs=1e-5)
                assert (pieces, shown) == (" ".join(told["pieces"]), links)
                assert list(map(float, values.split())) == told["log_probs"]
            assert record == expected
        assert next(rows, None) is None


def test_text_has_no_room_for_details(nmt: Command) -> None:
    finished = nmt("translate", "run", "test.src", "--details")
    assert finished == (1, "", "nmt: --details needs --format json or tsv, not text\n")


def test_the_best_of_many_is_the_best(nmt: Command) -> None:
    one = nmt("translate", "run", "test.src", "--beam", "3").out.split("\n")
    two = nmt("translate", "run", "test.src", "--beam", "3", "--nbest", "2").out.split("\n")
    assert two[::2] == one


def test_a_model_searches_as_it_was_trained_to_unless_told(nmt: Command) -> None:
    plain = nmt("translate", "run", "test.src", "--format", "json").out
    settings = load_package("run").settings["search"]
    assert [settings.pop(name) for name in ("source_tag", "must", "must_not")] == [[], [], []]
    assert settings.pop("whole_words")
    for flag in ("batch_invariant", "shortlist"):
        assert settings.pop(flag) is False
    assert settings.pop("limit_pieces")  # of a language model
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


def read_tsv(text: str) -> list[tuple[str, str]]:
    """Take the line's number and the translation."""
    rows = [line.split("\t") for line in text.split("\n")[:-1]]
    return [(number, translation) for number, _, translation in rows]


def test_samples_are_drawn_by_seed_and_line(nmt: Command) -> None:
    drawn = ("translate", "run", "test.src", "--method", "sample", "--format", "tsv")
    three = nmt(*drawn, "--nbest", "3")
    assert three.status == 0
    single = nmt(*drawn, "--nbest", "3", "--batch-tokens", "1")
    assert read_tsv(single.out) == read_tsv(three.out)
    other = nmt(*drawn, "--nbest", "3", "--seed", "2")
    assert read_tsv(other.out) != read_tsv(three.out)
    sources = Path("test.src").read_text().split("\n")[:-1]
    rows = read_tsv(three.out)
    counts = [sum(number == str(place) for number, _ in rows) for place in range(1, 10)]
    assert counts == [3 if line else 1 for line in sources]
    one = read_tsv(nmt(*drawn).out)
    assert one == [rows[sum(counts[:place])] for place in range(9)]


def test_the_boldest_sample_is_greedy(nmt: Command) -> None:
    greedy = nmt("translate", "run", "test.src", "--beam", "1").out
    for flags in (("--top-k", "1"), ("--top-p", "1e-9"), ("--epsilon", "0.99")):
        assert nmt("translate", "run", "test.src", "--method", "sample", *flags).out == greedy
    settings = ("--set", "search.method=sample", "--set", "search.temperature=1e-4")
    assert nmt("translate", "run", "test.src", *settings).out == greedy


def test_one_group_and_no_coverage_are_what_there_is_anyway(nmt: Command) -> None:
    plain = nmt("translate", "run", "test.src", "--beam", "4", "--format", "json").out
    same = ("--groups", "1", "--coverage-beta", "0", "--no-repeat-ngram", "0", "--stop", "beam")
    found = nmt("translate", "run", "test.src", "--beam", "4", "--format", "json", *same).out
    assert found == plain


@pytest.mark.parametrize(
    "flags",
    [
        ("--beam", "4", "--groups", "2", "--nbest", "4"), ("--coverage-beta", "5"),
        ("--stop", "bound", "--length-alpha", "3"), ("--no-repeat-ngram", "1"),
        ("--length-penalty", "gnmt"),
    ],
)  # fmt: skip
def test_each_way_to_search_is_heard(nmt: Command, flags: tuple[str, ...]) -> None:
    arguments = ("translate", "run", "test.src", "--format", "json")
    finished = nmt(*arguments, *flags)
    assert finished.status == 0, finished.err
    plain = nmt(*arguments, *(("--beam", "4", "--nbest", "4") if "4" in flags else ()))
    assert finished.out != plain.out
    assert finished.out.count("\n") == plain.out.count("\n")


def test_translations_begin_with_their_prefix(nmt: Command) -> None:
    sources = Path("test.src").read_text().split("\n")[:-1]
    plain = nmt("translate", "run", "test.src").out.split("\n")[:-1]
    prefixes = ["" if place % 3 else "ba ab" for place in range(len(sources))]
    Path("prefix").write_text("".join(f"{each}\n" for each in prefixes))
    for flags in ((), ("--method", "sample"), ("--beam", "4", "--groups", "2")):
        finished = nmt("translate", "run", "test.src", "--prefix", "prefix", *flags)
        assert finished.status == 0, finished.err
        found = finished.out.split("\n")[:-1]
        for source, prefix, text in zip(sources, prefixes, found, strict=True):
            assert text.startswith(prefix) if source else text == ""
    found = nmt("translate", "run", "test.src", "--prefix", "prefix").out.split("\n")[:-1]
    begun = [text for text, prefix in zip(found, prefixes, strict=True) if not prefix]
    assert begun == [text for text, prefix in zip(plain, prefixes, strict=True) if not prefix]
    Path("first").write_text(sources[0] + "\n")
    assert nmt("translate", "run", "first", "--prefix", "-", stdin="ba ab\n").out == f"{found[0]}\n"


@pytest.mark.parametrize(
    ("prefixes", "message"),
    [
        ("a\n", "prefix has 1 lines, but test.src has more; --prefix needs as many"),
        ("a\n" * 20, "test.src has 9 lines, but prefix has more; --prefix needs as many"),
        ("ab " * 99 + "\n" + "\n" * 8, "line 1: the prefix has "),
        ("日本\n" + "\n" * 8, "line 1: the prefix holds characters that the model lacks"),
    ],
)
def test_prefixes_that_do_not_fit_are_refused_in_a_line(
    nmt: Command, prefixes: str, message: str
) -> None:
    Path("prefix").write_text(prefixes)
    finished = nmt("translate", "run", "test.src", "--prefix", "prefix", "--output", "hyp")
    assert finished.status == 1
    assert finished.err.startswith(f"nmt: {message}")
    assert finished.err.count("\n") == 1
    assert not Path("hyp").exists()


def test_text_and_prefixes_cannot_both_be_standard_input(nmt: Command) -> None:
    message = "nmt: only one of text and --prefix can be read from standard input\n"
    assert nmt("translate", "run", "--prefix", "-", stdin="a\n") == (1, "", message)
    finished = nmt("translate", "run", "test.src", "--prefix", "missing")
    assert finished == (1, "", "nmt: cannot read missing: No such file or directory\n")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--method", "sample", "--beam", "5"),
         "search.method = 'sample' keeps no beam: search.beam must be 1, not 5; search.nbest says "
         "how many are drawn"),
        (("--temperature", "0.5"),
         "search.temperature = 0.5 needs search.method = 'sample', not 'beam'"),
        (("--method", "sample", "--groups", "2"),
         "search.groups = 2 needs search.method = 'beam', not 'sample'"),
        (("--beam", "4", "--groups", "3"),
         "search.groups must be at least 1 and divide search.beam = 4, not 3"),
        (("--config", "odd.toml"), "search is a section, not a setting; write [search]"),
    ],
)  # fmt: skip
def test_what_excludes_each_other_is_refused_in_a_line(
    nmt: Command, flags: tuple[str, ...], message: str
) -> None:
    Path("odd.toml").write_text("search = 3\n")
    assert nmt("translate", "run", "test.src", *flags) == (1, "", f"nmt: {message}\n")


def test_models_saved_before_these_settings_search_as_ever(nmt: Command) -> None:
    expected = nmt("translate", "run", "test.src", "--format", "json").out
    package = load_package("run")
    known = {"beam", "length_alpha", "nbest", "limit_ratio", "limit_extra", "batch_tokens"}
    search = package.settings["search"]
    package.settings["search"] = {name: search[name] for name in known}
    with atomic_folder("old") as folder:
        save_package(folder, package)
    assert nmt("translate", "old", "test.src", "--format", "json").out == expected
    assert nmt("translate", "old", "test.src", "--method", "sample").status == 0


def test_help_ends_with_an_example(nmt: Command) -> None:
    assert "Example:\n  nmt translate run test.en" in nmt("translate", "--help").out
