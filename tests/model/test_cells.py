"""Units go one position further as PyTorch's do, and start as their papers say."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nmt.model.cells import CELLS, GruCell, LstmCell

SIZE, ROWS = 6, 3


def reordered(weight: Tensor) -> Tensor:
    """Bring gates from input, forget, output, new to PyTorch's input, forget, new, output."""
    enter, forget, reveal, new = torch.split(weight, SIZE)
    return torch.cat([enter, forget, new, reveal])


@pytest.fixture
def values() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(ROWS, size, generator=generator) for size in (SIZE, SIZE, SIZE)]


def test_long_short_term_memory_is_pytorchs(values: list[Tensor]) -> None:
    torch.manual_seed(2)
    mine, linear, other = LstmCell(SIZE), nn.Linear(SIZE, 4 * SIZE), nn.LSTMCell(SIZE, SIZE)
    with torch.no_grad():
        other.weight_ih.copy_(reordered(linear.weight))
        other.bias_ih.copy_(reordered(linear.bias))
        other.weight_hh.copy_(reordered(mine.recurrent.weight))
        other.bias_hh.copy_(reordered(mine.recurrent.bias))
    inputs, output, memory = values
    actual = mine(linear(inputs), (output, memory))
    assert_close(actual, other(inputs, (output, memory)))


def test_gated_recurrent_unit_is_pytorchs(values: list[Tensor]) -> None:
    torch.manual_seed(2)
    mine, linear, other = GruCell(SIZE), nn.Linear(SIZE, 3 * SIZE), nn.GRUCell(SIZE, SIZE)
    with torch.no_grad():
        other.weight_ih.copy_(linear.weight)
        other.bias_ih.copy_(linear.bias)
        other.weight_hh.copy_(mine.recurrent.weight)
        other.bias_hh.copy_(mine.recurrent.bias)
    inputs, output, _ = values
    assert_close(mine(linear(inputs), (output,))[0], other(inputs, output))


@pytest.mark.parametrize("name", CELLS)
def test_recurrent_products_start_by_keeping_lengths(name: str) -> None:
    torch.manual_seed(3)
    cell = CELLS[name](SIZE)
    for block in torch.split(cell.recurrent.weight, SIZE):
        assert_close(block @ block.mT, torch.eye(SIZE))


def test_forget_gates_start_open() -> None:
    bias = LstmCell(SIZE).recurrent.bias
    assert bias[SIZE : 2 * SIZE].tolist() == [1.0] * SIZE
    assert not bias[:SIZE].any()
    assert not bias[2 * SIZE :].any()


def test_what_a_memory_sums_up_is_kept_in_float32() -> None:
    torch.manual_seed(3)
    cell = LstmCell(4)
    parts = torch.zeros(2, 4, dtype=torch.bfloat16), torch.zeros(2, 4, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        output, memory = cell(torch.randn(2, 16).bfloat16(), parts)
    assert (output.dtype, memory.dtype) == (torch.bfloat16, torch.float32)
