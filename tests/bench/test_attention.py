"""What is timed is the mechanism: the same mathematics, on the layout of its role."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nmt.attention.variants import VARIANTS
from nmt.bench.attention import (
    Decoding,
    attend,
    build_layers,
    copied,
    copying,
    measure,
    pass_layout,
    repeat,
)
from nmt.bench.cells import BASELINE, PASS, STEP, Cell, Scale
from nmt.model.compute import Compute

CPU = torch.device("cpu")
COMPUTE = Compute(CPU, torch.float32)
SMALL = Scale(model_size=16, num_heads=2, batch_tokens=24, repeats=2)
CASES = [
    (name, role, work)
    for name, each in VARIANTS.items()
    for role in sorted(each.roles - {"encoder"})
    for work in (PASS, STEP)
]


@pytest.mark.sampled(5)
@pytest.mark.parametrize("what", ["mechanism", "kernel"])
@pytest.mark.parametrize(("name", "role", "work"), CASES)
def test_every_variant_is_measured(name: str, role: str, work: str, what: str) -> None:
    scale = Scale(**{**vars(SMALL), "what": what})
    figures = measure(Cell(work, role, 12, name), scale, COMPUTE)
    assert (figures.repeats, figures.cut) == (2, "")
    assert figures.seconds is not None
    assert min(figures.needed_seconds, figures.seconds) > 0.0
    if work == PASS:
        assert figures.sentences == 2
        assert figures.peak_bytes is not None
        assert figures.peak_bytes > 0
        assert figures.cache_bytes is None
    else:
        assert figures.sentences == 1
        assert figures.peak_bytes is None
        assert figures.cache_bytes is not None


@pytest.mark.parametrize(("name", "size"), [(BASELINE, 2 * 16), ("mqa", 2 * 8), ("tied-kv", 16)])
@pytest.mark.parametrize("role", ["decoder", "cross"])
def test_a_cache_has_the_size_that_the_table_states(name: str, size: int, role: str) -> None:
    figures = measure(Cell(STEP, role, 12, name), SMALL, COMPUTE)
    assert figures.cache_bytes == 12 * size * 4


@pytest.mark.parametrize("name", [BASELINE, "tied-kv", "dilated", "shared-kv", "shared-weights"])
def test_filling_at_once_leaves_what_steps_leave(name: str) -> None:
    cell = Cell(STEP, "decoder", 70, name)
    with torch.inference_mode():
        at_once, by_steps = (
            Decoding(build_layers(cell, SMALL, CPU), cell, SMALL, CPU) for _ in range(2)
        )
        at_once.fill()
        while by_steps.position < by_steps.first:
            by_steps.step()
    assert at_once.position == by_steps.position
    for one, other in zip(at_once.caches, by_steps.caches, strict=True):
        assert one.num_bytes() == other.num_bytes()
        assert getattr(one, "length", None) == getattr(other, "length", None)


def test_layers_that_share_are_measured_together() -> None:
    cell = Cell(STEP, "decoder", 12, "shared-kv")
    assert measure(cell, SMALL, COMPUTE).layers == 2
    whole = measure(Cell(STEP, "decoder", 12, BASELINE), SMALL, COMPUTE)
    assert whole.layers == 1
    assert measure(cell, SMALL, COMPUTE).cache_bytes == whole.cache_bytes // 2  # type: ignore[operator]


def test_a_decoder_is_causal_and_an_encoder_is_not() -> None:
    states = torch.randn(1, 6, 16)
    changed = states.clone()
    changed[:, -1] = 0.0
    for role, same in (("decoder", True), ("encoder", False)):
        cell = Cell(PASS, role, 6, BASELINE)
        layers, layout = build_layers(cell, SMALL, CPU), pass_layout(cell, 1, CPU)
        outputs = [attend(layers, each, each, layout)[:, :-1] for each in (states, changed)]
        assert torch.equal(*outputs) is same


@pytest.mark.parametrize("size", [1, 8, 16, 24, 48])
def test_a_copy_has_the_width_of_the_projection(size: int) -> None:
    states, linear = torch.randn(2, 3, 16), nn.Linear(16, size)
    with copying():
        copy = linear(states)
    assert copy.shape == linear(states).shape
    assert torch.equal(copy, states.repeat(1, 1, 3)[..., :size])
    assert not torch.equal(copy, linear(states))


def test_projections_come_back_after_an_error() -> None:
    original = F.linear
    with pytest.raises(ZeroDivisionError), copying():
        assert F.linear is copied
        raise ZeroDivisionError
    assert F.linear is original


def test_work_is_repeated_until_half_of_the_limit_is_spent() -> None:
    made: list[int] = []
    repeat(lambda: made.append(1), SMALL, CPU, 0.0)
    assert len(made) == SMALL.repeats
    repeat(lambda: made.append(1), SMALL, CPU, SMALL.limit_seconds)
    assert len(made) == SMALL.repeats + 1
