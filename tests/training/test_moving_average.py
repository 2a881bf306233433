"""The moving average of weights is what its formula says; training does not know of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.errors import CheckpointError
from nmt.experiment import Experiment
from nmt.launch.start import Start, train
from nmt.launch.workbench import Workbench
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import WEIGHTS, load_package, weights_of
from nmt.model.tensors import load_tensors
from nmt.training.averaging import MovingAverage, average_weights
from nmt.training.loop import Trainer
from nmt.training.update import held_out_loss

Make = Callable[..., Experiment]
MakeModel = Callable[..., EncoderDecoder]
Weights = dict[str, Tensor]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Weights]:
    """Record the weights after every update of a training."""
    found: list[Weights] = []
    update = Trainer._one_update

    def recording(trainer: Trainer, batches: Any) -> None:
        update(trainer, batches)
        weights = weights_of(trainer.updater.model)
        found.append({name: weight.double() for name, weight in weights.items()})

    monkeypatch.setattr(Trainer, "_one_update", recording)
    return found


def closed_form(weights: list[Weights], decay: float) -> Weights:
    """Weigh all weights by what later updates keep of them."""
    kept = [min(decay, (1 + t) / (10 + t)) for t in range(1, len(weights) + 1)]
    shares, rest = [], 1.0
    for number in reversed(range(1, len(weights))):
        shares.append(rest * (1 - kept[number]))
        rest *= kept[number]
    shares.append(rest)
    return {
        name: sum(share * each[name] for share, each in zip(shares, reversed(weights), strict=True))
        for name in weights[0]
    }  # type: ignore[return-value]


@pytest.mark.parametrize("decay", [0.3, 0.999], ids=["settled", "still warming up"])
def test_a_checkpoint_holds_the_weighted_mean_of_all_weights_before(
    experiment: Make, tmp_path: Path, recorded: list[Weights], decay: float
) -> None:
    train(Start(experiment(f"training.ema={decay}"), tmp_path / "run"))
    for update in (4, 6):
        checkpoint = tmp_path / "run" / "checkpoints" / f"update-{update}"
        expected = closed_form(recorded[:update], decay)
        found = load_tensors(checkpoint / WEIGHTS)
        assert {each.dtype for each in found.values()} == {torch.float32}
        assert found.keys() == expected.keys()
        for name, weight in found.items():
            torch.testing.assert_close(weight.double(), expected[name], rtol=1e-5, atol=1e-6)


def test_training_goes_on_from_its_own_weights(experiment: Make, tmp_path: Path) -> None:
    for name, ema in (("with", 0.9), ("without", 0.0)):
        train(Start(experiment(f"training.ema={ema}", "model.dropout=0.3"), tmp_path / name))
    average, plain = (tmp_path / name / "last" for name in ("with", "without"))
    for name in ("optimizer.safetensors", "random.safetensors"):
        assert (average / "state" / name).read_bytes() == (plain / "state" / name).read_bytes()
    assert (average / "state" / WEIGHTS).read_bytes() == (plain / WEIGHTS).read_bytes()
    assert (average / WEIGHTS).read_bytes() != (plain / WEIGHTS).read_bytes()
    assert not (plain / "state" / WEIGHTS).exists()


def test_the_average_is_what_is_measured(experiment: Make, tmp_path: Path) -> None:
    train(Start(experiment("training.ema=0.9"), tmp_path / "run"))
    bench = Workbench.prepare(experiment())
    for checkpoint in (tmp_path / "run" / "checkpoints").iterdir():
        package = load_package(checkpoint)
        dev = {name: each["value"] for name, each in package.metadata["dev"].items()}
        losses = held_out_loss(package.model, bench.dev_batches, bench.compute)
        assert {name: dev[name] for name in losses} == losses
        assert bench.score(package.model)["chrf"].value == dev["chrf"]


def test_moving_averages_may_be_averaged_at_the_end(
    experiment: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([1.0, 2.0, 3.0, 4.0])
    monkeypatch.setattr(Trainer, "_measure", lambda _: {"chrf": {"value": next(values)}})
    run = tmp_path / "run"
    assert train(Start(experiment("training.ema=0.9"), run))["best"] == "average"
    parts = [run / "checkpoints" / f"update-{update}" for update in (4, 6)]
    expected = average_weights(parts)
    torch.testing.assert_close(load_tensors(run / "best" / WEIGHTS), expected, rtol=0, atol=0)


def test_what_fails_in_its_place_leaves_the_weights(make_model: MakeModel) -> None:
    model = make_model()
    moving, before = MovingAverage(model, 0.5), copied(model)
    moving.take()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(1.0)
    after = copied(model)
    with pytest.raises(KeyError), moving.in_place():
        assert_same(copied(model), before)
        raise KeyError
    assert_same(copied(model), after)


def test_before_the_first_update_the_average_is_the_weights(make_model: MakeModel) -> None:
    model = make_model()
    before = copied(model)
    with MovingAverage(model, 0.5).in_place():
        assert_same(copied(model), before)


def copied(model: EncoderDecoder) -> Weights:
    return {name: weight.clone() for name, weight in weights_of(model).items()}


def assert_same(some: Weights, others: Weights) -> None:
    torch.testing.assert_close(some, others, rtol=0, atol=0)


@pytest.mark.parametrize("name", [WEIGHTS, f"state/{WEIGHTS}"])
def test_damage_is_refused_by_the_file(experiment: Make, tmp_path: Path, name: str) -> None:
    train(Start(experiment("training.ema=0.9"), tmp_path / "run"))
    damaged = tmp_path / "run" / "last" / name
    damaged.write_bytes(damaged.read_bytes()[:-9])
    bench = Workbench.prepare(experiment("training.ema=0.9"))
    with pytest.raises(CheckpointError, match=f"update-6/{name} is damaged or incomplete"):
        bench.restore((tmp_path / "run" / "last").resolve())
