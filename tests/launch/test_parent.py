"""Fine-tuning takes a parent's shape; attention may gain parts that start by changing little."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.errors import ConfigError
from nmt.experiment import Experiment
from nmt.launch.start import Start, resume, train
from nmt.launch.workbench import Workbench
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import WEIGHTS, load_package, weights_of
from nmt.model.tensors import load_tensors
from nmt.training.loop import Trainer

pytestmark = pytest.mark.usefixtures("hasty")

Make = Callable[..., Experiment]
EVERYWHERE = ("encoder", "decoder", "cross")


class Killed(BaseException):
    """Stands for a kill inside this process."""


def killed(*_: object) -> None:
    raise Killed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new"


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Keep what a training would begin with, and let it not begin."""
    seen: dict[str, Any] = {}

    def look(bench: Workbench, run: Any, experiment: Experiment, progress: Any) -> dict[str, Any]:
        seen.update(model=bench.model, attention=experiment.attention)
        return {}

    monkeypatch.setattr(Workbench, "train", look)
    return seen


def said(model: EncoderDecoder) -> Tensor:
    """Compute states of one pair."""
    ids = torch.arange(4, 10).unsqueeze(0)
    with torch.inference_mode():
        return model.eval().decode(model.encode(ids, torch.tensor([6])), ids, torch.tensor([6]))


ADDED: dict[str, tuple[list[str], str, float]] = {  # what is asked, where it is, the difference
    "gated-heads": ([], "encoder.0.attention.gates.logit", 0.0),
    "talking-heads": ([], "encoder.0.attention.composition.mixing.scores", 1e-5),
    "bucketed": (["encoder", "decoder"], "encoder.0.attention.composition.term.table", 0.0),
    "adaptive-span": (["encoder", "decoder"], "decoder.0.attention.composition.term.share", 1e-5),
    "sink": ([], "decoder.0.cross_attention.composition.normaliser.logit", 0.5),
    "adaptive-alpha": ([], "decoder.0.cross_attention.composition.normaliser.logit", 0.5),
    "gated-context": ([], "decoder.0.cross_attention.context_gate.bias", 1.5),
}


@pytest.mark.parametrize("variant", ADDED)
def test_what_is_added_starts_by_changing_little(
    experiment: Make, trained: Path, folder: Path, begun: dict[str, Any], variant: str
) -> None:
    roles, weight, difference = ADDED[variant]
    changes = [f"attention.{role}.variant={variant}" for role in roles or EVERYWHERE]
    train(Start(experiment(*changes), folder, parent=trained))
    parent = load_package(trained).model
    own, given = weights_of(begun["model"]), weights_of(parent)
    assert weight in own.keys() - given.keys()
    assert_close({name: own[name] for name in given}, given, rtol=0, atol=0)
    assert_close(said(begun["model"]), said(parent), rtol=0, atol=difference or 1e-6)
    assert begun["attention"].encoder.variant == variant


def test_fresh_weights_are_named_in_one_line(
    experiment: Make, trained: Path, folder: Path, begun: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)
    changes = [f"attention.{role}.variant=gated-heads" for role in EVERYWHERE]
    train(Start(experiment(*changes), folder, parent=trained))
    (line,) = [each for each in caplog.messages if "fresh" in each]
    assert line == (
        "3 weights start fresh: decoder.*.attention.gates.logit, "
        "decoder.*.cross_attention.gates.logit, encoder.*.attention.gates.logit"
    )


def test_a_run_with_additions_that_is_killed_early_begins_again_the_same(
    experiment: Make, trained: Path, tmp_path: Path
) -> None:
    gated = experiment("attention.cross.variant=gated-heads", "attention.cross.penalty=0.1")
    train(Start(gated, tmp_path / "steady", parent=trained))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Trainer, "_validate_and_save", killed)
        train(Start(gated, tmp_path / "killed", parent=trained))
    resume(tmp_path / "killed")
    one, other = (load_tensors(tmp_path / each / "last" / WEIGHTS) for each in ("steady", "killed"))
    assert_close(one, other, rtol=0, atol=0)


def test_additions_stand_beside_what_the_parent_has(
    experiment: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(Start(experiment("attention.decoder.variant=rotary"), tmp_path / "rotary"))
    seen: dict[str, Any] = {}
    monkeypatch.setattr(Workbench, "train", lambda bench, run, made, _: seen.update(made=made))
    changes = ("attention.decoder.variant=gated-heads", "attention.decoder.penalty=0.2")
    train(Start(experiment(*changes), tmp_path / "gated", parent=tmp_path / "rotary"))
    made = seen["made"].attention.decoder
    assert (made.variant, made.positions, made.gates, made.penalty) == (
        "gated-heads", "rotary", True, 0.2,
    )  # fmt: skip


@pytest.mark.parametrize("change", ["kernel=dense", "dropout=0.1"])
def test_what_needs_no_weights_is_free(
    experiment: Make, trained: Path, folder: Path, begun: dict[str, Any], change: str
) -> None:
    name, _, value = change.partition("=")
    train(Start(experiment(f"attention.cross.{change}"), folder, parent=trained))
    assert str(getattr(begun["attention"].cross, name)) == value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("variant=cosine", 'cross.score = "cosine" was asked for, .* which has "scaled-dot"; '),
        ("variant=mqa", r"cross.key_value_heads = 1 was asked for, .* which has 0; leave"),
        ("variant=entmax", 'cross.normaliser = "entmax" was asked for'),
        ("variant=linear", 'cross.variant = "linear" was asked for, .* which has "multi-head"'),
        ("heads=['1']", "cross.heads = .* was asked for"),
    ],
)
def test_what_would_change_weights_or_their_meaning_is_refused(
    experiment: Make, trained: Path, folder: Path, change: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(Start(experiment(f"attention.cross.{change}"), folder, parent=trained))
    assert not folder.exists()


def test_one_addition_does_not_replace_another(
    experiment: Make, trained: Path, folder: Path, tmp_path: Path
) -> None:
    train(Start(experiment("attention.cross.variant=sink"), folder, parent=trained))
    again = Start(experiment("attention.cross.variant=adaptive-alpha"), tmp_path / "b", folder)
    with pytest.raises(ConfigError, match=r'normaliser = "alpha" was asked for, .* has "sink"'):
        train(again)
