"""Sums in chunks are what the definition says, whatever the chunk, without a square of anything.

B batch, H heads, T queries, S keys, R features, V width of values.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from nmt.attention.chunked import chunked, quadratic
from nmt.attention.layout import Layout
from nmt.attention.running import counted, ratio

Kernel = Callable[[Tensor, Tensor, Tensor, Layout], Tensor]

LENGTHS = torch.tensor([7, 1, 4])
SELF = Layout(num_queries=7, num_keys=7)
CAUSAL = replace(SELF, causal=True)
LAYOUTS = {
    "free": SELF,
    "padded": replace(SELF, key_lengths=LENGTHS),
    "blind": replace(SELF, key_lengths=torch.tensor([7, 0, 4])),
    "causal": CAUSAL,
    "causal-padded": replace(CAUSAL, key_lengths=LENGTHS),
    "causal-blind": replace(CAUSAL, key_lengths=torch.tensor([7, 0, 4])),
    "causal-offset": Layout(num_queries=3, num_keys=7, causal=True, offset=4),
    "causal-middle": Layout(num_queries=3, num_keys=7, causal=True, offset=2, key_lengths=LENGTHS),
    "causal-top-left": Layout(num_queries=2, num_keys=7, causal=True),
    "causal-offset-square": replace(CAUSAL, offset=2),
    "last": Layout(num_queries=1, num_keys=7, causal=True, offset=6),
    "across": Layout(num_queries=4, num_keys=7, key_lengths=LENGTHS),
    "one": Layout(num_queries=1, num_keys=1, causal=True),
    "two": Layout(num_queries=2, num_keys=2, causal=True),
    "none": Layout(num_queries=0, num_keys=0, causal=True),
    "none-free": Layout(num_queries=0, num_keys=0),
}


def operands(layout: Layout, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Draw the positive features of queries and keys, and values, of two heads."""
    random = torch.Generator().manual_seed(5)
    shapes = ((layout.num_queries, 5), (layout.num_keys, 5), (layout.num_keys, 4))
    drawn = [torch.randn(3, 2, *shape, generator=random).to(dtype) for shape in shapes]
    return [drawn[0].exp(), drawn[1].exp(), drawn[2]]


def by_chunks(chunk: int) -> Kernel:
    """Attend by chunks of a size."""
    return lambda q, k, v, layout: ratio(chunked(q, k, counted(v), layout, chunk))


def definition(query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> Tensor:
    return ratio(quadratic(query, key, counted(value), layout))


def slow(query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> Tensor:
    """Attend by a loop over queries, giving each only the keys that it may see."""
    shape = (query.size(0), query.size(1), layout.num_queries, layout.num_keys)
    visible = layout.visible()
    seen = torch.ones(shape, dtype=torch.bool) if visible is None else visible.expand(shape)
    output = query.new_zeros(*shape[:3], value.size(-1))
    for place in torch.cartesian_prod(*map(torch.arange, shape[:3])).tolist():
        b, h, t = place
        weights = key[b, h, seen[b, h, t]] @ query[b, h, t]
        if len(weights):
            output[b, h, t] = weights / weights.sum() @ value[b, h, seen[b, h, t]]
    return output


def with_gradients(kernel: Kernel, inputs: list[Tensor], layout: Layout) -> tuple[Tensor, ...]:
    """Run a kernel forward and backward; give its output and the gradients of its operands."""
    inputs = [each.clone().requires_grad_() for each in inputs]
    output = kernel(inputs[0], inputs[1], inputs[2], layout)
    slope = torch.randn(output.shape, generator=torch.Generator().manual_seed(6))
    return output.detach(), *torch.autograd.grad(output, inputs, slope.to(output.dtype))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_definition_weighs_the_keys_that_may_be_seen(layout: Layout) -> None:
    inputs = operands(layout)
    expected = slow(inputs[0], inputs[1], inputs[2], layout)
    output = definition(inputs[0], inputs[1], inputs[2], layout)
    assert_close(output, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 8, 100])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)], ids=str
)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_chunks_of_any_size_are_the_definition(
    layout: Layout, dtype: torch.dtype, tolerance: float, chunk: int
) -> None:
    inputs = operands(layout, dtype)
    mine, expected = (
        with_gradients(each, inputs, layout) for each in (by_chunks(chunk), definition)
    )
    for one, other in zip(mine, expected, strict=True):
        assert one.dtype == dtype
        assert_close(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kernel", [by_chunks(3), definition], ids=["chunked", "definition"])
@pytest.mark.parametrize("name", ["blind", "causal-blind"])
def test_a_blind_query_gets_zeros_and_gives_zero_gradients(kernel: Kernel, name: str) -> None:
    for each in with_gradients(kernel, operands(LAYOUTS[name]), LAYOUTS[name]):
        assert torch.equal(each[1], torch.zeros_like(each[1]))
        assert each.isfinite().all()


@pytest.mark.parametrize("name", ["padded", "causal-middle"])
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    inputs = [each.requires_grad_() for each in operands(LAYOUTS[name])]
    assert torch.autograd.gradcheck(lambda q, k, v: by_chunks(2)(q, k, v, LAYOUTS[name]), inputs)


def test_what_a_query_gets_does_not_depend_on_later_keys_at_all() -> None:
    query, key, value = operands(CAUSAL)
    before = by_chunks(3)(query, key, value, CAUSAL)
    for place in range(1, 7):
        key[:, :, place:], value[:, :, place:] = 1e9, -1e9
        after = by_chunks(3)(query, key, value, CAUSAL)
        assert torch.equal(after[:, :, :place], before[:, :, :place])
        query, key, value = operands(CAUSAL)


class Largest(TorchDispatchMode):
    """Record the size of the largest tensor that any operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        made = func(*args, **(kwargs or {}))
        for each in made if isinstance(made, tuple | list) else [made]:
            if isinstance(each, Tensor):
                self.numel = max(self.numel, each.numel())
        return made


def largest(kernel: Kernel, layout: Layout) -> int:
    """Run a kernel forward and backward and give the size of the largest tensor."""
    with Largest() as record:
        with_gradients(kernel, operands(layout), layout)
    return record.numel


@pytest.mark.parametrize("causal", [True, False])
def test_no_tensor_is_quadratic_in_the_length(causal: bool) -> None:
    sizes = [64, 128, 256]
    layouts = [Layout(num_queries=size, num_keys=size, causal=causal) for size in sizes]
    numels = [largest(by_chunks(8), layout) for layout in layouts]
    assert [2 * numels[0], 2 * numels[1]] == numels[1:]
    assert [largest(definition, layout) for layout in layouts] == [6 * size**2 for size in sizes]
