"""Steps of the C library are those of the model itself, for every shape that it serves.

B = 3 sentences of 6, 2 and 4 ids, a beam of 4, a vocabulary of 11.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.config import AttentionConfig, AttentionSections
from nmt.attention.rows import Rows
from nmt.model.build import build_model
from nmt.model.compiled import NativeTransformer, check
from nmt.model.compiled_for import why_not
from nmt.model.compute import Compute
from nmt.model.config import ModelConfig
from nmt.model.transformer import Transformer
from nmt.native.compiler import lacks_bytes, unavailable

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())

VOCAB, BEAM, LIMIT = 11, 4, 5
COMPUTE = Compute(torch.device("cpu"), torch.float32)
SIZES: Mapping[str, Any] = {
    "encoder_layers": 3, "decoder_layers": 3, "model_size": 24, "ffn_size": 20, "num_heads": 4,
    "max_length": 9,
}  # fmt: skip
MODELS: Mapping[str, Mapping[str, Any]] = {
    "as by default": {},
    "norms behind": {"norm": "post"},
    "norms by the square": {"norm_kind": "rms"},
    "norms by the square behind": {"norm_kind": "rms", "norm": "post"},
    "gates": {"feed_forward": "gated"},
    "gates of a tiny block": {"feed_forward": "gated", "ffn_size": 1},
    "one head": {"num_heads": 1},
    "heads of one number": {"num_heads": 24},
    "odd heads": {"model_size": 20},
    "wide": {"model_size": 80, "ffn_size": 130},
    "learnt positions": {"positions": "learned"},
    "no positions": {"positions": "none"},
    "output of its own": {"tie": "none"},
    "source of its own": {"tie": "target"},
    "shared layers": {"decoder_distinct": 1, "encoder_distinct": 1},
    "layers in turn": {"decoder_distinct": 2, "layer_sharing": "cycle"},
}
MECHANISMS: Mapping[str, Mapping[str, Any]] = {
    "rotary": {"positions": "rotary"},
    "unscaled": {"score": "dot"},
    "one key head": {"key_value_heads": 1},
    "two key heads": {"key_value_heads": 2},
    "two key heads, rotary": {"key_value_heads": 2, "positions": "rotary"},
    "pruned heads": {"heads": ("3", "1", "2")},
}


def build(model: Mapping[str, Any] = {}, attention: Mapping[str, Any] = {}) -> Transformer:
    """Make a model whose weights are large enough for every part to count."""
    torch.manual_seed(1)
    roles = {}
    for role in ("encoder", "decoder", "cross"):
        own = dict(attention)
        if role == "cross" and own.get("positions") == "rotary":
            del own["positions"]
        roles[role] = AttentionConfig(**own)
    made = build_model(ModelConfig(**{**SIZES, **model}), AttentionSections(**roles), VOCAB, VOCAB)
    for weight in made.parameters():
        weight.data += 0.2 * torch.randn_like(weight)
    assert isinstance(made, Transformer)
    return made.eval()


CASES = [
    *(pytest.param(case, {}, id=name) for name, case in MODELS.items()),
    *(pytest.param({}, case, id=name) for name, case in MECHANISMS.items()),
    pytest.param({"model_size": 20}, {"positions": "rotary"}, id="odd heads, rotary"),
]


def sources() -> tuple[Tensor, Tensor]:
    ids = torch.randint(VOCAB, (3, 6), generator=torch.Generator().manual_seed(2))
    return ids, torch.tensor([6, 2, 4])


def moves(sentences: int = 3) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw what hypotheses go on with, and from which, at each step."""
    drawn = torch.Generator().manual_seed(3)
    for step in range(LIMIT):
        ids = torch.randint(VOCAB, (3, BEAM), generator=drawn)
        parents = torch.randint(BEAM if step else 1, (3, BEAM), generator=drawn)
        yield ids[:sentences], parents[:sentences]


@torch.inference_mode()
def walk(engine: Transformer | NativeTransformer, source: tuple[Tensor, Tensor]) -> list[Tensor]:
    """Take every step with every hypothesis."""
    state, found = engine.begin(source, BEAM, LIMIT), []
    for ids, parents in moves(len(source[0])):
        states, state = engine.step(state, ids, parents)
        found.append(states)
    return found


@pytest.mark.parametrize(("model", "attention"), CASES)
def test_steps_are_those_of_the_model(
    model: Mapping[str, Any], attention: Mapping[str, Any]
) -> None:
    built = build(model, attention)
    assert not why_not(built, COMPUTE)
    native = walk(NativeTransformer(built, int8=False), sources())
    for found, expected in zip(native, walk(built, sources()), strict=True):
        assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(bool(lacks_bytes()), reason=lacks_bytes())
@pytest.mark.parametrize(("model", "attention"), CASES)
def test_steps_in_integers_are_nearly_those_of_the_model(
    model: Mapping[str, Any], attention: Mapping[str, Any]
) -> None:
    built = build(model, attention)
    native = torch.stack(walk(NativeTransformer(built, int8=True), sources()))
    expected = torch.stack(walk(built, sources()))
    assert not torch.equal(native, expected)
    assert torch.cosine_similarity(native, expected, dim=-1).mean() > 0.99


@pytest.mark.parametrize("int8", [False, True])
def test_a_sentence_gives_the_same_bits_alone(int8: bool) -> None:
    if int8 and lacks_bytes():
        pytest.skip(lacks_bytes())
    engine = NativeTransformer(build(attention={"positions": "rotary"}), int8=int8)
    together, (ids, lengths) = walk(engine, sources()), sources()
    alone = walk(engine, (ids[:1], lengths[:1]))
    for one, all_ in zip(alone, together, strict=True):
        assert torch.equal(one, all_[:1])


@torch.inference_mode()
def test_some_rows_give_what_all_would() -> None:
    engine = NativeTransformer(build(), int8=False)
    whole, wanted = walk(engine, sources()), torch.zeros(3, BEAM, dtype=torch.bool)
    wanted[0, 0] = wanted[1, :2] = wanted[2, 3] = True
    rows = Rows.of(wanted)
    assert rows is not None
    state = engine.begin(sources(), BEAM, LIMIT)
    own = torch.arange(BEAM).expand(3, -1)  # so that no chosen row continues another
    for step, (ids, parents) in enumerate(moves()):
        states, state = engine.step(state, ids, own if step else parents, rows)
        assert states.shape == (1, rows.count, 24)
        if not step:
            assert torch.equal(rows.spread(states)[wanted], whole[0][wanted])
    plain, expected = engine.begin(sources(), BEAM, LIMIT), None
    for step, (ids, parents) in enumerate(moves()):
        expected, plain = engine.step(plain, ids, own if step else parents)
    assert expected is not None
    assert torch.equal(states[0], expected[wanted])


@torch.inference_mode()
def test_sentences_that_are_kept_go_on_as_they_would_have() -> None:
    engine, whole = NativeTransformer(build(), int8=False), None
    whole = walk(engine, sources())
    state, kept = engine.begin(sources(), BEAM, LIMIT), torch.arange(3)
    for step, (ids, parents) in enumerate(moves()):
        if step in (2, 3):
            left = torch.tensor([2, 0] if step == 2 else [1])
            state, kept = state.select(left), kept[left]
        states, state = engine.step(state, ids[kept], parents[kept])
        assert torch.equal(states, whole[step][kept])


def test_weights_are_those_of_the_moment_that_it_was_made() -> None:
    built = build()
    engine = NativeTransformer(built, int8=False)
    before = walk(engine, sources())
    with torch.no_grad():
        for weight in built.parameters():
            weight.add_(1.0)
    for one, other in zip(walk(engine, sources()), before, strict=True):
        assert torch.equal(one, other)


@torch.inference_mode()
def test_ids_and_positions_that_the_model_lacks_are_refused() -> None:
    engine, (ids, lengths) = NativeTransformer(build(), int8=False), sources()
    with pytest.raises(IndexError, match="none that the model has"):
        engine.begin((ids.index_fill(1, torch.tensor([1]), VOCAB), lengths), 1, 3)
    with pytest.raises(IndexError, match="none that the model has"):
        engine.begin((torch.zeros(1, 10, dtype=torch.long), torch.tensor([10])), 1, 3)
    state = engine.begin((ids, lengths), 1, 3)
    nothing = torch.zeros(3, 1, dtype=torch.long)
    with pytest.raises(IndexError, match="none that the model has"):
        engine.step(state, nothing - 1, nothing)


def test_a_step_without_room_is_told() -> None:
    check(0)
    with pytest.raises(MemoryError, match="no room for a step"):
        check(2)
