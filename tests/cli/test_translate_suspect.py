"""`nmt translate --on-suspect` end to end."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.model.directory import load_package, save_package

Command = Callable[..., Any]

# Each translation of the toy model has a probability below 1, and so has no chance.
ALL = ("--set", "suspect.min_probability=1", "--set", 'suspect.kinds=["confidence"]')


@pytest.fixture(autouse=True)
def texts(here: Path, run: Path) -> None:
    """Work on the toy pair with a trained `run`."""


def records(nmt: Command, *flags: str) -> list[dict[str, Any]]:
    finished = nmt("translate", "run", "test.src", "--format", "json", *flags)
    assert finished.status == 0, finished.err
    return list(map(json.loads, finished.out.split("\n")[:-1]))


def test_nothing_is_looked_for_unless_that_is_asked_for(nmt: Command) -> None:
    plain = nmt("translate", "run", "test.src", "--format", "json", *ALL)
    assert "suspect" not in plain.out + plain.err
    assert nmt("translate", "run", "test.src", "--format", "json", "--on-suspect", "off") == plain


def test_suspect_lines_are_marked_in_every_form(nmt: Command) -> None:
    plain = nmt("translate", "run", "test.src")
    finished = nmt("translate", "run", "test.src", "--on-suspect", "warn", *ALL)
    assert (finished.status, finished.out) == (0, plain.out)
    said = finished.err.split("\n")[:-1]
    assert said[0].startswith("line 1 is suspect: confidence (probability 0.")
    assert len(said) == 9  # eight lines with text, and how many they are
    assert said[-1] == "suspect: 8 of 9 lines (confidence 8)"
    quiet = nmt("translate", "run", "test.src", "--on-suspect", "warn", "--quiet", *ALL)
    assert (quiet.out, quiet.err) == (plain.out, "")
    tsv = nmt("translate", "run", "test.src", "--on-suspect", "warn", "--format", "tsv", *ALL)
    rows = [line.split("\t") for line in tsv.out.split("\n")[:-1]]
    assert [row[3] for row in rows] == ["confidence" if row[2] else "" for row in rows]
    found = records(nmt, "--on-suspect", "warn", "--beam", "2", "--nbest", "2", *ALL)
    for record in found:
        for each in record["translations"]:
            assert each["suspect"] == (["confidence"] if record["source"] else [])


def test_text_that_is_not_suspect_has_an_empty_mark(nmt: Command) -> None:
    flags = ("--on-suspect", "warn", "--set", 'suspect.kinds=["url"]')
    assert [e["suspect"] for r in records(nmt, *flags) for e in r["translations"]] == [[]] * 9
    finished = nmt("translate", "run", "test.src", "--format", "tsv", *flags)
    assert finished.err == ""
    assert all(line.endswith("\t") for line in finished.out.split("\n")[:-1])


def test_the_source_is_written_in_the_place_of_what_is_suspect(nmt: Command) -> None:
    finished = nmt("translate", "run", "test.src", "--on-suspect", "source", *ALL)
    assert finished.out == Path("test.src").read_text()
    assert finished.err.endswith("(confidence 8); their source stands in their place\n")
    two = nmt("translate", "run", "test.src", "--on-suspect", "source", "--nbest", "2", *ALL)
    assert two.out.split("\n")[:-1:2] == Path("test.src").read_text().split("\n")[:-1]
    assert two.out.count("\n") == 18
    best = [record["translations"] for record in records(nmt, "--on-suspect", "source", *ALL)]
    assert best[0][0]["score"] == 0.0
    assert best[0][0]["suspect"] == ["confidence"]


def test_what_is_suspect_ends_with_an_error_and_no_output(nmt: Command) -> None:
    Path("hyp").write_text("as it was\n")
    finished = nmt(
        "translate", "run", "test.src", "--on-suspect", "fail", "--output", "hyp", *ALL
    )  # fmt: skip
    assert (finished.status, finished.out) == (1, "")
    assert finished.err.startswith("nmt: line 1: the translation is suspect: confidence (prob")
    assert finished.err.count("\n") == 1
    assert Path("hyp").read_text() == "as it was\n"
    assert not list(Path().glob(".hyp.*"))
    fine = ("--on-suspect", "fail", "--set", 'suspect.kinds=["url"]')
    assert nmt("translate", "run", "test.src", *fine).status == 0


@pytest.mark.parametrize("flags", [(), ("--nbest", "2"), ("--method", "sample", "--nbest", "2")])
def test_another_search_may_find_what_is_not_suspect(nmt: Command, flags: tuple[str, ...]) -> None:
    looked = ("--set", 'suspect.kinds=["repetition"]', "--set", "suspect.repeated_words=1", *flags)
    before = records(nmt, "--on-suspect", "warn", *looked)
    after = records(nmt, "--on-suspect", "retry", *looked)
    bad = [bool(record["translations"][0]["suspect"]) for record in before]
    assert any(bad)
    assert sum(bool(r["translations"][0]["suspect"]) for r in after) < sum(bad)
    for was_bad, old, new in zip(bad, before, after, strict=True):
        assert len(new["translations"]) <= len(old["translations"])
        assert was_bad or new == old
        kinds = [len(each["suspect"]) for each in new["translations"]]
        assert kinds == sorted(kinds) or not was_bad
    finished = nmt("translate", "run", "test.src", "--on-suspect", "retry", *looked)
    assert "; searched for again, " in finished.err.split("\n")[-2]
    assert finished.out.count("\n") == (18 if flags else 9)


def test_scripts_are_the_models_own_unless_they_are_named(nmt: Command) -> None:
    looked = ("--on-suspect", "warn", "--set", 'suspect.kinds=["script"]')
    assert nmt("translate", "run", "test.src", *looked).err == ""
    greek = nmt("translate", "run", "test.src", *looked, "--set", "suspect.target_script=Greek")
    assert "line 1 is suspect: script (0% of the letters are Greek)\n" in greek.err
    package = load_package("run")
    package.settings["clean"]["target_script"] = ["Greek"]
    Path("given").mkdir()
    save_package(Path("given"), package)
    assert nmt("translate", "given", "test.src", *looked).err == greek.err
    latin = nmt("translate", "given", "test.src", *looked, "--set", "suspect.target_script=Latin")
    assert latin.err == ""


def test_a_model_keeps_what_it_was_trained_with(nmt: Command) -> None:
    package = load_package("run")
    package.settings["suspect"] |= {"on_suspect": "source", "min_probability": 1.0}
    Path("given").mkdir()
    save_package(Path("given"), package)
    assert nmt("translate", "given", "test.src").out == Path("test.src").read_text()
    plain = nmt("translate", "run", "test.src")
    assert nmt("translate", "given", "test.src", "--on-suspect", "off") == plain
    del package.settings["suspect"]  # as of a model that is older
    Path("old").mkdir()
    save_package(Path("old"), package)
    assert nmt("translate", "old", "test.src") == plain


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--set", "suspect.kinds=numbers"),
         "suspect.kinds: no kind is called 'numbers'; did you mean 'number'?"),
        (("--set", "suspect.min_probability=0"),
         "suspect.min_probability must be above 0 and at most 1, not 0.0; suspect.kinds says what "
         "is looked for at all"),
        (("--set", "suspect=3"), "--set needs section.key=value, not 'suspect=3'"),
        (("--config", "odd.toml"), "suspect is a section, not a setting; write [suspect]"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused_in_a_line(
    nmt: Command, flags: tuple[str, ...], message: str
) -> None:
    Path("odd.toml").write_text("suspect = 3\n")
    finished = nmt("translate", "run", "test.src", "--on-suspect", "warn", *flags)
    expected = message
    if flags[0] == "--config":  # what a flag sets cannot go into what is no section
        expected = "suspect.on_suspect: suspect is a setting, not a section"
    assert finished == (1, "", f"nmt: {expected}\n")


def test_settings_explain_themselves(nmt: Command) -> None:
    finished = nmt("settings", "--section", "suspect")
    assert 'on_suspect = "off"' in finished.out
    assert finished.out.count("\n# ") == 11
