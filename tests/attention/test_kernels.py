"""Kernels compute what the definition does, and the choice among them can say why.

B batch, H heads, T queries, S keys, K head size.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from nmt.attention import multi_head
from nmt.attention.blocked import blocked
from nmt.attention.dense import Composition
from nmt.attention.fused import fused
from nmt.attention.kernels import Abilities, Choice, Request, choose
from nmt.attention.layout import Layout
from nmt.attention.multi_head import MultiHeadAttention
from nmt.attention.normalisers import normalised
from nmt.attention.products import grouped, repeated
from nmt.attention.stepped import stepped
from tests.attention.composing import HEADS, K, given, made

Kernel = Callable[[Composition, Tensor, Tensor, Tensor, Layout], Tensor]

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}
LENGTHS = torch.tensor([6, 1, 4])
ANCESTRY = torch.tensor(
    [[[0, 1], [2, 1], [0, 0]], [[2, 2], [1, 0], [0, 2]], [[1, 1], [0, 0], [2, 2]]]
)
SELF = Layout(num_queries=6, num_keys=6)
STEPS = {
    "hypotheses": Layout(num_queries=3, num_keys=6, ancestry=ANCESTRY),
    "first-step": Layout(num_queries=3, num_keys=3, causal=True, ancestry=ANCESTRY[..., :1]),
    "one-hypothesis": Layout(num_queries=1, num_keys=2, ancestry=torch.zeros(3, 1, 2).long()),
    "hypotheses-across": Layout(num_queries=3, num_keys=6, key_lengths=LENGTHS, hypotheses=True),
}
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
    "no-keys": Layout(num_queries=4, num_keys=0),
    "no-queries": Layout(num_queries=0, num_keys=4),
    **STEPS,
}


def operands(layout: Layout, dtype: torch.dtype, groups: int = HEADS) -> list[Tensor]:
    """Draw queries, keys and values."""
    generator = torch.Generator().manual_seed(5)
    sizes = (layout.num_queries, layout.num_keys, layout.num_keys)
    heads = (HEADS, groups, groups)
    return [
        torch.randn(3, count, size, K, generator=generator).to(dtype)
        for count, size in zip(heads, sizes, strict=True)
    ]


def with_gradients(kernel: Kernel, inputs: list[Tensor], layout: Layout) -> tuple[Tensor, ...]:
    """Run a kernel forward and backward; give its output and the gradients of its operands."""
    inputs = [each.clone().requires_grad_() for each in inputs]
    query, key, value = inputs
    output = kernel(made(chunk=4).composition, query, key, value, layout)
    slope = torch.randn(output.shape, generator=torch.Generator().manual_seed(6))
    gradients = torch.autograd.grad(
        output, inputs, slope.to(output.dtype), allow_unused=True, materialize_grads=True
    )
    return output.detach(), *gradients


def definition(
    composition: Composition, query: Tensor, key: Tensor, value: Tensor, layout: Layout
) -> Tensor:
    context: Tensor = composition(query, key, value, layout)[0]
    return context


def slow(query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> Tensor:
    """Attend by a loop over queries, giving each only the keys that it may see."""
    visible = layout.visible()
    shape = (query.size(0), HEADS, layout.num_queries, layout.num_keys)
    seen = torch.ones(shape, dtype=torch.bool) if visible is None else visible.expand(shape)
    output = torch.zeros_like(query)
    for place in torch.cartesian_prod(*map(torch.arange, shape[:3])).tolist():
        b, h, t = place
        group = h * key.size(1) // HEADS
        keys, values = key[b, group, seen[b, h, t]], value[b, group, seen[b, h, t]]
        if len(keys):
            output[b, h, t] = torch.softmax(keys @ query[b, h, t] / K**0.5, 0) @ values
    return output


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_definition_is_a_softmax_over_the_keys_that_may_be_seen(
    layout: Layout, groups: int
) -> None:
    query, key, value = operands(layout, torch.float64, groups)
    output, weights = made().composition(query, key, value, layout)
    assert_close(output, slow(query, key, value, layout), rtol=1e-12, atol=1e-12)
    assert_close(weights @ repeated(value, HEADS), output, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", [fused, blocked, stepped])
@pytest.mark.parametrize("groups", [2, 4])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_kernels_are_the_definition(
    kernel: Kernel, layout: Layout, dtype: torch.dtype, groups: int
) -> None:
    if (kernel is blocked and layout.is_step) or (kernel is stepped and not layout.is_step):
        return  # there is nothing to cut, or more than a step
    inputs, tolerance = operands(layout, dtype, groups), TOLERANCE[dtype]
    for mine, expected in zip(
        with_gradients(kernel, inputs, layout),
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


@pytest.mark.parametrize("kernel", [definition, fused, blocked])
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
    weights = made().composition(query, key, value, SELF)[1]
    assert_close(weights, F.softmax(query @ key.mT / 2.0, -1), rtol=1e-12, atol=1e-12)


def test_dropout_removes_weights_and_enlarges_the_rest() -> None:
    query, key, value = operands(SELF, torch.float64)
    composition = made(dropout=0.5).composition
    whole, weights = composition(query, key, value, SELF)
    torch.manual_seed(8)
    output, told = composition.train()(query, key, value, SELF)
    torch.manual_seed(8)
    dropped = F.dropout(weights, 0.5)
    assert 0.25 < (dropped == 0).double().mean() < 0.75
    assert_close(output, dropped @ value)
    assert not torch.equal(output, whole)
    assert torch.equal(told, weights)  # what is shown and lent is whole


@pytest.mark.parametrize("blocks", [(), (2, 3)], ids=str)
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_grouped_products_are_those_of_repeated_heads(blocks: tuple[int, ...], groups: int) -> None:
    rows, columns = torch.randn(3, 4, *blocks, 5, 6), torch.randn(3, groups, *blocks, 6, 7)
    assert_close(grouped(rows, columns), rows @ repeated(columns, 4))


PLAIN = Request(device="cpu", num_keys=16, num_queries=16)
LONG = replace(PLAIN, num_keys=4096, num_queries=4096)
ANY, WINDOW, SENTENCE = Abilities(), Abilities(reach=64), Abilities(by_sentence=True)
ODD, LENDS = Abilities(unfused="odd"), Abilities(shares_weights=True)


@pytest.mark.parametrize(
    ("can", "request_", "kernel"),
    [
        (ANY, PLAIN, "fused"),
        (ANY, replace(PLAIN, needs_weights=True), "dense"),
        (ANY, replace(PLAIN, needs_weights=True, forced="fused"), "dense"),
        (ANY, replace(PLAIN, dropout=0.1), "dense"),
        (ANY, replace(PLAIN, dropout=0.1, device="cuda"), "dense"),
        (ANY, replace(LONG, dropout=0.1), "blocked"),
        (ANY, replace(PLAIN, forced="dense"), "dense"),
        (ANY, replace(PLAIN, forced="dense", device="cuda"), "dense"),
        (ANY, replace(PLAIN, forced="fused", needs_gradient=True), "fused"),
        (ANY, replace(PLAIN, needs_gradient=True), "dense"),
        (ANY, replace(LONG, needs_gradient=True), "fused"),
        (ANY, replace(PLAIN, needs_gradient=True, device="cuda"), "fused"),
        (ODD, PLAIN, "dense"),
        (ODD, LONG, "blocked"),
        (ODD, replace(LONG, needs_weights=True), "dense"),
        (ODD, replace(LONG, is_step=True), "dense"),
        (LENDS, LONG, "dense"),
        (WINDOW, PLAIN, "fused"),
        (WINDOW, LONG, "banded"),
        (WINDOW, replace(LONG, device="cuda"), "flex"),
        (WINDOW, replace(LONG, device="cuda", dropout=0.1), "banded"),
        (WINDOW, replace(LONG, num_queries=1), "fused"),
        (WINDOW, replace(LONG, num_queries=1, forced="banded"), "fused"),
        (ANY, replace(PLAIN, is_step=True), "stepped"),
        (ANY, replace(PLAIN, is_step=True, device="cuda"), "fused"),
        (ANY, replace(PLAIN, is_step=True, forced="fused"), "fused"),
        (WINDOW, replace(LONG, is_step=True), "stepped"),
        (WINDOW, replace(LONG, is_step=True, forced="banded"), "stepped"),
        (WINDOW, replace(LONG, is_step=True, forced="dense"), "dense"),
        (replace(WINDOW, unfused="odd"), replace(LONG, device="cuda"), "banded"),
        (replace(WINDOW, reach=2000), LONG, "fused"),
        (SENTENCE, PLAIN, "fused"),
        (SENTENCE, LONG, "banded"),
    ],
)
def test_the_choice_of_a_kernel_follows_what_is_asked_for(
    can: Abilities, request_: Request, kernel: str
) -> None:
    choice = choose(can, request_)
    assert choice.kernel == kernel
    assert choice.reason


def test_the_reason_tells_a_named_kernel_from_a_chosen_one() -> None:
    forced = choose(ANY, replace(PLAIN, forced="fused"))
    assert forced == Choice("fused", "asked for by name")
    assert choose(ANY, PLAIN).reason != forced.reason
    assert choose(ODD, PLAIN) == Choice("dense", "odd")


@pytest.mark.parametrize(
    ("settings", "can"),
    [
        ({}, ANY),
        ({"pattern": "window", "window": 3, "dilation": 2}, Abilities(reach=6)),
        ({"pattern": "sentence"}, SENTENCE),
        ({"share": "weights"}, LENDS),
        ({"score": "additive"},
         Abilities(unfused="AdditiveScore is no product of a query and a key")),
        ({"normaliser": "sink"}, Abilities(unfused="sink needs the scores of all keys")),
        ({"positions": "alibi"}, Abilities(unfused="alibi positions change the scores of pairs")),
        ({"positions": "rotary"}, ANY),
        ({"talking": True}, Abilities(unfused="talking heads mix the scores of all heads")),
        ({"pattern": "span", "window": 4, "span_ramp": 2},
         Abilities(unfused="span changes the scores of pairs", reach=5)),
    ],
    ids=str,
)  # fmt: skip
def test_a_composition_says_what_its_kernel_may_be(
    settings: dict[str, Any], can: Abilities
) -> None:
    attention = made(**settings)
    for request in (PLAIN, LONG, replace(LONG, device="cuda"), replace(PLAIN, is_step=True)):
        assert attention.choose(request) == choose(can, request)


@pytest.mark.parametrize("kernel", ["auto", "dense", "fused"])
def test_the_choice_of_a_kernel_is_told_all_that_it_depends_on(
    monkeypatch: pytest.MonkeyPatch, kernel: str
) -> None:
    requests = []

    def spy(can: Abilities, request: Request) -> Choice:
        requests.append(request)
        return Choice("dense", "spied upon")

    monkeypatch.setattr(multi_head, "choose", spy)
    dropout = 0.0 if kernel == "fused" else 0.25
    attention = made(kernel=kernel, dropout=dropout)
    states, layout = given(5)
    attention.train()(states, states, layout)
    with torch.inference_mode():
        attention.eval()(states, states, layout, need_weights=True)
        step = Layout(num_queries=5, num_keys=5, ancestry=torch.zeros(2, 5, 1).long())
        attention(states, states, step, cache=attention.start(2, 5, 1))
    plain = Request(device="cpu", num_keys=5, num_queries=5, forced=kernel)
    assert requests == [
        replace(plain, needs_gradient=True, dropout=dropout),
        replace(plain, needs_weights=True),
        replace(plain, is_step=True),
    ]


@pytest.mark.parametrize("kernel", ["dense", "fused", "banded", "blocked"])
def test_the_kernel_that_is_named_runs(monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
    ran = []
    for name, function in multi_head.KERNELS.items():
        spy = lambda *given, name=name, function=function: ran.append(name) or function(*given)  # noqa: E731
        monkeypatch.setitem(multi_head.KERNELS, name, spy)
    attention: MultiHeadAttention = made(kernel=kernel, pattern="window", window=2)
    states, layout = given(5)
    attention(states, states, layout)
    assert ran == ([] if kernel == "dense" else [kernel])
    attention(states, states, layout, need_weights=True)  # only the definition has them
    assert len(ran) == (kernel != "dense")
