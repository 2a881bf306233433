"""Products in 7 and 8 bits: near the exact ones, and each row by itself.

M rows of 24, N = 17 columns.
"""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.model.packed import PackedMatrix, has_packed_products

pytestmark = pytest.mark.skipif(not has_packed_products(), reason="needs AVX2 and oneDNN")


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("signed", [True, False])
def test_no_result_is_further_off_than_rounding_explains(signed: bool) -> None:
    states, weight = drawn(50, 24) * torch.logspace(-6, 6, 50).unsqueeze(-1), drawn(17, 24)
    states = states if signed else states.relu()
    row = states.abs().amax(-1) / (126 if signed else 254)
    column = weight.abs().amax(-1) / 254
    bound = (
        torch.outer(row, weight.abs().sum(-1))
        + torch.outer(states.abs().sum(-1), column)
        + 24 * torch.outer(row, column)
    )
    away = (PackedMatrix.of(weight, signed=signed).times(states) - states @ weight.T).abs()
    assert (away <= bound * 1.001).all()
    assert away.max() > 0


@pytest.mark.parametrize("inner", [24, 256, 1024])
@pytest.mark.parametrize("signed", [True, False])
def test_the_largest_whole_numbers_do_not_overflow(signed: bool, inner: int) -> None:
    states, weight = (
        torch.full((4, inner), 63.0 if signed else 127.0),
        torch.full((17, inner), 127.0),
    )
    weight[1] = -127.0
    if signed:
        states[1] = -63.0
    found = PackedMatrix.of(weight, signed=signed).times(states)
    assert_close(found, states @ weight.T, rtol=1e-6, atol=0.0)


def test_what_is_no_number_stays_none() -> None:
    states = drawn(3, 24)
    states[1, 5] = torch.nan
    found = PackedMatrix.of(drawn(17, 24)).times(states)
    assert found[1].isnan().all()
    assert found[[0, 2]].isfinite().all()
