"""The Transformer gives the same states whichever way they are computed.

Three sentences of 6, 2 and 4 source ids; vocabularies of 9 to 11.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.config import AttentionConfig, AttentionSections
from nmt.errors import ConfigError
from nmt.model.build import build_model
from nmt.model.config import PRESETS, ModelConfig
from nmt.model.contract import EncoderDecoder, Memory
from nmt.model.state import DecoderState
from nmt.model.transformer import padded_lengths

MakeModel = Callable[..., EncoderDecoder]

TRANSFORMERS = {name: each for name, each in PRESETS.items() if each["arch"] == "transformer"}
SHRUNK = {"model_size": 8, "ffn_size": 12, "num_heads": 2}
SHAPES = {
    "pre-norm": {"norm": "pre"},
    "post-norm": {"norm": "post"},
    "learned": {"positions": "learned"},
    "tied-target": {"tie": "target"},
    "untied": {"tie": "none", "norm": "post"},
    "deep-encoder": {"encoder_layers": 3, "decoder_layers": 1},
    "deep-decoder": {"encoder_layers": 1, "decoder_layers": 3, "positions": "learned"},
    **{name: {**preset, **SHRUNK} for name, preset in TRANSFORMERS.items()},
}
LENGTHS = torch.tensor([6, 2, 4])


@pytest.fixture(params=SHAPES.values(), ids=SHAPES.keys())
def model(request: pytest.FixtureRequest, make_model: MakeModel) -> EncoderDecoder:
    return make_model(**request.param)


@pytest.fixture
def source() -> Tensor:
    return torch.randint(9, (3, 6), generator=torch.Generator().manual_seed(2))


def close(actual: Tensor, expected: Tensor) -> None:
    assert_close(actual, expected, rtol=1e-10, atol=1e-10)


def full(model: EncoderDecoder, memory: Memory, sentence: int, ids: list[int]) -> Tensor:
    """Decode one target at once and give its last state."""
    one = Memory(memory.states[sentence : sentence + 1], memory.lengths[sentence : sentence + 1])
    return model.decode(one, torch.tensor([ids]), torch.tensor([len(ids)]))[0, -1]


def check_step(
    model: EncoderDecoder, memory: Memory, states: Tensor, histories: dict[int, list[list[int]]]
) -> None:
    """Compare the states of a step with a full pass over each hypothesis' ids."""
    for row, (sentence, hypotheses) in enumerate(histories.items()):
        for place, ids in enumerate(hypotheses):
            close(states[row, place], full(model, memory, sentence, ids))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("beam", [1, 3])
@torch.inference_mode()
def test_steps_are_a_full_pass_over_each_hypothesis(
    model: EncoderDecoder, source: Tensor, beam: int
) -> None:
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
        check_step(model, memory, states, histories)


@torch.inference_mode()
def test_a_sentence_alone_is_that_sentence_in_a_batch(
    model: EncoderDecoder, source: Tensor
) -> None:
    target, target_lengths = source.flip(1), [4, 6, 1]
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
    target = torch.ones(3, 2, dtype=torch.long)
    lengths = torch.tensor([2, 2, 2])
    before = model.decode(model.encode(source, LENGTHS), target, lengths)[0, 1]
    swapped = source.clone()
    swapped[0, [0, 5]] = source[0, [5, 0]]
    changed = source.clone()
    changed[0, 3] = (source[0, 3] + 1) % 9
    for other in (swapped, changed):
        after = model.decode(model.encode(other, LENGTHS), target, lengths)[0, 1]
        assert (before - after).abs().max() > 1e-4


def test_every_weight_gets_a_gradient(model: EncoderDecoder, source: Tensor) -> None:
    states = model.decode(model.encode(source, LENGTHS), source, LENGTHS)
    (states @ model.output_weight().mT).log_softmax(-1)[..., 0].sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert (weight.grad != 0).any(), name


@torch.inference_mode()
def test_the_longest_source_and_target_have_positions(model: EncoderDecoder) -> None:
    longest = torch.ones(1, model.max_length, dtype=torch.long)
    lengths = torch.tensor([model.max_length])
    memory = model.encode(longest, lengths)
    expected = model.decode(memory, longest, lengths)
    state, parents = model.start(memory, 1, model.max_length), torch.zeros(1, 1, dtype=torch.long)
    for place in range(model.max_length):
        states, state = model.step(state, longest[:, :1], parents)
        close(states[:, 0], expected[:, place])


def test_training_without_dropout_computes_what_evaluation_does(
    make_model: MakeModel, source: Tensor
) -> None:
    model = make_model(dropout=0.0)
    states = model.decode(model.encode(source, LENGTHS), source, LENGTHS)
    model.train()
    close(model.decode(model.encode(source, LENGTHS), source, LENGTHS), states)


@pytest.mark.parametrize("settings", [{"dropout": 0.5}, {"dropout": 0.0, "ffn_dropout": 0.5}])
def test_dropout_acts_in_training_only(
    make_model: MakeModel, source: Tensor, settings: dict[str, float]
) -> None:
    model = make_model(**settings)
    first, second = (model.encode(source, LENGTHS).states for _ in range(2))
    assert torch.equal(first, second)
    model.train()
    first, second = (model.encode(source, LENGTHS).states for _ in range(2))
    assert not torch.equal(first, second)


def test_steps_in_bfloat16_stay_near_full_passes_in_float32(
    make_model: MakeModel, source: Tensor
) -> None:
    model = make_model().float()
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
def test_kernels_make_no_difference_to_a_model(make_model: MakeModel, source: Tensor) -> None:
    def states(kernel: str) -> Tensor:
        config = AttentionConfig(kernel=kernel)
        sections = AttentionSections(encoder=config, decoder=config, cross=config)
        model = make_model(sections)
        return model.decode(model.encode(source, LENGTHS), source, LENGTHS)

    close(states("dense"), states("auto"))
    close(states("fused"), states("auto"))


@torch.inference_mode()
def test_a_state_that_is_selected_leaves_the_first_as_it_was(
    make_model: MakeModel, source: Tensor
) -> None:
    model = make_model()
    ids, parents = torch.ones(3, 2, dtype=torch.long), torch.zeros(3, 2, dtype=torch.long)
    _, state = model.step(model.start(model.encode(source, LENGTHS), 2, 3), ids, parents)
    kept = torch.tensor([1])
    few: DecoderState = state.select(kept)
    narrow, _ = model.step(few, ids[kept], parents[kept])
    wide, _ = model.step(state, ids, parents)
    close(narrow, wide[kept])


@pytest.mark.parametrize("preset", TRANSFORMERS)
@pytest.mark.parametrize("tie", ["all", "target", "none"])
@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_a_preset_has_as_many_weights_as_its_shape_says(
    preset: str, tie: str, positions: str
) -> None:
    config = ModelConfig(preset=preset, **PRESETS[preset], tie=tie, positions=positions)
    vocab = 1000
    with torch.device("meta"):
        model = build_model(config, AttentionSections(), vocab, vocab)
    width, inner = config.model_size, config.ffn_size
    norm, attention = 2 * width, 4 * width * (width + 1)
    feed_forward = width * inner + inner + inner * width + width
    expected = (
        config.encoder_layers * (attention + feed_forward + 2 * norm)
        + config.decoder_layers * (2 * attention + feed_forward + 3 * norm)
        + (2 * norm if config.norm == "pre" else 0)
        + {"all": 1, "target": 2, "none": 3}[tie] * vocab * width
        + (2 * config.max_length * width if positions == "learned" else 0)
    )
    assert sum(weight.numel() for weight in model.parameters()) == expected


def test_tied_embeddings_are_one_matrix(make_model: MakeModel) -> None:
    def matrices(tie: str) -> list[Tensor]:
        model = make_model(tie=tie)
        parts = (model.source_embeddings.words, model.target_embeddings.words)
        return [*parts, model.output_weight()]

    source, target, output = matrices("all")
    assert source is target is output
    source, target, output = matrices("target")
    assert source is not target
    assert target is output
    source, target, output = matrices("none")
    assert len({id(each) for each in (source, target, output)}) == 3


def test_one_matrix_for_both_sides_is_refused_where_vocabularies_differ() -> None:
    with pytest.raises(
        ConfigError,
        match=r"model.tie = 'all' needs one segmenter .* hold 1,001 and 9 .* model.tie = 'target'",
    ):
        build_model(ModelConfig(), AttentionSections(), 1001, 9)


def test_lengths_are_kept_only_where_something_is_padded() -> None:
    assert padded_lengths(torch.tensor([6, 6]), 6) is None
    assert torch.equal(padded_lengths(LENGTHS, 6), LENGTHS)


def test_a_model_adds_up_what_its_attention_adds_to_the_loss(make_model: MakeModel) -> None:
    model = make_model()
    assert model.penalty() is None
    for layer in model.decoder:
        layer.cross_attention.penalty = lambda: torch.tensor(1.5)
    assert float(model.penalty()) == 3.0
