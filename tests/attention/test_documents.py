"""Attention to the sentences before: what a line finds, and that it finds nothing else.

B batch, T = 4 positions, N sentences of context of up to 5 words, D = 8, two heads.
"""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Place
from nmt.attention.documents import (
    Context,
    HierarchicalContext,
    SentenceQueue,
    follow,
    preceding,
)
from nmt.attention.layout import Layout

EXACT = {"rtol": 1e-12, "atol": 1e-12}
LENGTHS = torch.tensor([[5, 1, 2], [0, 3, 0], [0, 0, 0], [2, 0, 4]])
CROSS = Place(role="cross", model_size=8, num_heads=2)


def draw(*shape: int, seed: int = 2) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def mechanism() -> HierarchicalContext:
    torch.manual_seed(1)
    made = HierarchicalContext(CROSS, AttentionConfig(), 16).double().eval()
    for weight in made.parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    return made


@pytest.fixture
def states() -> Tensor:
    return draw(4, 4, 8)


@pytest.fixture
def context() -> Context:
    return Context(draw(4, 3, 5, 8, seed=3), LENGTHS)


def one_by_one(mechanism: HierarchicalContext, state: Tensor, sentences: list[Tensor]) -> Tensor:
    """Follow the equations for one state (D,) and its sentences (words, D)."""
    found = []
    for words in sentences:
        layout = Layout(num_queries=1, num_keys=len(words))
        query = mechanism.word_query(state).view(1, 1, -1)
        found.append(mechanism.words(query, words.unsqueeze(0), layout).output[0, 0])
    layout = Layout(num_queries=1, num_keys=len(found))
    query = mechanism.sentence_query(state).view(1, 1, -1)
    context = mechanism.sentences(query, torch.stack(found).unsqueeze(0), layout).output[0, 0]
    context = mechanism.outer(mechanism.inner(context).relu())
    gate = torch.sigmoid(mechanism.gate(torch.cat([state, context])))
    result: Tensor = gate * state + (1 - gate) * context
    return result


def test_a_batch_is_each_state_with_its_own_sentences(
    mechanism: HierarchicalContext, states: Tensor, context: Context
) -> None:
    output = mechanism(states, context)
    for b, line in enumerate(LENGTHS.tolist()):
        sentences = [context.sentences[b, j, :size] for j, size in enumerate(line) if size]
        for t in range(4):
            alone = one_by_one(mechanism, states[b, t], sentences) if sentences else states[b, t]
            assert_close(output[b, t], alone, **EXACT)


@pytest.mark.parametrize("nothing", ["none", "no sentence", "empty", "absent"])
def test_a_line_without_context_is_that_of_the_sentence_model(
    mechanism: HierarchicalContext, states: Tensor, context: Context, nothing: str
) -> None:
    absent = {
        "none": None,
        "no sentence": Context(context.sentences[:, :0], context.lengths[:, :0]),
        "empty": Context(context.sentences[:, :, :0], context.lengths * 0),
        "absent": Context(context.sentences, context.lengths * 0),
    }
    states.requires_grad_()
    output = mechanism(states, absent[nothing])
    assert torch.equal(output, states)
    output.sum().backward()
    assert states.grad is not None
    assert torch.equal(states.grad, torch.ones_like(states))
    gradients = [each.grad for each in mechanism.parameters() if each.grad is not None]
    assert all((gradient == 0).all() for gradient in gradients)


def test_an_open_gate_is_the_sentence_model(
    mechanism: HierarchicalContext, states: Tensor, context: Context
) -> None:
    mechanism.gate.bias.data.fill_(1e4)
    assert torch.equal(mechanism(states, context), states)


def test_the_order_of_sentences_does_not_matter(
    mechanism: HierarchicalContext, states: Tensor, context: Context
) -> None:
    order = [2, 0, 1]
    other = Context(context.sentences[:, order], context.lengths[:, order])
    assert_close(mechanism(states, other), mechanism(states, context), **EXACT)


def test_sentences_that_are_not_there_and_padding_have_no_influence(
    mechanism: HierarchicalContext, states: Tensor, context: Context
) -> None:
    hidden = torch.arange(5) >= context.lengths.unsqueeze(-1)  # (B, N, S)
    sentences = context.sentences.masked_fill(hidden.unsqueeze(-1), 99.0).requires_grad_()
    output = mechanism(states, Context(sentences, context.lengths))
    assert torch.equal(output, mechanism(states, context))
    output.square().sum().backward()
    assert sentences.grad is not None
    assert (sentences.grad[hidden] == 0).all()
    assert (sentences.grad[~hidden] != 0).all()
    fewer = Context(context.sentences[1:2, 1:2, :3], torch.tensor([[3]]))
    assert_close(mechanism(states[1:2], fewer), output[1:2], **EXACT)


def test_a_remembered_context_serves_every_step_and_lines_that_stay(
    mechanism: HierarchicalContext, states: Tensor, context: Context
) -> None:
    whole, remembered = mechanism(states, context), mechanism.remember(context)
    for t in range(4):
        assert_close(mechanism(states[:, t : t + 1], remembered)[:, 0], whole[:, t], **EXACT)
    lines = torch.tensor([3, 1])
    assert_close(mechanism(states[lines], remembered.select(lines)), whole[lines], **EXACT)


DOCUMENTS = torch.tensor([0, 0, 0, 0, 1, 2, 2, 2])
LINES = torch.tensor([3, 0, 5, 2, 1, 2, 1, 4])


def test_a_document_line_by_line_is_the_document_at_once(mechanism: HierarchicalContext) -> None:
    states = draw(8, 5, 8)
    whole = mechanism(states, preceding(states, LINES, DOCUMENTS, 2))
    places = [(number == DOCUMENTS).nonzero().flatten() for number in range(3)]
    lines = []
    for turn in range(4):
        index = torch.tensor([place[min(turn, len(place) - 1)] for place in places])
        goes_on = torch.tensor([turn < len(place) for place in places])
        size = max(1, int((LINES[index] * goes_on).max()))  # as ragged as real lines are
        lines.append((states[index, :size], LINES[index] * goes_on))
    for turn, output in enumerate(follow(mechanism, lines, 2)):
        for document, place in enumerate(places):
            if turn < len(place):
                assert_close(output[document], whole[place[turn], : output.size(1)], **EXACT)


def test_nothing_leaks_across_a_document_border(mechanism: HierarchicalContext) -> None:
    states = draw(8, 5, 8).requires_grad_()
    output = mechanism(states, preceding(states, LINES, DOCUMENTS, 3))
    for line in range(8):
        (gradient,) = torch.autograd.grad(output[line].sum(), states, retain_graph=True)
        touched = (gradient != 0).flatten(1).any(1)
        before = torch.arange(8) - line
        near = (before >= -3) & (before < 0) & (DOCUMENTS[line] == DOCUMENTS) & (LINES > 0)
        assert torch.equal(touched, near | (before == 0))
    first = mechanism(states[4:5], None)
    assert torch.equal(output[4:5], first)


def test_a_queue_keeps_the_last_sentences_of_documents_that_go_on() -> None:
    queue = SentenceQueue(2)
    assert queue.context() is None
    for size in (1, 2, 3):
        queue = queue.push(torch.full((3, size, 1), float(size)), torch.tensor([size, 0, size]))
    context = queue.context()
    assert context is not None
    assert context.sentences[0].squeeze(-1).tolist() == [[2, 2, 0], [3, 3, 3]]
    assert context.lengths.tolist() == [[2, 3], [0, 0], [2, 3]]
    queue = queue.restart(torch.tensor([True, False, False])).select(torch.tensor([2, 0]))
    context = queue.context()
    assert context is not None
    assert context.lengths.tolist() == [[2, 3], [0, 0]]
    assert SentenceQueue(0).push(context.sentences[:, 0], context.lengths[:, 0]).context() is None


def test_the_gradient_is_that_of_finite_differences(
    mechanism: HierarchicalContext, context: Context
) -> None:
    names = [name for name, _ in mechanism.named_parameters()]
    given = (draw(4, 2, 8), context.sentences, *mechanism.parameters())
    inputs = [each.clone().requires_grad_() for each in given]

    def run(states: Tensor, sentences: Tensor, *weights: Tensor) -> Tensor:
        named = dict(zip(names, weights, strict=True))
        operands = states, Context(sentences, context.lengths)
        output: Tensor = torch.func.functional_call(mechanism, named, operands)
        return output

    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


def test_half_precision_is_finite_and_near(
    mechanism: HierarchicalContext, states: Tensor, context: Context
) -> None:
    exact = mechanism(states, context)
    half = Context(context.sentences.bfloat16(), context.lengths)
    output = mechanism.bfloat16()(states.bfloat16(), half)
    assert output.dtype == torch.bfloat16
    assert_close(output.double(), exact, rtol=0.05, atol=0.05)
    output.sum().backward()
    gradients = [each.grad for each in mechanism.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("variant", ["multi-head", "gqa", "entmax", "additive"])
def test_any_attention_to_another_sequence_serves(
    variant: str, states: Tensor, context: Context
) -> None:
    torch.manual_seed(1)
    config = AttentionConfig(variant=variant, key_value_heads=1 if variant == "gqa" else 0)
    mechanism = HierarchicalContext(CROSS, config, 16).double().eval()
    output = mechanism(states, context)
    assert torch.equal(output[2], states[2])
    assert (output[[0, 1, 3]] != states[[0, 1, 3]]).all()
