"""Kernels compute what `dense` defines, and the choice among them can say why.

B batch, H heads, T queries, S keys, K head size.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.dense import dense, normalised
from nmt.attention.fused import fused
from nmt.attention.kernels import Choice, Request, attend, choose
from nmt.attention.layout import Layout

Kernel = Callable[[Tensor, Tensor, Tensor, Layout], Tensor]

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}
LENGTHS = torch.tensor([6, 1, 4])
ANCESTRY = torch.tensor(
    [[[0, 1], [2, 1], [0, 0]], [[2, 2], [1, 0], [0, 2]], [[1, 1], [0, 0], [2, 2]]]
)
SELF = Layout(num_queries=6, num_keys=6)
LAYOUTS = {
    "free": SELF,
    "padded": replace(SELF, key_lengths=LENGTHS),
    "blind": replace(SELF, key_lengths=torch.tensor([6, 0, 4])),
    "causal": replace(SELF, causal=True),
    "causal-padded": replace(SELF, causal=True, key_lengths=LENGTHS),
    "causal-offset": Layout(num_queries=2, num_keys=6, causal=True, offset=4),
    "causal-top-left": Layout(num_queries=2, num_keys=6, causal=True),
    "causal-offset-square": replace(SELF, causal=True, offset=2),
    "across": Layout(num_queries=4, num_keys=6, key_lengths=LENGTHS),
    "hypotheses": Layout(num_queries=3, num_keys=6, ancestry=ANCESTRY),
    "first-step": Layout(num_queries=3, num_keys=3, causal=True, ancestry=ANCESTRY[..., :1]),
}


def operands(layout: Layout, dtype: torch.dtype) -> list[Tensor]:
    """Draw queries, keys and values of two heads of size 4."""
    generator = torch.Generator().manual_seed(5)
    sizes = (layout.num_queries, layout.num_keys, layout.num_keys)
    return [torch.randn(3, 2, size, 4, generator=generator).to(dtype) for size in sizes]


def with_gradients(kernel: Kernel, inputs: list[Tensor], layout: Layout) -> tuple[Tensor, ...]:
    """Run a kernel forward and backward; give its output and the gradients of its operands."""
    inputs = [each.clone().requires_grad_() for each in inputs]
    query, key, value = inputs
    output = kernel(query, key, value, layout)
    slope = torch.randn(output.shape, generator=torch.Generator().manual_seed(6))
    return output.detach(), *torch.autograd.grad(output, inputs, slope.to(output.dtype))


def definition(query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> Tensor:
    return dense(query, key, value, layout)[0]


def slow(query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> Tensor:
    """Attend by a loop over queries, giving each only the keys that it may see."""
    visible = layout.visible()
    shape = (query.size(0), query.size(1), layout.num_queries, layout.num_keys)
    seen = torch.ones(shape, dtype=torch.bool) if visible is None else visible.expand(shape)
    output = torch.zeros_like(query)
    for place in torch.cartesian_prod(*map(torch.arange, shape[:3])).tolist():
        b, h, t = place
        keys, values = key[b, h, seen[b, h, t]], value[b, h, seen[b, h, t]]
        if len(keys):
            output[b, h, t] = torch.softmax(keys @ query[b, h, t] / 4**0.5, 0) @ values
    return output


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_definition_is_a_softmax_over_the_keys_that_may_be_seen(layout: Layout) -> None:
    query, key, value = operands(layout, torch.float64)
    output, weights = dense(query, key, value, layout)
    assert_close(output, slow(query, key, value, layout), rtol=1e-12, atol=1e-12)
    assert_close(weights @ value, output, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_fused_kernel_is_the_definition(layout: Layout, dtype: torch.dtype) -> None:
    inputs, tolerance = operands(layout, dtype), TOLERANCE[dtype]
    for mine, expected in zip(
        with_gradients(fused, inputs, layout),
        with_gradients(definition, inputs, layout),
        strict=True,
    ):
        assert mine.dtype == dtype
        assert_close(mine, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kernel", [definition, fused])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_stays_near_double(kernel: Kernel, dtype: torch.dtype) -> None:
    layout = LAYOUTS["causal-padded"]
    inputs = operands(layout, dtype)
    exact = with_gradients(definition, [each.double() for each in inputs], layout)
    for half, double in zip(with_gradients(kernel, inputs, layout), exact, strict=True):
        assert_close(half.double(), double, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("kernel", [definition, fused])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_a_blind_query_gets_zeros_and_gives_zero_gradients(
    kernel: Kernel, dtype: torch.dtype
) -> None:
    layout = LAYOUTS["blind"]
    for each in with_gradients(kernel, operands(layout, dtype), layout):
        assert torch.equal(each[1], torch.zeros_like(each[1]))
        assert each.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("visible", [None, torch.tensor([True, False, True, True])])
def test_the_softmax_of_narrow_scores_runs_in_float32(
    dtype: torch.dtype, visible: Tensor | None
) -> None:
    scores = torch.randn(5, 4, generator=torch.Generator().manual_seed(7)).to(dtype)
    assert torch.equal(normalised(scores, visible), normalised(scores.float(), visible))
    assert normalised(scores, visible).dtype == torch.float32


def test_the_softmax_of_double_scores_stays_double() -> None:
    assert normalised(torch.zeros(3, 3).double(), None).dtype == torch.float64


def test_scores_are_divided_by_the_root_of_the_head_size() -> None:
    query, key, value = operands(SELF, torch.float64)
    weights = dense(query, key, value, SELF)[1]
    assert_close(weights, F.softmax(query @ key.mT / 2.0, -1), rtol=1e-12, atol=1e-12)


def test_dropout_removes_weights_and_enlarges_the_rest() -> None:
    query, key, value = operands(SELF, torch.float64)
    torch.manual_seed(8)
    output, weights = dense(query, key, value, SELF, dropout=0.5)
    whole = dense(query, key, value, SELF)[1]
    dropped = weights == 0
    assert 0.25 < dropped.double().mean() < 0.75
    assert_close(weights[~dropped], 2 * whole[~dropped])
    assert_close(output, weights @ value)


PLAIN = Request(device="cpu", num_keys=16)


@pytest.mark.parametrize(
    ("request_", "kernel"),
    [
        (PLAIN, "fused"),
        (replace(PLAIN, needs_weights=True), "dense"),
        (replace(PLAIN, needs_weights=True, forced="fused"), "dense"),
        (replace(PLAIN, dropout=0.1), "dense"),
        (replace(PLAIN, dropout=0.1, device="cuda"), "dense"),
        (replace(PLAIN, forced="dense"), "dense"),
        (replace(PLAIN, forced="dense", device="cuda"), "dense"),
        (replace(PLAIN, forced="fused", needs_gradient=True), "fused"),
        (replace(PLAIN, needs_gradient=True), "dense"),
        (replace(PLAIN, needs_gradient=True, num_keys=4096), "fused"),
        (replace(PLAIN, needs_gradient=True, device="cuda"), "fused"),
    ],
)
def test_the_choice_of_a_kernel_follows_what_is_asked_for(request_: Request, kernel: str) -> None:
    choice = choose(request_)
    assert choice.kernel == kernel
    assert choice.reason


def test_the_reason_tells_a_named_kernel_from_a_chosen_one() -> None:
    forced = choose(replace(PLAIN, forced="fused"))
    assert forced == Choice("fused", "asked for by name")
    assert choose(PLAIN).reason != forced.reason


@pytest.mark.parametrize("forced", ["dense", "fused"])
def test_only_the_definition_has_weights_to_show(forced: str) -> None:
    inputs = operands(SELF, torch.float64)
    output, weights = attend(*inputs, SELF, replace(PLAIN, forced=forced))
    assert_close(output, definition(*inputs, SELF), rtol=1e-12, atol=1e-12)
    assert (weights is None) == (forced == "fused")
