"""Products of the C library: those of PyTorch, and each row by itself, to the last bit.

M rows of D, N columns.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from nmt.model.quantised import whole_columns
from nmt.native.compiler import lacks_bytes, unavailable
from nmt.native.matrix import NativeMatrix

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())
has_bytes = pytest.mark.skipif(bool(lacks_bytes()), reason=lacks_bytes())
SIZES = [(1, 1), (3, 2), (24, 17), (33, 16), (40, 31), (256, 100), (1024, 33), (70000, 5)]


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def rounded(rows: Tensor, *, signed: bool) -> tuple[Tensor, Tensor]:
    """Round rows as the library should: whole numbers about 0, and their scales (M, 1)."""
    most = rows.abs().amax(-1, keepdim=True)
    scale = most / (63 if signed else 127) + 1e-12
    return (rows / scale + 0.5).floor(), scale


@pytest.mark.parametrize("num_rows", range(15))
@pytest.mark.parametrize(("inner", "columns"), SIZES)
def test_products_are_those_of_pytorch(inner: int, columns: int, num_rows: int) -> None:
    rows, weight, bias = drawn(num_rows, inner), drawn(columns, inner), drawn(columns)
    found = NativeMatrix.of(weight).times(rows, bias)
    expected = F.linear(rows.double(), weight.double(), bias.double()).float()
    assert_close(found, expected, rtol=1e-5, atol=1e-5 * inner**0.5)


@has_bytes
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("num_rows", range(12))
@pytest.mark.parametrize(("inner", "columns"), SIZES)
def test_sums_of_whole_numbers_are_exact(
    inner: int, columns: int, num_rows: int, signed: bool
) -> None:
    weight, wanted = drawn(columns, inner), torch.Generator().manual_seed(inner + num_rows)
    rows = torch.randint(-63 if signed else 0, 64, (num_rows, inner), generator=wanted).float()
    rows[:, 0] = 63 if signed else 127  # so that the scale is 1
    found = NativeMatrix.of(weight, int8=True, signed=signed).times(rows)
    whole, scale = whole_columns(weight)
    exact = rows.double() @ whole.double().T * scale
    assert_close(found, exact.float(), rtol=1e-5, atol=1e-4)


@has_bytes
@pytest.mark.parametrize("signed", [True, False])
def test_rows_are_rounded_to_the_nearest_of_their_own_steps(signed: bool) -> None:
    rows = drawn(50, 24) * torch.logspace(-6, 6, 50).unsqueeze(-1)
    rows = rows if signed else rows.relu()
    found = NativeMatrix.of(torch.eye(24), int8=True, signed=signed).times(rows)
    steps, scale = rounded(rows, signed=signed)
    # A number in the middle between two may go to either.
    assert ((found / scale - steps).abs() < 1 + 1e-3).all()
    assert ((found - rows).abs() <= scale * 0.5001).all()
    assert not torch.equal(found, rows)


@has_bytes
@pytest.mark.parametrize("inner", [24, 256, 1024])
@pytest.mark.parametrize("signed", [True, False])
def test_the_largest_whole_numbers_do_not_overflow(signed: bool, inner: int) -> None:
    states = torch.full((4, inner), 63.0 if signed else 127.0)
    weight = torch.full((17, inner), 127.0)
    weight[1] = -127.0
    if signed:
        states[1] = -63.0
    found = NativeMatrix.of(weight, int8=True, signed=signed).times(states)
    assert_close(found, states @ weight.T, rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("int8", [False, pytest.param(True, marks=has_bytes)])
def test_a_row_gives_the_same_bits_whatever_stands_beside_it(int8: bool) -> None:
    matrix, rows = NativeMatrix.of(drawn(70, 50), int8=int8), drawn(40, 50)
    together = matrix.times(rows)
    for size in (1, 2, 3, 5, 6, 7, 13):
        parts = [matrix.times(part) for part in rows.split(size)]
        assert torch.equal(torch.cat(parts), together)


@pytest.mark.parametrize("int8", [False, pytest.param(True, marks=has_bytes)])
def test_some_columns_are_those_of_the_whole(int8: bool) -> None:
    matrix, rows, chosen = NativeMatrix.of(drawn(70, 50), int8=int8), drawn(9, 50), [3, 69, 0, 3]
    found = matrix.columns(torch.tensor(chosen)).times(rows)
    assert torch.equal(found, matrix.times(rows)[:, chosen])


@pytest.mark.parametrize("int8", [False, pytest.param(True, marks=has_bytes)])
def test_what_is_no_number_stays_none_and_in_its_row(int8: bool) -> None:
    rows = drawn(3, 24)
    rows[1, 5] = torch.nan
    found = NativeMatrix.of(drawn(17, 24), int8=int8).times(rows)
    assert found[1].isnan().all()
    assert found[[0, 2]].isfinite().all()


def test_shapes_and_strides_of_states_do_not_matter() -> None:
    matrix, states = NativeMatrix.of(drawn(7, 6)), drawn(6, 4, 3)
    turned = states.permute(2, 1, 0)  # (3, 4, 6), not contiguous
    assert torch.equal(matrix.times(turned), matrix.times(turned.contiguous()))
    assert matrix.times(turned).shape == (3, 4, 7)
    assert matrix.times(drawn(0, 6)).shape == (0, 7)
