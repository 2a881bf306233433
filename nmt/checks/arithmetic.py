"""Promises about numbers: kernels, gradients, types, short lines, what a mechanism tells.

B batch, T queries, S keys, D model size.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError, gradcheck

from nmt.attention.contract import Cache
from nmt.attention.layout import Layout
from nmt.checks.case import Case, Example, Layers, example
from nmt.checks.comparing import (
    LENGTHS,
    TOLERANCE,
    all_finite,
    cast,
    near,
    require,
    with_gradients,
)

COARSE = 0.1  # of bfloat16, on outputs of unit size
RAGGED = (37, 20, 1, 0)  # no multiple of any block


def the_kernel_is_the_definition(case: Case) -> None:
    """Compare output and gradients with those of the definition, in both wide types."""
    for dtype, tolerance in TOLERANCE.items():
        layers, definition = case.build(dtype), case.build(dtype, kernel="dense")
        for lengths, padded in ((RAGGED, True), ((9, 9), False)):
            given = cast(example(case, lengths, padded=padded), dtype)
            found, wanted = with_gradients(layers, given), with_gradients(definition, given)
            for name, gradient in wanted.items():
                largest = max(1.0, float(gradient.abs().max())) if gradient.numel() else 1.0
                what = f"{name}, {dtype}"
                near(found[name] / largest, gradient / largest, what, tolerance)


def the_shortest_lines_work(case: Case) -> None:
    """Attend over lines of no, one and two tokens, forward and backward."""
    layers, definition = case.build(), case.build(kernel="dense")
    for size in (0, 1, 2) if case.is_composed else (1, 2):
        for padded in (False, True):
            given = example(case, (size, min(size, 1)), size, padded)
            found, wanted = with_gradients(layers, given), with_gradients(definition, given)
            for name, each in found.items():
                require(each.isfinite().all(), f"{name} is not finite at length {size}")
                near(each, wanted[name], f"{name} at length {size}", 1e-11)


def the_gradient_is_that_of_finite_differences(case: Case) -> None:
    """Compare the gradient of all inputs and weights with finite differences."""
    layers, given = case.build(), example(case, LENGTHS)
    names = [name for name, _ in layers.named_parameters()]
    inputs = [given.states] if given.query is None else [given.states, given.query]
    operands = [each.detach().clone().requires_grad_() for each in (*inputs, *layers.parameters())]

    def output(*operands: Tensor) -> Tensor:
        states, *rest = operands
        query = states if given.query is None else rest.pop(0)
        named = dict(zip(names, rest, strict=True))
        result = torch.func.functional_call(layers, named, (query, states, given.layout))
        found: Tensor = result.output[given.real()]
        return found

    try:
        gradcheck(output, operands, fast_mode=True)
    except GradcheckError as error:
        raise AssertionError(str(error)) from None


def bfloat16_stays_near(case: Case) -> None:
    """Compare with double precision; attention that jumps need only stay finite."""
    given = example(case, LENGTHS)
    narrow = cast(given, torch.bfloat16)
    layers = case.build(torch.bfloat16)
    output = narrow.output(layers)
    require(output.isfinite().all(), "the output is not finite")
    if case.is_smooth:
        exact = given.output(case.build())
        near(output.double(), exact, "the output", COARSE)
    output.square().sum().backward()
    require(all_finite(layers), "a weight's gradient is not finite")


def the_output_has_the_type_of_the_input(case: Case) -> None:
    """Run in all types, and a decoding step as well."""
    for dtype in (*TOLERANCE, torch.bfloat16):
        layers, given = case.build(dtype), cast(example(case, LENGTHS), dtype)
        require(given.output(layers).dtype == dtype, f"{dtype} comes out as another type")
        if case.role != "encoder":
            with torch.inference_mode():
                check_step_type(case, layers, given, dtype)


def check_step_type(case: Case, layers: Layers, given: Example, dtype: torch.dtype) -> None:
    """Take one decoding step; output and caches must have the type."""
    states = torch.ones((3, 2, case.model_size), dtype=dtype)
    if case.is_cross:
        caches = layers.remember(given.states, torch.tensor(LENGTHS))
        layout = replace(given.layout, num_queries=2, hypotheses=True)
        numbers = given.layout.query_sentences
        if numbers is not None:
            layout = replace(layout, query_sentences=numbers[:, :2])
        result = layers(states, None, layout, caches)
    else:
        layout = Layout(num_queries=2, num_keys=2, ancestry=torch.zeros(3, 2, 1).long())
        result = layers(states, states, layout, layers.start(3, 2, 4))
    require(result.output.dtype == dtype, f"a step in {dtype} comes out as another type")
    exact = torch.promote_types(dtype, torch.float32)
    for cache in result.caches:
        kinds = {each.dtype for each in tensors(cache) if each.is_floating_point()}
        require(kinds <= {dtype, exact}, f"a cache in {dtype} holds {kinds}")
        require(cache.num_bytes() >= 0, "a cache has no size")


def tensors(cache: Cache) -> list[Tensor]:
    """List the tensors that a cache holds directly."""
    return [value for value in vars(cache).values() if isinstance(value, Tensor)]


def what_it_tells_is_finite(case: Case) -> None:
    """Train for one pass; look at the penalty, the statistics and the regulators."""
    layers, given = case.build().train(), example(case, LENGTHS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        require(given.output(layers).isfinite().all(), "the output in training is not finite")
    own = {id(weight) for weight in layers.parameters()}
    for layer in layers.each:
        penalty = layer.penalty()
        if penalty is not None:
            require(penalty.dim() == 0, f"the penalty is no number but {tuple(penalty.shape)}")
            require(penalty.isfinite(), "the penalty is not finite")
            require(penalty.requires_grad, "the penalty has no gradient")
        for name, value in layer.statistics().items():
            require(math.isfinite(value), f"{name} is {value}")
        require({id(each) for each in layer.regulators()} <= own, "a regulator is no weight of its")
