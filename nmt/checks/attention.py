"""What every mechanism of attention promises, each promise a function of a case that tries it.

A promise that is not kept raises an AssertionError that says what differs.

B batch, T queries, S keys, D model size, H heads.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.contract import Cache
from nmt.attention.layout import Layout
from nmt.attention.multi_head import MultiHeadAttention
from nmt.checks.case import Case, Example, Layers, example
from nmt.checks.steps import a_remembered_memory_is_the_memory, steps_are_a_full_pass

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
COARSE = 0.1  # of bfloat16, on outputs of unit size
LENGTHS = (5, 3, 4)
RAGGED = (37, 20, 1, 0)  # no multiple of any block


@dataclass(frozen=True)
class Check:
    """A promise that is tried.

    Attributes:
        name: What is promised.
        run: What tries it, and raises where it is not kept.
        applies: Tells where it is promised.
        every_kernel: Whether each kernel must keep it by itself.
    """

    name: str
    run: Callable[[Case], None]
    applies: Callable[[Case], bool] = lambda case: True
    every_kernel: bool = False


def require(kept: object, broken: str) -> None:
    """Raise where a promise is not kept."""
    if not kept:
        raise AssertionError(broken)


def near(found: Tensor, wanted: Tensor, broken: str) -> None:
    """Raise where two ways to the same answer differ by more than float64's rounding."""
    exact = TOLERANCE[torch.float64]
    assert_close(found, wanted, rtol=exact, atol=exact, msg=lambda text: f"{broken}: {text}")


def the_kernel_is_the_definition(case: Case) -> None:
    """Compare output and gradients with those of the definition, in both wide types."""
    for dtype, tolerance in TOLERANCE.items():
        for lengths, padded in ((RAGGED, True), ((9, 9), False)):
            given = cast(example(case, lengths, padded=padded), dtype)
            found = with_gradients(case.build(dtype), given)
            wanted = with_gradients(case.build(dtype, kernel="dense"), given)
            for name, gradient in wanted.items():
                largest = max(1.0, float(gradient.abs().max())) if gradient.numel() else 1.0
                assert_close(
                    found[name] / largest, gradient / largest, rtol=tolerance, atol=tolerance,
                    msg=lambda text, name=name: f"{name}, {dtype}: {text}",
                )  # fmt: skip


def with_gradients(layers: Layers, given: Example) -> dict[str, Tensor]:
    """Run forward and backward; give the output and all gradients by name."""
    inputs = {"states": given.states.clone().requires_grad_()}
    if given.query is not None:
        inputs["query"] = given.query.clone().requires_grad_()
    output = Example(inputs["states"], inputs.get("query"), given.layout).output(layers)
    slope = torch.randn(output.shape, generator=torch.Generator().manual_seed(6)).to(output.dtype)
    inputs |= dict(layers.named_parameters())
    gradients = torch.autograd.grad(
        (output * slope * given.real().unsqueeze(-1)).sum(), list(inputs.values()),
        allow_unused=True, materialize_grads=True,
    )  # fmt: skip
    named = {f"gradient of {name}": each for name, each in zip(inputs, gradients, strict=True)}
    return {"output": output.detach()[given.real()]} | named


def hidden_keys_have_no_influence(case: Case) -> None:
    """Change padding: no real query may notice, and padding may get no gradient."""
    layers, given = case.build(), example(case, LENGTHS)
    hidden, real = given.hidden(), given.real()
    before = given.output(layers)[real]
    changed = replace(given, states=given.states.masked_fill(hidden.unsqueeze(-1), 99.0))
    near(changed.output(layers)[real], before, "padding changes the output")
    given.states.requires_grad_()
    given.output(layers)[real].square().sum().backward()
    gradient = given.states.grad
    assert gradient is not None
    require((gradient[hidden] == 0).all(), "padding gets a gradient")
    require(gradient.isfinite().all(), "a gradient is not finite")
    if case.sees_all:
        require((gradient[~hidden] != 0).all(), "a key that may be seen gets no gradient")


def a_line_alone_is_that_line_in_a_batch(case: Case) -> None:
    """Compare each line by itself with the same line beside longer ones."""
    layers, given = case.build(), example(case, LENGTHS)
    batched = given.output(layers)
    for line, length in enumerate(LENGTHS):
        states, one = given.states[line : line + 1, :length], slice(line, line + 1)
        query = None if given.query is None else given.query[one]
        rows = length if query is None else query.size(1)
        numbers = given.layout.query_sentences, given.layout.key_sentences
        layout = replace(
            given.layout, num_queries=rows, num_keys=length, key_lengths=None,
            query_sentences=None if numbers[0] is None else numbers[0][one, :rows],
            key_sentences=None if numbers[1] is None else numbers[1][one, :length],
        )  # fmt: skip
        alone = Example(states, query, layout).output(layers)
        near(alone, batched[one, :rows], f"line {line}")


def the_future_has_no_influence(case: Case) -> None:
    """Change what comes after: nothing before may notice, and the rest gets no gradient."""
    layers, size = case.build(), 7
    for padded in (False, True):
        given = example(case, (size, 4, 0), padded=padded)
        before = given.output(layers)
        for place in (1, 3, 6):
            changed = given.states.clone()
            changed[:, place:] = -9.0
            changed.requires_grad_()
            output = replace(given, states=changed).output(layers)
            near(output[:, :place], before[:, :place], "the future is seen")
            (gradient,) = torch.autograd.grad(output[:, place - 1].square().sum(), changed)
            require((gradient[:, place:] == 0).all(), "the future gets a gradient")
            if case.sees_all:
                require((gradient[0, :place] != 0).all(), "a key of the past gets no gradient")


def every_key_has_influence(case: Case) -> None:
    """Change each key: all queries that may see it must notice."""
    layers, given = case.build(), example(case, LENGTHS)
    before = given.output(layers)[0]
    for place in range(LENGTHS[0]):
        states = given.states.clone()
        states[0, place] += 1.0
        differs = (replace(given, states=states).output(layers)[0] != before).any(-1)
        sees = torch.ones_like(differs)
        if case.role == "decoder":
            sees = torch.arange(len(differs)) >= place
        require(torch.equal(differs, sees), f"key {place} is seen by {differs.tolist()}")


def who_sees_nothing_gets_nothing(case: Case) -> None:
    """Hide all keys of two lines: other places of theirs have no influence, and no gradient."""
    layers = case.build()
    given = example(case, (5, 0, 0))
    given.states.requires_grad_()
    output = given.output(layers)
    first = 0 if case.is_cross else 1  # without cross-attention a query's own input may count
    changed = given.states.detach().clone()
    changed[1:, first:] += 3.0
    again = replace(given, states=changed).output(layers)
    rows = slice(0, output.size(1)) if case.is_cross else slice(0, 1)
    near(again[1:, rows], output[1:, rows], "hidden keys change the output")
    last = layers.each[-1]
    if isinstance(last, MultiHeadAttention) and last.context_gate is None:
        nothing = last.output(torch.zeros(last.output.in_features, dtype=output.dtype))
        near(output[1:], nothing.expand_as(output[1:]), "the output is not empty")
    (gradient,) = torch.autograd.grad(
        output[1:, rows].square().sum(), given.states, retain_graph=True, materialize_grads=True,
        allow_unused=True,
    )  # fmt: skip
    require((gradient[1:, first:] == 0).all(), "hidden keys get a gradient")
    output.square().sum().backward()
    require(all_finite(layers), "a weight's gradient is not finite")


def all_finite(layers: Layers) -> bool:
    """Tell whether all gradients of weights are finite."""
    gradients = [weight.grad for weight in layers.parameters() if weight.grad is not None]
    return all(bool(gradient.isfinite().all()) for gradient in gradients)


def the_shortest_lines_work(case: Case) -> None:
    """Attend over lines of no, one and two tokens, forward and backward."""
    for size in (0, 1, 2) if case.is_composed else (1, 2):
        for padded in (False, True):
            given = example(case, (size, min(size, 1)), size, padded)
            found = with_gradients(case.build(), given)
            wanted = with_gradients(case.build(kernel="dense"), given)
            for name, each in found.items():
                require(each.isfinite().all(), f"{name} is not finite at length {size}")
                assert_close(each, wanted[name], rtol=1e-11, atol=1e-11)


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
        torch.autograd.gradcheck(output, operands, fast_mode=True)
    except torch.autograd.gradcheck.GradcheckError as error:
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
        assert_close(output.double(), exact, rtol=COARSE, atol=COARSE)
    output.square().sum().backward()
    require(all_finite(layers), "a weight's gradient is not finite")


def weights_are_of_visible_keys(case: Case) -> None:
    """Look at the weights: their shape, that hidden keys have none, and what they sum to."""
    layers, given = case.build(), example(case, (5, 3, 0))
    weights = given.run(layers, need_weights=True).weights
    if weights is None:
        raise AssertionError("there are no weights")
    wanted = (3, given.layout.num_queries, 5)
    require((len(weights), *weights.shape[2:]) == wanted, f"weights are {tuple(weights.shape)}")
    seen = visible(layers, given.layout, weights)
    require((weights[~seen] == 0).all(), "a hidden key has a weight")
    if case.has_shares:
        require((weights >= 0).all(), "a weight is negative")
    if case.sums_to_one:
        near(weights.sum(-1), seen.any(-1).to(weights.dtype), "the sum of a query's weights")


def visible(layers: Layers, layout: Layout, weights: Tensor) -> Tensor:
    """Tell which pairs may see each other, (B, H, T, S)."""
    first = layers.each[0]
    if isinstance(first, MultiHeadAttention):
        layout = layout.restricted(first.composition.pattern())
    seen = layout.visible()
    assert seen is not None
    return seen.expand_as(weights)


def asking_for_weights_changes_nothing(case: Case) -> None:
    """Compare the output with and without weights, which come only when asked for."""
    layers, given = case.build(), example(case, LENGTHS)
    plain, telling = given.run(layers), given.run(layers, need_weights=True)
    require(plain.weights is None, "weights come unasked")
    near(telling.output, plain.output, "the output")


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
    if not dataclasses.is_dataclass(cache):
        return []
    values = [getattr(cache, field.name) for field in dataclasses.fields(cache)]
    return [value for value in values if isinstance(value, Tensor)]


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


def cast(given: Example, dtype: torch.dtype) -> Example:
    """Convert what a mechanism is given."""
    query = None if given.query is None else given.query.to(dtype)
    return replace(given, states=given.states.to(dtype), query=query)


def is_decoder(case: Case) -> bool:
    """Tell whether it attends to its own past."""
    return case.role == "decoder"


def gives_weights(case: Case) -> bool:
    """Tell whether there are weights to ask for."""
    return case.build().each[-1].gives_weights


CHECKS = (
    Check("the kernel is the definition, forward and backward", the_kernel_is_the_definition,
          lambda case: case.config.kernel != "dense", every_kernel=True),
    Check("padding has no influence and no gradient", hidden_keys_have_no_influence,
          every_kernel=True),
    Check("a line alone is that line in a batch", a_line_alone_is_that_line_in_a_batch,
          every_kernel=True),
    Check("the future has no influence and no gradient", the_future_has_no_influence, is_decoder,
          every_kernel=True),
    Check("every key that may be seen has influence", every_key_has_influence,
          lambda case: case.sees_all),
    Check("who sees nothing gets nothing", who_sees_nothing_gets_nothing, every_kernel=True),
    Check("the shortest lines work", the_shortest_lines_work, every_kernel=True),
    Check("decoding steps are a full pass over each history", steps_are_a_full_pass, is_decoder,
          every_kernel=True),
    Check("a remembered memory is the memory", a_remembered_memory_is_the_memory,
          lambda case: case.is_cross, every_kernel=True),
    Check("the gradient is that of finite differences",
          the_gradient_is_that_of_finite_differences),
    Check("bfloat16 stays near double precision", bfloat16_stays_near, every_kernel=True),
    Check("weights are of visible keys only", weights_are_of_visible_keys, gives_weights),
    Check("asking for weights changes nothing", asking_for_weights_changes_nothing, gives_weights,
          every_kernel=True),
    Check("the output has the type of the input", the_output_has_the_type_of_the_input),
    Check("penalty and statistics are finite", what_it_tells_is_finite),
)  # fmt: skip
