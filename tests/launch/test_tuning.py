"""Fine-tuning: what is taken from a parent, and what it may not differ in."""

from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.errors import CheckpointError, ConfigError
from nmt.experiment import Experiment
from nmt.launch.start import Start, resume, train
from nmt.launch.workbench import Workbench
from nmt.model.directory import WEIGHTS, load_package
from nmt.model.tensors import load_tensors
from nmt.settings import to_table
from nmt.training.loop import Trainer
from nmt.training.run import Run
from nmt.training.update import held_out_loss
from tests.launch.killing import Contents, Killed, Make, killed, weights

pytestmark = pytest.mark.usefixtures("hasty")


@pytest.mark.usefixtures("never")
def test_a_fine_tuned_model_begins_as_its_parent(
    experiment: Make, trained: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}

    def look(bench: Workbench, run: Any, experiment: Experiment, progress: Any) -> dict[str, Any]:
        losses = held_out_loss(bench.model.eval(), bench.dev_batches, bench.compute)
        scores = {name: score.value for name, score in bench.score(bench.model).items()}
        seen.update(weights=weights(bench), measured={**losses, **scores}, experiment=experiment)
        return {}

    monkeypatch.setattr(Workbench, "train", look)
    changes = ("model.dropout=0.5", "compute.seed=9")
    train(Start(experiment(*changes), folder, parent=trained))
    expected = load_package(trained)
    torch.testing.assert_close(
        seen["weights"], load_tensors(trained / "best" / WEIGHTS), rtol=0, atol=0
    )
    dev = {name: score["value"] for name, score in expected.metadata["dev"].items()}
    assert seen["measured"] == dev
    model = to_table(seen["experiment"].model)
    assert model == {**expected.settings["model"], "dropout": 0.5}


def test_fine_tuning_moves_on_from_the_parent_and_leaves_it(
    experiment: Make, trained: Path, folder: Path, contents: Contents
) -> None:
    before = contents(trained)
    gentle = ("training.learning_rate=1e-5", "training.best_metric=loss", "training.average=0")
    train(Start(experiment(*gentle), folder, parent=trained))
    tuned, parent = (load_tensors(path / "best" / WEIGHTS) for path in (folder, trained))
    torch.testing.assert_close(tuned, parent, rtol=0, atol=1e-3)
    assert any(not torch.equal(tuned[name], parent[name]) for name in parent)
    assert contents(trained) == before
    assert Run(folder).manifest()["inputs"].keys() >= {"parent"}


def test_a_fine_tuned_run_killed_before_its_first_checkpoint_begins_from_its_parent_again(
    experiment: Make, run: Path, tmp_path: Path, contents: Contents
) -> None:
    train(Start(experiment(), tmp_path / "steady", parent=run))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Trainer, "_validate_and_save", killed)
        train(Start(experiment(), tmp_path / "killed", parent=run))
    resume(tmp_path / "killed")
    assert contents(tmp_path / "killed") == contents(tmp_path / "steady")


@pytest.mark.usefixtures("never")
def test_a_parent_that_has_changed_is_refused_where_it_is_needed_again(
    experiment: Make, run: Path, folder: Path
) -> None:
    with pytest.raises(Killed):
        train(Start(experiment(), folder, parent=run))
    (run / "best").unlink()
    (run / "best").symlink_to("checkpoints/update-45")
    with pytest.raises(CheckpointError, match=rf"{run} has changed since {folder} was started"):
        resume(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.model_size=32", "model.model_size = 32 was asked for, .* which has 16"),
        ("attention.cross.score=cosine", 'cross.score = "cosine" was asked .* has "scaled-dot"; '),
    ],
)
def test_another_shape_than_the_parents_is_refused(
    experiment: Make, trained: Path, folder: Path, change: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(Start(experiment(change), folder, parent=trained))
    assert not folder.exists()


def test_whoever_may_read_a_folder_may_read_its_weights(trained: Path) -> None:
    modes = [(trained / "best" / name).stat().st_mode for name in (WEIGHTS, "config.toml")]
    assert modes[0] == modes[1]


def test_a_parent_with_another_segmenter_is_refused(
    experiment: Make, trained: Path, apart: Path, folder: Path
) -> None:
    with pytest.raises(CheckpointError, match="was trained with another segmenter than"):
        train(Start(experiment(f"data.train={apart}"), folder, parent=trained))
    assert not folder.exists()


def test_a_parent_that_is_no_model_is_refused(experiment: Make, toy: Path, folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no model \(no metadata.json\) and no run"):
        train(Start(experiment(), folder, parent=toy))
