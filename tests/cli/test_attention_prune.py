"""`nmt attention prune` end to end, from a trained model to a smaller one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt.attention.config import ROLES
from nmt.files import read_json, sha256
from nmt.model.derived import composed
from nmt.model.directory import WEIGHTS, load_package, save_package
from nmt.model.inventory import SHORTLIST

Command = Callable[..., Any]

GATED = ("--attention", "gated-heads", "--set", "attention.encoder.penalty=0.1")


@pytest.fixture
def gated(nmt: Command, here: Path, trained: Path) -> Path:
    """Give a trained model gates, one of each layer closed, one of the encoder's ajar."""
    train = ("train", "--config", "toy.toml", "--from", str(trained), "--output", "gated")
    assert nmt(*train, *GATED, "--max-updates", "2", "--quiet").status == 0
    package = load_package("gated")
    for mechanism in composed(package.model).values():
        assert mechanism.gates is not None
        mechanism.gates.logit.data[0] = -9.0
    composed(package.model)["encoder.0.attention"].gates.logit.data[1] = -2.0  # type: ignore[union-attr]
    folder = here / "closed"
    folder.mkdir()
    save_package(folder, replace(package, metadata=package.metadata))
    return folder


def test_a_pruned_model_translates_the_same_and_is_smaller(nmt: Command, gated: Path) -> None:
    finished = nmt("attention", "prune", str(gated), "pruned")
    assert finished.status == 0
    for line in (
        "encoder.0.attention: 1 of 2 heads\n",
        "decoder.0.attention: 1 of 2 heads\n",
        "decoder.0.cross_attention: 1 of 2 heads\n",
        " are left\n",
    ):
        assert line in finished.err
    assert "differently" not in finished.err
    assert (Path("pruned") / WEIGHTS).stat().st_size < (gated / WEIGHTS).stat().st_size
    before, after = (nmt("translate", each, "test.src") for each in (str(gated), "pruned"))
    assert before.out == after.out != ""
    lists = (folder / SHORTLIST for folder in (gated, Path("pruned")))
    assert len({sha256(each) for each in lists}) == 1
    attention = load_package("pruned").settings["attention"]
    for role in ROLES:
        assert attention[role]["heads"] == ["1"]
        assert attention[role]["variant"] == "multi-head"
        assert attention[role]["penalty"] == 0.0
    metadata = read_json("pruned/metadata.json")
    assert metadata["dev"] == {}
    assert [each["operation"] for each in metadata["history"]] == ["prune"]


def test_a_pruned_model_trains_further(nmt: Command, gated: Path) -> None:
    assert nmt("attention", "prune", str(gated), "pruned").status == 0
    train = ("train", "--config", "toy.toml", "--from", "pruned", "--output", "tuned")
    assert nmt(*train, "--max-updates", "2").status == 0
    assert load_package("tuned").settings["attention"]["cross"]["heads"] == ["1"]


def test_a_threshold_says_what_is_lost(nmt: Command, gated: Path) -> None:
    finished = nmt("attention", "prune", str(gated), "pruned", "--closed-below", "0.1")
    assert finished.status == 0
    assert "encoder.0.attention: 0 of 2 heads\n" in finished.err
    assert "1 heads were removed whose gates were open, up to 0.04: pruned transl" in finished.err
    assert nmt("translate", "pruned", "test.src").status == 0


def test_a_model_without_gates_is_refused_with_the_way_to_get_some(
    nmt: Command, trained: Path, tmp_path: Path
) -> None:
    finished = nmt("attention", "prune", str(trained), "out")
    assert (finished.status, finished.out, finished.err.count("\n")) == (1, "", 1)
    assert "has no gates" in finished.err
    assert not list(tmp_path.iterdir())
