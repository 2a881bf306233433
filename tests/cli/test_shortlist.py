"""`nmt shortlist`, and what `nmt translate --shortlist` makes of a shortlist."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.files import atomic_folder, read_json, sha256
from nmt.model.directory import load_package, save_package
from nmt.model.shortlist import Shortlist

Command = Callable[..., Any]
END = 2


@pytest.fixture(autouse=True)
def texts(here: Path, run: Path) -> None:
    """Work on the toy pair with a trained `run`."""


def save_with(name: str, shortlist: Shortlist | None) -> None:
    """Save the trained model with another shortlist."""
    package = load_package("run")
    package.model.shortlist = shortlist
    with atomic_folder(name) as folder:
        save_package(folder, package)


def narrow() -> Shortlist:
    """Let every piece suggest four pieces, so that few translations stay as they were."""
    size = load_package("run").segmenters.source.vocab_size
    few = torch.arange(4 * size) % 4 + 5
    return Shortlist(torch.tensor([END]), torch.arange(size + 1) * 4, few)


def test_a_model_that_has_none_is_given_what_training_gives(nmt: Command) -> None:
    save_with("old", None)
    finished = nmt("shortlist", "old", "corpus", "--output", "new")
    assert (finished.status, finished.out) == (0, ""), finished.err
    assert finished.err.startswith("new: ")
    assert " pieces for every line, and " in finished.err
    assert finished.err.count("\n") == 1
    files = ("model.safetensors", "shortlist.safetensors", "config.toml")
    for name in files:
        assert sha256(Path("new") / name) == sha256(Path("run/best") / name)
    before, after = (read_json(Path(name) / "metadata.json") for name in ("run/best", "new"))
    assert before == after
    arguments = ("test.src", "--shortlist", "--format", "json")
    assert nmt("translate", "new", *arguments) == nmt("translate", "run", *arguments)


def test_without_a_shortlist_everything_is_searched_and_that_is_said(nmt: Command) -> None:
    save_with("old", None)
    plain = nmt("translate", "run", "test.src", "--format", "json")
    assert plain.err == ""
    assert nmt("translate", "old", "test.src", "--format", "json") == plain
    asked = nmt("translate", "old", "test.src", "--shortlist", "--format", "json")
    assert asked.out == plain.out
    assert asked.err == (
        "old has no shortlist, so all pieces are searched; nmt shortlist gives it one\n"
    )


def test_a_shortlist_is_used_only_if_asked_for_and_by_a_plain_beam(nmt: Command) -> None:
    save_with("narrow", narrow())

    def found(*flags: str) -> str:
        finished = nmt("translate", "narrow", "test.src", "--format", "json", *flags)
        assert finished.status == 0, finished.err
        return str(finished.out)

    assert found() == found("--no-shortlist") != found("--shortlist")
    for flags in (
        ("--coverage-beta", "0.2"), ("--beam", "4", "--groups", "2"), ("--no-repeat-ngram", "2"),
        ("--method", "sample"),
    ):  # fmt: skip
        assert found(*flags) == found(*flags, "--shortlist")
    for flags in (("--stop", "bound"), ("--beam", "1"), ("--nbest", "2"), ("--batch-invariant",)):
        assert found(*flags) != found(*flags, "--shortlist")


@pytest.mark.parametrize("first", ["", "ba"])
def test_prefixes_need_all_pieces_whatever_they_are(
    nmt: Command, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """For the whole text, so that no line depends on the prefix of another in its batch."""
    monkeypatch.setattr("nmt.translate.LINES_AT_ONCE", 2)
    save_with("narrow", narrow())
    lines = Path("test.src").read_text().count("\n")
    Path("prefix").write_text(f"{first}\n" + "\n" * (lines - 1))
    arguments = ("translate", "narrow", "test.src", "--prefix", "prefix", "--format", "json")
    assert nmt(*arguments, "--shortlist").out == nmt(*arguments).out


def test_corpora_that_cannot_serve_are_refused_in_a_line(nmt: Command) -> None:
    assert nmt("encode", "train.src", "--model", "joint.model", "--output", "mono").status == 0
    arguments = ("segment", "learn", "train.src", "train.tgt", "--output", "other.model")
    learnt = nmt(*arguments, "--config", "toy.toml", "--vocab-size", "55")
    assert learnt.status == 0, learnt.err
    other = ("encode", "train.src", "train.tgt", "--model", "other.model", "--output", "other")
    assert nmt(*other).status == 0
    for corpora, message in (
        (("mono",), "mono is monolingual; a shortlist is learnt from pairs"),
        (("other",), "other was encoded with other segmenters than run has; encode its text with"
                     " --model run/best/source.model --target-model run/best/target.model"),
        (("corpus", "other"), "other was encoded with another segmenter than corpus"),
        (("corpus", "mono"), "mono holds source text, but corpus source and target; train"),
        (("missing",), "missing"),
    ):  # fmt: skip
        finished = nmt("shortlist", "run", *corpora, "--output", "new")
        assert (finished.status, finished.out) == (1, "")
        assert finished.err.startswith(f"nmt: {message}")
        assert finished.err.count("\n") == 1
        assert not Path("new").exists()


def test_what_is_no_model_and_what_exists_is_refused_in_a_line(nmt: Command) -> None:
    finished = nmt("shortlist", "corpus", "corpus", "--output", "new")
    assert finished == (
        1, "", "nmt: corpus holds no model (no metadata.json) and no run\n"
    )  # fmt: skip
    finished = nmt("shortlist", "run", "corpus", "--output", "toy.toml")
    assert finished.err == "nmt: toy.toml exists already; choose another name or remove it\n"
    assert nmt("shortlist", "run", "--output", "new").status == 2


def test_averages_keep_the_shortlist(nmt: Command) -> None:
    assert nmt("average", "run", "--last", "2", "--output", "average").status == 0
    names = (Path(name) / "shortlist.safetensors" for name in ("average", "run/best"))
    assert len({sha256(name) for name in names}) == 1


def test_converted_models_keep_the_shortlist(nmt: Command) -> None:
    finished = nmt("attention", "convert", "run", "converted", "--key-value-heads", "1")
    assert finished.status == 0, finished.err
    names = (Path(name) / "shortlist.safetensors" for name in ("converted", "run/best"))
    assert len({sha256(name) for name in names}) == 1
