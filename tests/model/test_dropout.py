"""Dropout drops the share that it says, keeps the expected value, and is off in evaluation."""

import pytest
import torch
from torch.testing import assert_close

from nmt.model.dropout import LEVELS, add_residual, dropout, kept

COUNT = 2**16


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
def test_the_share_dropped_is_the_share_asked_for(share: float) -> None:
    torch.manual_seed(1)
    mask = kept(torch.Size([COUNT]), share, torch.zeros(1))
    rounded = round(share * LEVELS) / LEVELS
    assert abs(rounded - share) <= 0.5 / LEVELS
    spread = (rounded * (1 - rounded) / COUNT) ** 0.5
    assert abs(float((mask == 0).double().mean()) - rounded) < 5 * spread
    assert abs(float(mask.double().mean()) - 1) < 5 * spread / (1 - rounded)
    assert_close(mask.unique(), torch.tensor([0.0, 1 / (1 - rounded)]))


def test_values_that_share_a_random_number_are_dropped_independently() -> None:
    torch.manual_seed(2)
    lanes = (kept(torch.Size([COUNT, 8]), 0.5, torch.zeros(1)) == 0).double()
    spread = 0.5 / COUNT**0.5
    assert (lanes.mean(0) - 0.5).abs().max() < 5 * spread
    together = (lanes - 0.5).T @ (lanes - 0.5) / COUNT
    assert (together - torch.eye(8).double() / 4).abs().max() < 5 * spread


@pytest.mark.parametrize("shape", [(), (1,), (7,), (8,), (9,), (3, 5), (0, 4)])
def test_every_shape_gets_a_mask_of_its_own_shape_and_type(shape: tuple[int, ...]) -> None:
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        mask = kept(torch.Size(shape), 0.5, torch.zeros(1, dtype=dtype))
        assert (mask.shape, mask.dtype) == (torch.Size(shape), dtype)


@pytest.mark.parametrize("share", [0.998, 0.999, 0.999999])
def test_the_largest_shares_leave_something(share: float) -> None:
    torch.manual_seed(3)
    mask = kept(torch.Size([COUNT]), share, torch.zeros(1))
    assert mask.isfinite().all()
    assert (mask != 0).any()


def test_one_seed_drops_the_same() -> None:
    values = torch.randn(4, 9, generator=torch.Generator().manual_seed(4))
    torch.manual_seed(5)
    first = dropout(values, 0.5, training=True)
    second = dropout(values, 0.5, training=True)
    torch.manual_seed(5)
    assert torch.equal(dropout(values, 0.5, training=True), first)
    assert not torch.equal(first, second)


def test_dropout_multiplies_by_the_mask() -> None:
    values = torch.randn(4, 9, generator=torch.Generator().manual_seed(4))
    torch.manual_seed(6)
    dropped = dropout(values, 0.3, training=True)
    torch.manual_seed(6)
    assert torch.equal(dropped, values * kept(values.shape, 0.3, values))


@pytest.mark.parametrize(("share", "training"), [(0.3, True), (0.3, False), (0.0, True)])
def test_the_residual_form_is_the_plain_form_added(share: float, training: bool) -> None:
    generator = torch.Generator().manual_seed(7)
    residual, values, slope = torch.randn(3, 4, 9, generator=generator).double()
    values.requires_grad_()
    torch.manual_seed(8)
    joined = add_residual(residual, values, share, training)
    torch.manual_seed(8)
    plain = residual + dropout(values, share, training)
    assert_close(joined, plain)
    assert_close(
        torch.autograd.grad(joined, values, slope), torch.autograd.grad(plain, values, slope)
    )


def test_evaluation_and_a_share_of_zero_change_nothing_and_draw_nothing() -> None:
    values = torch.randn(4, 9)
    before = torch.get_rng_state()
    assert dropout(values, 0.5, training=False) is values
    assert dropout(values, 0.0, training=True) is values
    assert torch.equal(add_residual(values, values, 0.5, False), 2 * values)
    assert torch.equal(torch.get_rng_state(), before)
