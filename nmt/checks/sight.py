"""Promises about who sees whom: padding, the future, keys that count, queries that see nothing."""

from dataclasses import replace

import torch

from nmt.attention.multi_head import MultiHeadAttention
from nmt.checks.case import Case, Example, example
from nmt.checks.comparing import LENGTHS, all_finite, near, require


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
