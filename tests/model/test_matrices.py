"""A matrix laid out for products multiplies as it is written."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.model import matrices
from nmt.model.matrices import PlainMatrix, has_laid_out_products


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.fixture(params=[1, 2**20])
def large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Say from how many entries on a matrix is laid out."""
    monkeypatch.setattr(matrices, "LARGE", request.param)
    return int(request.param)


@pytest.mark.parametrize("rows", [1, 5, 40])
def test_products_are_those_of_the_weight(large: int, rows: int) -> None:
    states, weight, bias = drawn(rows, 2, 24), drawn(17, 24), drawn(17)
    matrix = PlainMatrix(weight)
    assert (matrix._laid_out is not None) == (large == 1 and has_laid_out_products())
    with torch.inference_mode():
        assert_close(matrix.times(states), states @ weight.T)
        assert_close(matrix.times(states, bias), states @ weight.T + bias)


def test_some_columns_are_those_of_all(large: int) -> None:
    states, weight, chosen = drawn(5, 24), drawn(17, 24), torch.tensor([2, 3, 16])
    found = PlainMatrix(weight).columns(chosen).times(states)
    assert_close(found, (states @ weight.T)[:, chosen])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_types_are_multiplied_as_they_are(large: int, dtype: torch.dtype) -> None:
    states, weight = drawn(5, 24), drawn(17, 24).to(dtype)
    found = PlainMatrix(weight).times(states)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert_close(found, (states.to(dtype) @ weight.T).to(found.dtype), rtol=1e-2, atol=1e-2)
