"""Optimizers: what decays, and a memory that comes back bit for bit."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim import Adam, AdamW, Optimizer

from nmt.errors import CheckpointError
from nmt.model.contract import EncoderDecoder
from nmt.training.config import TrainingConfig
from nmt.training.optimizer import (
    is_matrix,
    make_optimizer,
    optimizer_tensors,
    restore_optimizer,
    set_rate,
)

MakeModel = Callable[..., EncoderDecoder]


def take_steps(model: nn.Module, optimizer: Optimizer, seeds: range) -> None:
    """Step with gradients that depend on nothing but the seed."""
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        for weight in model.parameters():
            weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.step()


def assert_same_weights(one: nn.Module, two: nn.Module, tolerance: float = 0.0) -> None:
    torch.testing.assert_close(
        dict(one.named_parameters()), dict(two.named_parameters()), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_steps_are_those_of_torch(make_model: MakeModel, kind: str) -> None:
    config = TrainingConfig(optimizer=kind, beta1=0.8, beta2=0.7, weight_decay=0.3)
    ours, theirs = make_model(), make_model()
    optimizer = make_optimizer(ours, config)
    set_rate(optimizer, 0.01)
    matrices = [each for each in theirs.parameters() if each.dim() > 1]
    vectors = [each for each in theirs.parameters() if each.dim() <= 1]
    assert len(matrices) > 5 < len(vectors)
    references: list[Optimizer] = [
        Adam([*matrices, *vectors], 0.01, (0.8, 0.7), eps=1e-9, foreach=False)
    ]
    if kind == "adamw":
        references = [
            AdamW(matrices, 0.01, (0.8, 0.7), eps=1e-9, weight_decay=0.3, foreach=False),
            AdamW(vectors, 0.01, (0.8, 0.7), eps=1e-9, weight_decay=0.0, foreach=False),
        ]
    take_steps(ours, optimizer, range(3))
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        for weight in theirs.parameters():
            weight.grad = torch.randn(weight.shape, generator=generator)
        for reference in references:
            reference.step()
    assert_same_weights(ours, theirs, 1e-6)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((3, 2), True), ((4, 3, 2), True), ((4, 1, 3), True), ((3,), False), ((4, 1, 1), False)],
    ids=str,
)
def test_a_number_for_each_head_is_no_matrix(shape: tuple[int, ...], expected: bool) -> None:
    assert is_matrix(torch.zeros(shape)) == expected


@pytest.mark.parametrize("kind", ["adam", "adamw", "muon"])
def test_a_restored_memory_steps_on_bit_for_bit(make_model: MakeModel, kind: str) -> None:
    config = TrainingConfig(optimizer=kind)
    steady, resumed = make_model(), make_model()
    optimizer, another = make_optimizer(steady, config), make_optimizer(resumed, config)
    take_steps(steady, optimizer, range(3))
    resumed.load_state_dict(steady.state_dict())
    restore_optimizer(resumed, another, optimizer_tensors(steady, optimizer))
    take_steps(steady, optimizer, range(3, 6))
    take_steps(resumed, another, range(3, 6))
    assert_same_weights(resumed, steady)


def test_a_restored_memory_is_a_copy(make_model: MakeModel) -> None:
    model, other = make_model(), make_model()
    optimizer = make_optimizer(model, TrainingConfig())
    take_steps(model, optimizer, range(1))
    saved = {name: each.clone() for name, each in optimizer_tensors(model, optimizer).items()}
    another = make_optimizer(other, TrainingConfig())
    restore_optimizer(other, another, optimizer_tensors(model, optimizer))
    take_steps(other, another, range(1, 3))
    torch.testing.assert_close(optimizer_tensors(model, optimizer), saved, rtol=0, atol=0)


def test_every_weight_has_its_memory_by_name(make_model: MakeModel) -> None:
    model = make_model()
    optimizer = make_optimizer(model, TrainingConfig())
    take_steps(model, optimizer, range(2))
    tensors = optimizer_tensors(model, optimizer)
    names = [name for name, _ in model.named_parameters()]
    kinds = ("exp_avg", "exp_avg_sq", "step")
    assert sorted(tensors) == sorted(f"{kind}.{name}" for kind in kinds for name in names)
    assert all(float(tensors[f"step.{name}"]) == 2 for name in names)


def test_a_missing_memory_is_named(make_model: MakeModel) -> None:
    model = make_model()
    optimizer = make_optimizer(model, TrainingConfig())
    take_steps(model, optimizer, range(1))
    tensors = optimizer_tensors(model, optimizer)
    del tensors["exp_avg_sq.encoder_norm.weight"]
    with pytest.raises(CheckpointError, match=r"lacks exp_avg_sq of encoder_norm\.weight"):
        restore_optimizer(model, optimizer, tensors)


def test_the_rate_holds_for_every_weight(make_model: MakeModel) -> None:
    model, start = make_model(), make_model()
    optimizer = make_optimizer(model, TrainingConfig())
    set_rate(optimizer, 0.0)
    take_steps(model, optimizer, range(2))
    assert_same_weights(model, start)


class Partly(nn.Module):
    """A model of which one weight is trained, one has no gradient yet, one never will."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Parameter(torch.ones(3, 2))
        self.idle = nn.Parameter(torch.ones(4, 2))
        self.fixed = nn.Parameter(torch.ones(5), requires_grad=False)

    def regulators(self) -> list[nn.Parameter]:
        return []

    def give(self, *names: str, seed: int) -> None:
        """Give some weights a gradient, and the others none."""
        generator = torch.Generator().manual_seed(seed)
        for name, weight in self.named_parameters():
            drawn = torch.randn(weight.shape, generator=generator)
            weight.grad = drawn if name in names else None


@pytest.mark.parametrize("kind", ["adam", "adamw", "muon"])
def test_weights_without_a_gradient_stay_and_come_back(kind: str) -> None:
    config = TrainingConfig(optimizer=kind)
    steady, resumed = Partly(), Partly()
    optimizer, another = make_optimizer(steady, config), make_optimizer(resumed, config)
    steady.give("used", seed=1)
    optimizer.step()
    assert torch.equal(steady.idle, torch.ones(4, 2))
    saved = optimizer_tensors(steady, optimizer)
    assert [float(saved[f"step.{name}"]) for name in ("used", "idle", "fixed")] == [1, 0, 0]
    resumed.load_state_dict(steady.state_dict())
    restore_optimizer(resumed, another, saved)
    for seed in (2, 3):
        for model, each in ((steady, optimizer), (resumed, another)):
            model.give("used", "idle", seed=seed)
            each.step()
    assert_same_weights(resumed, steady)
    assert torch.equal(steady.fixed, torch.ones(5))
    assert not torch.equal(steady.idle, torch.ones(4, 2))
