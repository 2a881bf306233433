"""The whole chain at the command line: segment learn, encode, train, translate, score."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

LEARN = ("segment", "learn", "train.src", "train.tgt", "--output", "own.model")
ENCODE = ("encode", "train.src", "train.tgt", "--model", "own.model", "--output", "encoded")
TRAIN = ("train", "--train", "encoded", "--output", "run")
TRANSLATE = ("translate", "run", "dev.src", "--output", "dev.hyp")
SCORE = ("score", "dev.hyp", "--ref", "dev.tgt", "--format", "json")


@pytest.fixture(autouse=True)
def texts(here: Path) -> None:
    """Work on the toy pair, with a development set on which models are easily told apart."""
    for side in ("src", "tgt"):
        lines = (here / f"train.{side}").read_text() + (here / f"dev.{side}").read_text()
        (here / f"dev.{side}").write_text(lines)


def run_all(run: Callable[..., str], *changes: str) -> dict[str, Any]:
    """Run the chain on one settings file, and return the final scores."""
    sets = [part for change in changes for part in ("--set", change)]
    for command in (LEARN, ENCODE, TRAIN, TRANSLATE):
        run(*command, "--config", "toy.toml", *sets)
    assert run(*TRANSLATE[:-2]) == Path("dev.hyp").read_text()  # the model knows its settings
    scores: dict[str, Any] = json.loads(run(*SCORE, "--config", "toy.toml", *sets))
    return scores


@pytest.fixture
def inside(nmt: Command) -> Callable[..., str]:
    """Run a command that must succeed, in this process."""

    def run(*arguments: str) -> str:
        finished = nmt(*arguments)
        assert (finished.status, "Traceback" in finished.err) == (0, False), finished.err
        return str(finished.out)

    return run


def assert_agrees(scores: dict[str, Any]) -> None:
    """Compare final scores with those that training chose the best by: to the last digit."""
    dev = json.loads(Path("run/best/metadata.json").read_text())["dev"]
    final = {each["metric"]: (each["value"], each["signature"]) for each in scores["scores"]}
    assert final == {name: (dev[name]["value"], dev[name]["signature"]) for name in final}
    assert list(final) == ["bleu", "chrf"]
    assert final["chrf"][0] > 1


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "changes",
    [
        ("compute.precision=fp32",),
        ("compute.precision=auto", "search.beam=5", "training.average=0"),
        ("compute.precision=bf16", "search.beam=5", "training.average=0"),
        ("score.tokenize=char", "score.lowercase=true", "search.beam=3", "search.length_alpha=2.0"),
        ("search.shortlist=true", "search.beam=4", "training.average=0"),
        ("search.shortlist=true", "compute.precision=bf16", "training.ema=0.5"),
    ],
    ids=["fp32", "auto", "bf16", "other search and score", "shortlist", "shortlist in bf16"],
)
def test_the_final_score_is_the_one_that_training_saw(
    inside: Callable[..., str], changes: tuple[str, ...]
) -> None:
    longer = ("training.max_updates=45", "training.validate_every=15", "training.warmup=9")
    assert_agrees(run_all(inside, *longer, *changes))
    lines = [Path(name).read_text().count("\n") for name in ("dev.src", "dev.hyp", "dev.tgt")]
    assert lines == [132] * 3


def test_the_chain_twice_is_the_same_to_the_last_byte(
    inside: Callable[..., str], contents: Callable[[Path], dict[str, Any]]
) -> None:
    scores = run_all(inside)
    names = ("own.model", "dev.hyp")
    files = [Path(name).read_bytes() for name in names]
    before = {name: contents(Path(name)) for name in ("encoded", "run")}
    Path("run").rename("before")
    assert run_all(inside) == scores
    assert [Path(name).read_bytes() for name in names] == files
    assert {name: contents(Path(name)) for name in before} == before


@pytest.mark.slow
def test_the_chain_in_processes_of_its_own(contents: Callable[[Path], dict[str, Any]]) -> None:
    def outside(*arguments: str) -> str:
        command = [sys.executable, "-m", "nmt", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert_agrees(run_all(outside))
    piped = subprocess.run(
        f"'{sys.executable}' -m nmt translate run < dev.src"
        f" | '{sys.executable}' -m nmt score --ref dev.tgt --quiet --width 9",
        shell=True, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    dev = json.loads(Path("run/best/metadata.json").read_text())["dev"]
    assert piped.splitlines() == [f"{dev[name]['value']:.9f}" for name in ("bleu", "chrf")]
