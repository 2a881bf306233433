"""`nmt check batch`, and translations that no batch, order or number of threads can change."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.attention.config import AttentionSections
from nmt.checks.sameness import Difference, Outcome, Trial
from nmt.files import atomic_folder
from nmt.model.build import build_model
from nmt.model.config import ModelConfig, with_preset
from nmt.model.directory import load_package, save_package
from nmt.translate import Candidate

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def texts(here: Path, run: Path) -> None:
    """Work on the toy pair with a trained `run`."""


@pytest.fixture
def differing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one of nine lines differ, in two ways, and another, whose second is not there."""
    near = Difference(7, "1 a batch", Candidate("mn", -0.5, -1), Candidate("op", -0.50012, -1.5))
    gone = Difference(2, "shuffled", None, Candidate("st", -0.25, -0.5))

    def outcomes(trial: Trial) -> Iterator[Outcome]:
        yield Outcome("1 a batch", [near], 1.5e-7)
        yield Outcome("2 a batch", [], 0.0)
        yield Outcome("shuffled", [gone, near], 0.0)

    monkeypatch.setattr(Trial, "outcomes", outcomes)


def test_a_model_is_proved_on_a_text(nmt: Command) -> None:
    finished = nmt("check", "batch", "run", "test.src", "--beam", "3", "--nbest", "2")
    assert (finished.status, finished.err) == (0, "")
    heading, *rows, verdict = finished.out.splitlines()
    columns = ["way", "lines that differ", "of 1,000", "scores apart by"]
    assert [each.strip() for each in heading.split("  ") if each] == columns
    ways = ["1 a batch", "2 a batch", "7 a batch", "64 a batch", "shuffled", "shuffled, 7 a batch"]
    assert [row.split("  ")[0] for row in rows][:6] == ways
    assert all(row.split()[-3:-1] == ["0", "0.000"] for row in rows)
    assert verdict == "ok    0 of 9 lines differ; at most 2 of 1,000 may"


@pytest.mark.parametrize(
    "search", [(), ("--method", "sample", "--nbest", "3", "--seed", "5")], ids=str
)
def test_lines_that_are_alone_score_alike_to_the_last_bit(
    nmt: Command, search: tuple[str, ...]
) -> None:
    text = Path("test.src").read_text()
    arguments = ("check", "batch", "run", "--batch-invariant", "--format", "json", *search)
    finished = nmt(*arguments, stdin=text)
    assert (finished.status, finished.err) == (0, "")
    found = json.loads(finished.out)
    assert {name: found[name] for name in ("lines", "differ", "at_most_of_1000", "kept")} == {
        "lines": 9, "differ": 0, "at_most_of_1000": 0.0, "kept": True
    }  # fmt: skip
    assert found["examples"] == []
    assert {each["score_difference"] for each in found["ways"]} == {0.0}


def test_what_differs_is_shown_and_is_the_exit_status(nmt: Command, differing: None) -> None:
    finished = nmt("check", "batch", "run", "test.src")
    assert (finished.status, finished.err) == (1, "")
    assert finished.out.splitlines() == [
        "way        lines that differ  of 1,000  scores apart by",
        "1 a batch                  1     111.1        1.500e-07",
        "2 a batch                  0     0.000            0.000",
        "shuffled                   2     222.2            0.000",
        "line 2, shuffled",
        "  usual  (none)",
        "  other  -0.250000  st",
        "line 7, 1 a batch: scores differ by 0.00012",
        "  usual  -0.500000  mn",
        "  other  -0.500120  op",
        "FAIL  2 of 9 lines differ; at most 2 of 1,000 may",
    ]


def test_in_json_everything_that_differs_is_named(nmt: Command, differing: None) -> None:
    finished = nmt("check", "batch", "run", "test.src", "--format", "json")
    assert finished.status == 1
    found = json.loads(finished.out)
    assert (found["lines"], found["differ"], found["kept"]) == (9, 2, False)
    assert found["ways"][2] == {"way": "shuffled", "differ": [2, 7], "score_difference": 0.0}
    gone, near = found["examples"]
    assert (gone["line"], gone["usual"], gone["score_difference"]) == (2, None, None)
    assert near["other"] == {"text": "op", "score": -0.50012, "log_prob": -1.5}
    assert near["score_difference"] == pytest.approx(0.00012)


@pytest.mark.parametrize(("share", "status"), [("222", 1), ("222.3", 0), ("1000", 0), ("0", 1)])
def test_how_many_may_differ_can_be_said(
    nmt: Command, differing: None, share: str, status: int
) -> None:
    assert nmt("check", "batch", "run", "test.src", "--at-most", share).status == status
    alone = nmt("check", "batch", "run", "test.src", "--batch-invariant")
    assert alone.out.splitlines()[-1] == "FAIL  2 of 9 lines differ; at most 0 of 1,000 may"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("run", "none"), 1, "nmt: cannot read none: No such file or directory\n"),
        (("none", "test.src"), 1, "nmt: none does not exist; a MODEL is a model directory or a r"),
        (("run", "-"), 1, "nmt: standard input has no lines; there is nothing to translate\n"),
        (("run", "test.src", "--beam", "0"), 1, "nmt: search.beam must be at least 1, not 0\n"),
        (("run", "test.src", "--at-most", "-1"), 2, "-1.0 is not in the range 0<=x<=1000"),
        (("run", "test.src", "--set", "search.batch_invariant=2"), 1,
         "nmt: search.batch_invariant must be true or false, not 2 (an integer)\n"),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_user_can_get_wrong(
    nmt: Command, arguments: tuple[str, ...], status: int, message: str
) -> None:
    finished = nmt("check", "batch", *arguments)
    assert (finished.status, finished.out) == (status, "")
    assert message in finished.err
    assert finished.err.count("\n") == 1 or status == 2


def test_a_model_may_always_translate_alone(nmt: Command) -> None:
    given = nmt("translate", "run", "test.src", "--format", "json", "--batch-invariant").out
    package = load_package("run")
    package.settings["search"]["batch_invariant"] = True
    with atomic_folder("alone") as folder:
        save_package(folder, package)
    assert nmt("translate", "alone", "test.src", "--format", "json").out == given
    usual = nmt("translate", "run", "test.src", "--format", "json").out
    told = nmt("translate", "alone", "test.src", "--format", "json", "--no-batch-invariant").out
    assert told == usual


def save_wide(path: str, arch: str) -> None:
    """Save an untrained model whose products are large enough to be shared among threads."""
    package = load_package("run")
    own = {"ffn_size": 1024, "num_heads": 8} if arch == "transformer" else {}
    sizes = {"model_size": 512, "encoder_layers": 1, "decoder_layers": 1, "max_length": 64}
    settings = with_preset({"arch": arch, **sizes, **own})
    vocab = (package.segmenters.source.vocab_size, package.segmenters.target.vocab_size)
    torch.manual_seed(1)
    model = build_model(ModelConfig(**settings), AttentionSections(), *vocab).eval()
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    table = {**package.settings, "model": settings, "attention": {}}
    with atomic_folder(path) as folder:
        save_package(folder, replace(package, model=model, settings=table))


def in_a_process(threads: int, *arguments: str) -> str:
    """Run `nmt` where the environment asks for so many threads."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
    }
    command = [sys.executable, "-m", "nmt", *arguments]
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, timeout=300
    ).stdout


@pytest.mark.slow
@pytest.mark.parametrize(("arch", "precision"), [("rnn", "fp32"), ("transformer", "bf16")])
def test_processes_with_other_threads_write_the_same_bytes(arch: str, precision: str) -> None:
    save_wide("wide", arch)
    lines = [*Path("test.src").read_text().split("\n")[:-1], "ab de il " * 15]
    Path("text").write_text("".join(f"{line}\n" for line in lines))
    Path("reversed").write_text("".join(f"{line}\n" for line in lines[::-1]))
    arguments = ("--batch-invariant", "--precision", precision, "--format", "json")
    found = [
        [json.loads(line)["translations"] for line in out.splitlines()]
        for out in (
            in_a_process(1, "translate", "wide", "text", *arguments),
            in_a_process(2, "translate", "wide", "text", *arguments),
            in_a_process(2, "translate", "wide", "reversed", "--threads", "2", *arguments),
        )
    ]
    assert len(found[0]) == 10
    assert found[0] == found[1] == found[2][::-1]
