"""Averages of weights: the mean, whatever the order; only of one kind of model."""

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nmt.errors import CheckpointError
from nmt.model.directory import WEIGHTS
from nmt.model.tensors import load_tensors, save_tensors
from nmt.training.averaging import average_weights

SHAPES = {"matrix": (4, 3), "vector": (5,)}


def folder_with(path: Path, tensors: dict[str, Tensor]) -> Path:
    path.mkdir()
    save_tensors(tensors, path / WEIGHTS)
    return path


@pytest.fixture
def folders(tmp_path: Path) -> Sequence[Path]:
    generator = torch.Generator().manual_seed(1)
    return [
        folder_with(
            tmp_path / str(number),
            {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()},
        )
        for number in range(3)
    ]


def test_the_average_is_the_mean_of_every_tensor(folders: Sequence[Path]) -> None:
    averaged = average_weights(folders)
    assert averaged.keys() == SHAPES.keys()
    for name, tensor in averaged.items():
        stack = torch.stack([load_tensors(folder / WEIGHTS)[name] for folder in folders])
        torch.testing.assert_close(tensor, stack.mean(0))
        assert tensor.dtype == torch.float32


def test_the_order_is_no_matter_to_the_last_bit(folders: Sequence[Path]) -> None:
    expected = average_weights(folders)
    for order in permutations(folders):
        torch.testing.assert_close(average_weights(order), expected, rtol=0, atol=0)


def test_the_average_of_equal_models_is_the_model(folders: Sequence[Path]) -> None:
    for folder in folders:
        alone = average_weights([folder])
        torch.testing.assert_close(average_weights([folder] * 3), alone, rtol=0, atol=0)


@pytest.mark.parametrize(
    "other",
    [
        {"matrix": (4, 3)},
        {**SHAPES, "more": (1,)},
        {**SHAPES, "matrix": (3, 4)},
    ],
    ids=["one less", "one more", "another shape"],
)
def test_another_kind_of_model_is_refused(
    tmp_path: Path, folders: Sequence[Path], other: dict[str, tuple[int, ...]]
) -> None:
    odd = folder_with(tmp_path / "odd", {name: torch.ones(shape) for name, shape in other.items()})
    with pytest.raises(CheckpointError, match=r"odd is not the same model as .*0: their weights"):
        average_weights([*folders, odd])
