"""`nmt bench systems` tells of each system what translating and scoring it apart would tell."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
BENCH = ("bench", "systems", "test.src", "--ref", "test.tgt", "--threads", "1", "--turns", "1")


@pytest.fixture(autouse=True)
def texts(here: Path, run: Path) -> None:
    """Work on the toy pair with a trained `run`."""


def checkpoints() -> list[str]:
    """Name two models of the run."""
    return [str(path) for path in sorted(Path("run/checkpoints").iterdir())[-2:]]


def test_scores_are_those_of_translating_and_scoring_apart(nmt: Command) -> None:
    first, second = checkpoints()
    found = json.loads(
        nmt(*BENCH, f"one={first}", f"both={first},{second}", "--format", "json").out
    )
    one, both = found["systems"]
    assert (found["text"], found["reference"], found["lines"]) == ("test.src", "test.tgt", 9)
    for name, command in {"one": (), "both": ("--with", second)}.items():
        finished = nmt("translate", first, "test.src", *command, "--output", f"{name}.hyp")
        assert finished.status == 0
    names = ("one.hyp", "both.hyp")
    scored = json.loads(nmt("score", *names, "--ref", "test.tgt", "--format", "json").out)
    for mine, apart in zip((one, both), scored["systems"], strict=True):
        assert mine["scores"] == apart["scores"]
    assert (one["name"], one["models"], both["models"]) == ("one", [first], [first, second])
    assert both["parameters"] == 2 * one["parameters"] > 0
    assert one["ratio_to_first"]["median"] == 1.0
    assert both["sentences_per_second"]["median"] > 0


def test_people_read_a_table(nmt: Command) -> None:
    finished = nmt(*BENCH, "run", "again=run")
    heads, one, again, _, *notes = finished.out.splitlines()
    assert heads.split() == [
        "system", "BLEU", "μ", "±", "95", "%", "p", "chrF2", "μ", "±", "95", "%", "p",
        "models", "parameters", "sentences/s", "of", "the", "first",
    ]  # fmt: skip
    assert one.startswith("run ") and one.endswith(" 1.00")
    assert again.startswith("again ")
    assert [note.split()[0] for note in notes] == ["BLEU", "chrF2", "p"]
    assert notes[-1].endswith("against run, 1,000 samples")


ERRORS = {
    "a name twice": (["a=run", "a=run"], "two systems are called a; give each a name: NAME=MODEL"),
    "no model": (["a="], "'a=' names no system; write NAME=MODEL or NAME=MODEL,MODEL"),
    "a comma too many": (["run,"], "'run,' names no system; write NAME=MODEL or NAME=MODEL,MODEL"),
    "no name": (["=run"], "'=run' names no system; write NAME=MODEL or NAME=MODEL,MODEL"),
}


@pytest.mark.parametrize(("systems", "message"), ERRORS.values(), ids=list(ERRORS))
def test_what_names_no_system_is_refused(nmt: Command, systems: list[str], message: str) -> None:
    finished = nmt(*BENCH, *systems)
    assert (finished.status, finished.err) == (1, f"nmt: {message}\n")


def test_texts_of_different_lengths_are_refused(nmt: Command) -> None:
    Path("short").write_text("one line\n")
    finished = nmt("bench", "systems", "test.src", "--ref", "short", "run")
    assert finished.status == 1
    assert finished.err.startswith("nmt: test.src has 9 lines but short has 1; ")
