"""Which rows of a beam are computed, and where they belong."""

import pytest
import torch

from nmt.attention.rows import MULTIPLE, Rows


@pytest.mark.parametrize("share", [0.1, 0.4, 0.7])
@pytest.mark.parametrize("size", [(1, 5), (4, 3), (40, 5)])
def test_what_was_packed_comes_back_where_it_was(size: tuple[int, int], share: float) -> None:
    generator = torch.Generator().manual_seed(1)
    wanted = torch.rand(size, generator=generator) < share
    wanted[0, 0] = True
    rows = Rows.of(wanted)
    assert rows is not None
    whole = torch.randn(*size, 7, generator=generator)
    packed = rows.pack(whole)
    assert packed.shape == (1, len(rows.index), 7)
    expected = whole.masked_fill(~wanted.unsqueeze(-1), -1.0)
    torch.testing.assert_close(rows.spread(packed, -1.0), expected, rtol=0.0, atol=0.0)
    assert rows.count == wanted.sum()


def test_many_rows_come_in_few_numbers() -> None:
    sizes = set()
    for count in range(1, 150):
        rows = Rows.of(torch.arange(200).view(40, 5) < count)
        assert rows is not None
        assert count <= len(rows.index) < count + MULTIPLE
        sizes.add(len(rows.index))
    assert len([size for size in sizes if size > MULTIPLE]) == 9


@pytest.mark.parametrize("count", [0, 161, 200])
def test_all_rows_are_computed_where_choosing_some_cannot_pay(count: int) -> None:
    assert Rows.of(torch.arange(200).view(40, 5) < count) is None
