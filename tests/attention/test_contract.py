"""What every mechanism of attention promises, whatever computes it.

Three sentences of 5, 3 and 4 keys; width 8, two heads.
"""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.contract import Attended, Attention
from nmt.attention.layout import Layout

SIZE = 5
LENGTHS = torch.tensor([5, 3, 4])
HIDDEN = torch.arange(SIZE) >= LENGTHS.unsqueeze(-1)  # (B, S)


@dataclass(frozen=True)
class Example:
    """What a mechanism is given; without a query of its own, memory attends to itself."""

    query: Tensor | None
    memory: Tensor
    layout: Layout

    def run(self, attention: Attention, **options: bool) -> Attended:
        query = self.memory if self.query is None else self.query
        attended: Attended = attention(query, self.memory, self.layout, **options)
        return attended

    def output(self, attention: Attention) -> Tensor:
        return self.run(attention).output

    def real(self) -> Tensor:
        """Tell which queries mean something, (B, T): those that are not padding themselves."""
        return ~HIDDEN if self.query is None else torch.ones(3, 4, dtype=torch.bool)


@pytest.fixture
def example(role: str) -> Example:
    generator = torch.Generator().manual_seed(2)
    memory = torch.randn(3, SIZE, 8, dtype=torch.float64, generator=generator)
    layout = Layout(num_queries=SIZE, num_keys=SIZE, key_lengths=LENGTHS)
    if role != "cross":
        return Example(None, memory, replace(layout, causal=role == "decoder"))
    query = torch.randn(3, 4, 8, dtype=torch.float64, generator=generator)
    return Example(query, memory, replace(layout, num_queries=4))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_output_has_the_type_of_the_memory(
    attention: Attention, example: Example, dtype: torch.dtype
) -> None:
    query = None if example.query is None else example.query.to(dtype)
    cast = Example(query, example.memory.to(dtype), example.layout)
    exact, output = example.output(attention), cast.output(attention.to(dtype))
    assert (output.shape, output.dtype) == (exact.shape, dtype)
    assert_close(output.double(), exact, rtol=0.05, atol=0.05)


def test_hidden_keys_have_no_influence(attention: Attention, example: Example) -> None:
    changed = replace(example, memory=example.memory.masked_fill(HIDDEN.unsqueeze(-1), 99.0))
    real = example.real()
    assert torch.equal(example.output(attention)[real], changed.output(attention)[real])


def test_hidden_keys_get_no_gradient(attention: Attention, example: Example) -> None:
    example.memory.requires_grad_()
    example.output(attention)[example.real()].square().sum().backward()
    assert example.memory.grad is not None
    assert (example.memory.grad[HIDDEN] == 0).all()
    assert (example.memory.grad[~HIDDEN] != 0).all()


@pytest.mark.parametrize("sentence", range(3))
def test_a_sentence_alone_is_that_sentence_in_a_padded_batch(
    attention: Attention, example: Example, sentence: int
) -> None:
    length, one = int(LENGTHS[sentence]), slice(sentence, sentence + 1)
    query = None if example.query is None else example.query[one]
    num_queries = length if query is None else 4
    layout = replace(example.layout, num_queries=num_queries, num_keys=length, key_lengths=None)
    alone = Example(query, example.memory[one, :length], layout).output(attention)
    batched = example.output(attention)[one, :num_queries]
    assert_close(alone, batched, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "padded"])
@pytest.mark.parametrize("place", range(1, SIZE))
def test_a_decoder_does_not_see_the_future(
    decoder_attention: Attention, lengths: Tensor | None, place: int
) -> None:
    states = torch.randn(
        3, SIZE, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2)
    )
    layout = Layout(num_queries=SIZE, num_keys=SIZE, key_lengths=lengths, causal=True)
    before = decoder_attention(states, states, layout).output
    states[:, place:] = -9.0
    states.requires_grad_()
    output = decoder_attention(states, states, layout).output
    assert torch.equal(output[:, :place], before[:, :place])
    output[:, place - 1].square().sum().backward()
    assert states.grad is not None
    assert (states.grad[:, place:] == 0).all()
    assert (states.grad[0, :place] != 0).all()


@pytest.mark.parametrize("place", range(SIZE))
def test_every_key_that_may_be_seen_has_influence(
    attention: Attention, example: Example, role: str, place: int
) -> None:
    before = example.output(attention)[0]
    example.memory[0, place] += 1.0
    differs = (example.output(attention)[0] != before).any(-1)
    sees = torch.arange(SIZE) >= place if role == "decoder" else torch.tensor(True)
    assert torch.equal(differs, sees.expand_as(differs))


def test_a_query_that_may_see_nothing_gets_nothing_from_the_keys(
    attention: Attention, example: Example
) -> None:
    example.memory.requires_grad_()
    blind = replace(example.layout, key_lengths=torch.tensor([5, 0, 0]))
    output = replace(example, layout=blind).output(attention)
    nothing = attention.output(torch.zeros(8, dtype=output.dtype))
    assert torch.equal(output[1:], nothing.expand_as(output[1:]))
    output.square().sum().backward()
    assert example.memory.grad is not None
    assert (example.memory.grad[1:] == 0).all()
    assert example.memory.grad[0].isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in attention.parameters())


def test_weights_sum_to_one_over_the_keys_that_may_be_seen(
    attention: Attention, example: Example
) -> None:
    layout = replace(example.layout, key_lengths=torch.tensor([5, 3, 0]))
    weights = replace(example, layout=layout).run(attention, need_weights=True).weights
    visible = layout.visible()
    assert weights is not None
    assert visible is not None
    assert weights.shape == (3, 2, layout.num_queries, SIZE)
    assert (weights[visible.expand_as(weights)] > 0).all()
    assert (weights[~visible.expand_as(weights)] == 0).all()
    sums = weights.sum(-1)
    assert_close(sums[:2], torch.ones_like(sums[:2]), rtol=1e-12, atol=1e-12)
    assert torch.equal(sums[2], torch.zeros_like(sums[2]))


def test_weights_come_only_when_asked_for_and_change_nothing(
    attention: Attention, example: Example
) -> None:
    plain, telling = example.run(attention), example.run(attention, need_weights=True)
    assert plain.weights is None
    assert_close(plain.output, telling.output, rtol=1e-12, atol=1e-12)


def test_the_gradient_is_that_of_finite_differences(attention: Attention, example: Example) -> None:
    names = [name for name, _ in attention.named_parameters()]
    inputs = [example.memory] if example.query is None else [example.memory, example.query]
    operands = [each.clone().requires_grad_() for each in (*inputs, *attention.parameters())]

    def output(*operands: Tensor) -> Tensor:
        memory, *rest = operands
        query = memory if example.query is None else rest.pop(0)
        named = dict(zip(names, rest, strict=True))
        attended: Attended = torch.func.functional_call(
            attention, named, (query, memory, example.layout)
        )
        return attended.output

    assert torch.autograd.gradcheck(output, operands, fast_mode=True)
