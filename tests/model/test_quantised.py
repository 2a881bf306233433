"""Products in 8-bit integers: near the exact ones, and each row by itself, on any processor.

M rows of 24, N = 17 columns.
"""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.model.packed import PackedMatrix, has_packed_products
from nmt.model.quantised import QuantisedMatrix

Kind = type[QuantisedMatrix] | type[PackedMatrix]
KINDS: list[Kind] = [QuantisedMatrix, *([PackedMatrix] if has_packed_products() else [])]


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def bound(states: Tensor, weight: Tensor) -> Tensor:
    """Give how far rounding both factors can lead away, for each result."""
    row, column = (each.abs().amax(-1) / 254 for each in (states, weight))
    sums = states.abs().sum(-1), weight.abs().sum(-1)
    size = states.size(-1)
    return (
        torch.outer(row, sums[1]) + torch.outer(sums[0], column) + size * torch.outer(row, column)
    )


def test_no_result_is_further_off_than_rounding_explains() -> None:
    states, weight = drawn(50, 24) * torch.logspace(-6, 6, 50).unsqueeze(-1), drawn(17, 24)
    away = (QuantisedMatrix.of(weight).times(states) - states @ weight.T).abs()
    assert (away <= bound(states, weight) * 1.001).all()
    assert away.max() > 0


def test_whole_numbers_are_multiplied_exactly() -> None:
    states, weight = (drawn(size, 24).mul(40).round().clamp(-127, 127) for size in (9, 17))
    states[:, 0] = weight[:, 0] = 127.0
    assert_close(QuantisedMatrix.of(weight).times(states), states @ weight.T, rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_gives_the_same_whatever_stands_beside_it(kind: Kind) -> None:
    states, matrix, bias = drawn(40, 24), kind.of(drawn(17, 24)), drawn(17)
    together = matrix.times(states, bias)
    for row in range(40):
        assert torch.equal(matrix.times(states[row : row + 1], bias)[0], together[row])
    assert torch.equal(matrix.times(states.view(4, 10, 24), bias), together.view(4, 10, 17))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_and_columns_of_zeros_give_the_bias(kind: Kind) -> None:
    states, weight, bias = drawn(3, 24), drawn(17, 24), drawn(17)
    states[1], weight[4] = 0.0, 0.0
    found = kind.of(weight).times(states, bias)
    assert torch.equal(found[1], bias)
    assert torch.equal(found[:, 4], bias[4].expand(3))


@pytest.mark.parametrize("kind", KINDS)
def test_some_columns_are_those_of_all(kind: Kind) -> None:
    states, matrix, chosen = (
        drawn(5, 24),
        kind.of(drawn(17, 24)),
        torch.tensor([2, 3, 16]),
    )
    assert torch.equal(matrix.columns(chosen).times(states), matrix.times(states)[:, chosen])
