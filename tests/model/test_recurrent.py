"""The recurrent model gives the same states whichever way they are computed.

Three sentences of 6, 1 and 2 source ids; vocabularies of 9 to 11.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nmt.attention.config import AttentionConfig, AttentionSections
from nmt.attention.layout import Layout
from nmt.attention.variants import VARIANTS
from nmt.model.cells import CELLS
from nmt.model.contract import EncoderDecoder, Memory
from nmt.model.recurrent_decoder import DECODERS
from nmt.model.sentences import Breaks

MakeModel = Callable[..., EncoderDecoder]

KINDS = [{"cell": cell, "feeding": feeding} for cell in CELLS for feeding in DECODERS]
SHAPES: dict[str, dict[str, Any]] = {
    **{"-".join(kind.values()): kind for kind in KINDS},
    "one-layer": {"encoder_layers": 1, "decoder_layers": 1},
    "deep-encoder": {"encoder_layers": 3, "decoder_layers": 1, "tie": "target"},
    "deep-decoder": {"encoder_layers": 1, "decoder_layers": 3, "tie": "none", "cell": "gru"},
}
CROSS = [
    name
    for name, variant in VARIANTS.items()
    if "cross" in variant.roles and "share" not in variant.settings
]
LENGTHS = torch.tensor([6, 1, 2])
BREAK = 5


@pytest.fixture
def make(make_model: MakeModel) -> MakeModel:
    """Make a recurrent model."""
    return lambda *sections, **settings: make_model(*sections, arch="rnn", **settings)


@pytest.fixture(params=SHAPES.values(), ids=SHAPES.keys())
def model(request: pytest.FixtureRequest, make: MakeModel) -> EncoderDecoder:
    return make(**request.param)


@pytest.fixture
def source() -> Tensor:
    return torch.randint(9, (3, 6), generator=torch.Generator().manual_seed(2))


def close(actual: Tensor, expected: Tensor) -> None:
    assert_close(actual, expected, rtol=1e-10, atol=1e-10)


def cross(**settings: Any) -> AttentionSections:
    return AttentionSections(cross=AttentionConfig(**settings))


def full(model: EncoderDecoder, memory: Memory, sentence: int, ids: list[int]) -> Tensor:
    """Decode one target at once and give its last state."""
    one = slice(sentence, sentence + 1)
    numbers = None if memory.sentences is None else memory.sentences[one]
    alone = Memory(memory.states[one], memory.lengths[one], numbers)
    return model.decode(alone, torch.tensor([ids]), torch.tensor([len(ids)]))[0, -1]


def check_search(model: EncoderDecoder, source: Tensor, beam: int) -> None:
    """Move hypotheses at random and drop sentences; every state must be that of a full pass."""
    generator = torch.Generator().manual_seed(3)
    memory = model.encode(source, LENGTHS)
    state = model.start(memory, beam, 6)
    histories: dict[int, list[list[int]]] = {number: [[]] * beam for number in range(3)}
    for step in range(6):
        if step in (2, 4):
            kept = {2: [2, 0], 4: [1]}[step]
            state = state.select(torch.tensor(kept))
            histories = {list(histories)[row]: list(histories.values())[row] for row in kept}
        shape = (len(histories), beam)
        ids = torch.randint(9, shape, generator=generator)
        parents = torch.randint(beam, shape, generator=generator)
        states, state = model.step(state, ids, parents)
        for row, number in enumerate(histories):
            pairs = zip(parents[row].tolist(), ids[row].tolist(), strict=True)
            histories[number] = [[*histories[number][parent], id_] for parent, id_ in pairs]
            for place, past in enumerate(histories[number]):
                close(states[row, place], full(model, memory, number, past))


@pytest.mark.parametrize("beam", [1, 3])
@torch.inference_mode()
def test_steps_are_a_full_pass_over_each_hypothesis(
    model: EncoderDecoder, source: Tensor, beam: int
) -> None:
    check_search(model, source, beam)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("variant", CROSS)
@pytest.mark.parametrize("feeding", DECODERS)
@torch.inference_mode()
def test_steps_are_a_full_pass_with_every_attention(
    make: MakeModel, source: Tensor, variant: str, feeding: str
) -> None:
    check_search(make(cross(variant=variant), feeding=feeding), source, 2)


@pytest.mark.parametrize("kernel", ["auto", "banded"])
def test_a_window_moves_along_a_long_source(make: MakeModel, kernel: str) -> None:
    source, target = torch.randint(9, (1, 300)), torch.randint(9, (1, 3))
    states = []
    for each in (kernel, "dense"):
        model = make(cross(variant="local-m", window=4, kernel=each))
        memory = model.encode(source, torch.tensor([300]))
        states.append(model.decode(memory, target, torch.tensor([3])))
    close(*states)


@pytest.mark.parametrize("feeding", DECODERS)
@torch.inference_mode()
def test_sentences_within_a_line_are_told_apart_in_steps_as_in_a_full_pass(
    make: MakeModel, source: Tensor, feeding: str
) -> None:
    source[0] = torch.tensor([4, BREAK, 3, 8, BREAK, 7])
    plain, model = (make(cross(variant="sentence-local"), feeding=feeding) for _ in range(2))
    model.breaks = Breaks(BREAK, BREAK)
    check_search(model, source, 3)
    memory, target = model.encode(source, LENGTHS), torch.tensor([[1, BREAK, 6]] * 3)
    told = model.decode(memory, target, LENGTHS)
    blind = plain.decode(plain.encode(source, LENGTHS), target, LENGTHS)
    assert not torch.equal(told[0], blind[0])
    close(told[1, 0], blind[1, 0])  # a line of one sentence, before any break


@torch.inference_mode()
def test_a_sentence_alone_is_that_sentence_in_a_batch(
    model: EncoderDecoder, source: Tensor
) -> None:
    target, target_lengths = source.flip(1), [1, 6, 2]
    memory = model.encode(source, LENGTHS)
    states = model.decode(memory, target, torch.tensor(target_lengths))
    for row, (size, length) in enumerate(zip(LENGTHS.tolist(), target_lengths, strict=True)):
        one = slice(row, row + 1)
        alone = model.encode(source[one, :size], LENGTHS[one])
        close(memory.states[one, :size], alone.states)
        decoded = model.decode(alone, target[one, :length], torch.tensor([length]))
        close(states[one, :length], decoded)


@torch.inference_mode()
def test_what_stands_in_padding_is_never_seen(model: EncoderDecoder, source: Tensor) -> None:
    padding = torch.arange(6) >= LENGTHS.unsqueeze(-1)
    other = source.masked_fill(padding, 7)
    memory, changed = model.encode(source, LENGTHS), model.encode(other, LENGTHS)
    assert torch.equal(memory.states[~padding], changed.states[~padding])
    target = other.flip(1)
    noisy = Memory(changed.states.masked_fill(padding.unsqueeze(-1), 99.0), LENGTHS)
    before, after = model.decode(memory, target, LENGTHS), model.decode(noisy, target, LENGTHS)
    close(before, after)
    ids, parents = target[:, :1], torch.zeros(3, 1, dtype=torch.long)
    close(
        model.step(model.start(memory, 1, 1), ids, parents)[0],
        model.step(model.start(noisy, 1, 1), ids, parents)[0],
    )


@torch.inference_mode()
def test_a_target_does_not_see_its_future(model: EncoderDecoder, source: Tensor) -> None:
    memory = model.encode(source, LENGTHS)
    changed = source.clone()
    changed[:, 3:] = (changed[:, 3:] + 1) % 9
    before, after = (model.decode(memory, target, LENGTHS) for target in (source, changed))
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.equal(before[:, 3], after[:, 3])


@torch.inference_mode()
def test_the_order_of_the_source_and_every_word_of_it_matter(
    model: EncoderDecoder, source: Tensor
) -> None:
    target, lengths = torch.ones(3, 2, dtype=torch.long), torch.tensor([2, 2, 2])
    before = model.decode(model.encode(source, LENGTHS), target, lengths)[0, 1]
    swapped, changed = source.clone(), source.clone()
    swapped[0, [0, 5]] = source[0, [5, 0]]
    changed[0, 3] = (source[0, 3] + 1) % 9
    for other in (swapped, changed):
        after = model.decode(model.encode(other, LENGTHS), target, lengths)[0, 1]
        assert (before - after).abs().max() > 1e-5


@pytest.mark.parametrize("length", [1, 2])
def test_shortest_sentences(model: EncoderDecoder, length: int) -> None:
    ids, lengths = torch.full((1, length), 4), torch.tensor([length])
    memory = model.encode(ids, lengths)
    states = model.decode(memory, ids, lengths)
    assert states.shape == (1, length, 8)
    assert states.isfinite().all()


def loss(model: EncoderDecoder, source: Tensor) -> Tensor:
    """Add up log-probabilities of one id."""
    states = model.decode(model.encode(source, LENGTHS), source, LENGTHS)
    return (states @ model.output_weight().mT).log_softmax(-1)[..., 0].sum()


def test_every_weight_gets_a_gradient(model: EncoderDecoder, source: Tensor) -> None:
    loss(model, source).backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert (weight.grad != 0).any(), name


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind.values()))
def test_gradients_are_slopes(make: MakeModel, source: Tensor, kind: dict[str, str]) -> None:
    model = make(**kind)
    loss(model, source).backward()
    generator, step = torch.Generator().manual_seed(4), 1e-5
    for name, weight in model.named_parameters():
        assert weight.grad is not None
        direction = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
        with torch.no_grad():
            weight.add_(step * direction)
            above = loss(model, source)
            weight.sub_(2 * step * direction)
            below = loss(model, source)
            weight.add_(step * direction)
        slope, expected = (above - below) / (2 * step), (weight.grad * direction).sum()
        assert_close(slope, expected, rtol=1e-5, atol=1e-7, msg=name)


def test_training_without_dropout_computes_what_evaluation_does(
    make: MakeModel, source: Tensor
) -> None:
    model = make(dropout=0.0)
    states = model.decode(model.encode(source, LENGTHS), source, LENGTHS)
    model.train()
    close(model.decode(model.encode(source, LENGTHS), source, LENGTHS), states)


@pytest.mark.parametrize("feeding", DECODERS)
def test_dropout_acts_in_training_only(make: MakeModel, source: Tensor, feeding: str) -> None:
    model = make(dropout=0.5, feeding=feeding)
    memory = model.encode(source, LENGTHS)
    assert torch.equal(memory.states, model.encode(source, LENGTHS).states)
    still = (model.decode(memory, source, LENGTHS) for _ in range(2))
    assert torch.equal(*still)
    model.train()
    assert not torch.equal(memory.states, model.encode(source, LENGTHS).states)
    first, second = (model.decode(memory, source, LENGTHS) for _ in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind.values()))
def test_steps_in_bfloat16_stay_near_full_passes_in_float32(
    make: MakeModel, source: Tensor, kind: dict[str, str]
) -> None:
    model = make(**kind).float()
    target = torch.randint(9, (3, 4), generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        exact = model.decode(model.encode(source, LENGTHS), target, LENGTHS)
        with torch.autocast("cpu", torch.bfloat16):
            state = model.start(model.encode(source, LENGTHS), 1, 4)
            for place in range(4):
                ids, parents = target[:, place : place + 1], torch.zeros(3, 1, dtype=torch.long)
                states, state = model.step(state, ids, parents)
                assert_close(states[:, 0].float(), exact[:, place], rtol=0.1, atol=0.1)


@torch.inference_mode()
def test_a_state_that_is_used_or_selected_stays_as_it_was(make: MakeModel, source: Tensor) -> None:
    model = make()
    ids, parents = torch.ones(3, 2, dtype=torch.long), torch.zeros(3, 2, dtype=torch.long)
    _, state = model.step(model.start(model.encode(source, LENGTHS), 2, 3), ids, parents)
    kept = torch.tensor([1])
    narrow, _ = model.step(state.select(kept), ids[kept], parents[kept])
    wide, _ = model.step(state, ids, parents)
    close(narrow, wide[kept])


@pytest.mark.parametrize("feeding", DECODERS)
@torch.inference_mode()
def test_attention_is_told_where_its_query_stands(
    make: MakeModel, source: Tensor, monkeypatch: pytest.MonkeyPatch, feeding: str
) -> None:
    model, seen = make(feeding=feeding), []
    attention = model.decoder.attention
    forward = attention.forward

    def watched(query: Tensor, memory: None, layout: Layout, **rest: Any) -> Any:
        seen.append((layout.offset, layout.num_queries))
        assert query.shape == (3, layout.num_queries, 8)
        return forward(query, memory, layout, **rest)

    monkeypatch.setattr(attention, "forward", watched)
    memory = model.encode(source, LENGTHS)
    model.decode(memory, source[:, :3], LENGTHS)
    state = model.start(memory, 2, 3)
    for _ in range(3):
        zeros = torch.zeros(3, 2, dtype=torch.long)
        _, state = model.step(state, zeros, zeros)
    assert seen == [(0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (2, 2)]


@torch.inference_mode()
def test_decoders_do_as_their_papers_say(make: MakeModel, source: Tensor) -> None:
    """Two positions, one layer, in the papers' own words and PyTorch's own units."""
    for feeding in DECODERS:
        model = make(decoder_layers=1, cell="gru", feeding=feeding)
        decoder, memory = model.decoder, model.encode(source, torch.tensor([6, 6, 6]))
        words = model.target_embeddings(source[:, :2])

        def found(query: Tensor, decoder: Any = decoder, memory: Memory = memory) -> Tensor:
            layout = Layout(num_queries=1, num_keys=6)
            return decoder.attention(query.unsqueeze(1), memory.states, layout).output[:, 0]

        unit = nn.GRUCell(16, 8).double()
        unit.weight_ih.copy_(torch.cat([decoder.word.weight, decoder.fed.weight], dim=1))
        unit.bias_ih.copy_(decoder.word.bias)
        unit.weight_hh.copy_(decoder.cells[0].recurrent.weight)
        unit.bias_hh.copy_(decoder.cells[0].recurrent.bias)
        state, fed = decoder.bridge(memory.states.mean(1)).tanh(), torch.zeros(3, 8).double()
        expected = []
        for place in range(2):
            if feeding == "bahdanau":
                context = found(state)
                state = unit(torch.cat([words[:, place], context], -1), state)
            else:
                state = unit(torch.cat([words[:, place], fed], -1), state)
                context = found(state)
            fed = decoder.readout(torch.cat([context, state], -1)).tanh()
            expected.append(fed)
        actual = model.decode(memory, source[:, :2], torch.tensor([2, 2, 2]))
        close(actual, torch.stack(expected, 1))


@torch.inference_mode()
def test_layers_from_the_second_on_are_added_to_what_enters_them(make: MakeModel) -> None:
    model, ids = make(encoder_layers=2, cell="gru"), torch.tensor([[3, 5, 8]])
    lower, upper = model.encoder.layers
    for name, weight in upper.named_parameters():
        weight.fill_(1e3 if name.startswith("bias_ih") else 0.0)  # keeps its first state: zeros
    expected = lower(model.source_embeddings(ids).transpose(0, 1))[0].transpose(0, 1)
    close(model.encode(ids, torch.tensor([3])).states, expected)
