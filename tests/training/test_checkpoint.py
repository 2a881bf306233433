"""A checkpoint's state comes back bit for bit, or is refused with what is wrong."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nmt.corpus.batches import Batch, Position
from nmt.errors import CheckpointError, NmtError
from nmt.files import read_json, sha256, write_json
from nmt.model.compute import Compute
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import WEIGHTS, weights_of
from nmt.model.tensors import save_tensors
from nmt.training.checkpoint import Progress, load_state, save_state
from nmt.training.config import TrainingConfig
from nmt.training.objective import Objective
from nmt.training.optimizer import make_optimizer
from nmt.training.update import Totals, Updater

MakeModel = Callable[..., EncoderDecoder]
MakeBatches = Callable[..., list[Batch]]
PROGRESS = Progress(
    update=7,
    position=Position(2, 5),
    best_update=6,
    best_value=1 / 3,
    stale=1,
    seconds=0.1,
    tokens=99,
    validated=[2, 4, 6],
    totals=Totals(loss=1 / 7, nll=2 / 7, correct=3.0, tokens=11, updates=1, gradient=0.1),
)


@pytest.fixture
def make_updater(make_model: MakeModel, compute: Compute) -> Callable[[], Updater]:
    def make() -> Updater:
        model = make_model(dropout=0.3)
        return Updater(model, make_optimizer(model, TrainingConfig()), compute, Objective(0.1), 1.0)

    return make


@pytest.fixture
def checkpoint(
    tmp_path: Path, make_updater: Callable[[], Updater], make_batches: MakeBatches
) -> Path:
    """Save the state after two updates."""
    updater = make_updater()
    for _ in range(2):
        updater.update(make_batches(), Totals())
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    save_tensors(weights_of(updater.model), folder / WEIGHTS)
    save_state(folder, updater, PROGRESS)
    return folder


def after_two_more(updater: Updater, batches: list[Batch]) -> dict[str, Tensor]:
    for _ in range(2):
        updater.update(batches, Totals())
    return dict(updater.model.named_parameters())


def test_what_is_loaded_goes_on_as_what_was_saved(
    checkpoint: Path, make_updater: Callable[[], Updater], make_batches: MakeBatches
) -> None:
    steady = make_updater()
    torch.manual_seed(5)
    for _ in range(2):
        steady.update(make_batches(), Totals())
    folder = checkpoint.with_name("another")
    folder.mkdir()
    save_tensors(weights_of(steady.model), folder / WEIGHTS)
    save_state(folder, steady, PROGRESS)
    expected = after_two_more(steady, make_batches())
    resumed = make_updater()
    torch.manual_seed(6)
    load_state(folder, resumed)
    torch.testing.assert_close(after_two_more(resumed, make_batches()), expected, rtol=0, atol=0)


def test_progress_comes_back_to_the_last_digit(
    checkpoint: Path, make_updater: Callable[[], Updater]
) -> None:
    assert load_state(checkpoint, make_updater()) == PROGRESS


def test_the_state_is_readable(checkpoint: Path) -> None:
    state = checkpoint / "state"
    names = ("optimizer.safetensors", "random.safetensors")
    files = {name: sha256(state / name) for name in names}
    assert read_json(state / "progress.json") == {**asdict(PROGRESS), "files": files}


@pytest.mark.parametrize("name", ["optimizer.safetensors", "random.safetensors"])
def test_one_bit_of_the_state_is_missed(
    checkpoint: Path, make_updater: Callable[[], Updater], name: str
) -> None:
    path = checkpoint / "state" / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    message = rf"{name} is damaged or was changed \(its hash differs from progress\.json\)"
    with pytest.raises(CheckpointError, match=message):
        load_state(checkpoint, make_updater())


def test_a_state_without_hashes_still_loads(
    checkpoint: Path, make_updater: Callable[[], Updater]
) -> None:
    write_json(checkpoint / "state" / "progress.json", asdict(PROGRESS))
    assert load_state(checkpoint, make_updater()) == PROGRESS


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("damage", [cut, Path.unlink], ids=["cut", "missing"])
@pytest.mark.parametrize(
    "name",
    [WEIGHTS, "state/optimizer.safetensors", "state/random.safetensors", "state/progress.json"],
)
def test_damage_is_refused_by_the_file(
    checkpoint: Path,
    make_updater: Callable[[], Updater],
    name: str,
    damage: Callable[[Path], None],
) -> None:
    damage(checkpoint / name)
    with pytest.raises(NmtError, match=name):
        load_state(checkpoint, make_updater())


@pytest.mark.parametrize("content", ["{}", "[]", "null", '{"update": 1, "position": 3}'])
def test_progress_that_lacks_something_is_refused(
    checkpoint: Path, make_updater: Callable[[], Updater], content: str
) -> None:
    (checkpoint / "state" / "progress.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"progress\.json is damaged"):
        load_state(checkpoint, make_updater())


def test_the_state_of_another_model_is_refused(
    checkpoint: Path, make_updater: Callable[[], Updater], make_model: MakeModel, compute: Compute
) -> None:
    model = make_model(model_size=8)
    other = Updater(model, make_optimizer(model, TrainingConfig()), compute, Objective(0.1), 1.0)
    with pytest.raises(CheckpointError, match=r"model\.safetensors does not fit its config.toml"):
        load_state(checkpoint, other)
    shutil.rmtree(checkpoint)
    with pytest.raises(CheckpointError, match="is missing"):
        load_state(checkpoint, make_updater())
