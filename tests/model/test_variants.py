"""Every variant of attention in the Transformer: trained, decoded step by step, stored."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from nmt.attention.config import ROLES, AttentionConfig, AttentionSections
from nmt.attention.variants import VARIANTS
from nmt.model.contract import EncoderDecoder, Memory
from nmt.model.directory import count_parameters, weights_of
from nmt.model.sharing import assignment

MakeModel = Callable[..., EncoderDecoder]

SOURCE = torch.tensor([[4, 5, 10, 6, 7, 8], [3, 9, 4, 2, 0, 0], [4, 2, 0, 0, 0, 0]])
LENGTHS = torch.tensor([6, 4, 2])
TUNED = {"window": {"window": 2}, "block-hierarchical": {"block": 2}, "dilated": {"window": 2}}
CASES = [
    (name, role) for name, variant in VARIANTS.items() for role in ROLES if role in variant.roles
]


def sections(name: str, role: str) -> AttentionSections:
    return AttentionSections(**{role: AttentionConfig(variant=name, **TUNED.get(name, {}))})


def check_steps(model: EncoderDecoder, steps: int = 8) -> None:
    """Compare every step of random hypotheses with a full pass over their own past."""
    random = torch.Generator().manual_seed(3)
    memory = model.encode(SOURCE, LENGTHS)
    state = model.start(memory, 2, steps)
    past: list[list[list[int]]] = [[[], []] for _ in range(3)]
    for _ in range(steps):
        parents = torch.randint(2, (3, 2), generator=random)
        ids = torch.randint(1, 9, (3, 2), generator=random)
        past = [
            [[*rows[int(parents[b, k])], int(ids[b, k])] for k in range(2)]
            for b, rows in enumerate(past)
        ]
        states, state = model.step(state, ids, parents)
        for b in range(3):
            one = Memory(memory.states[b : b + 1], memory.lengths[b : b + 1])
            one = replace(one, states=one.states[:, : int(LENGTHS[b])])
            for k in range(2):
                target = torch.tensor([past[b][k]])
                full = model.decode(one, target, torch.tensor([target.size(1)]))[0, -1]
                assert_close(states[b, k], full, rtol=1e-9, atol=1e-9)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("name", "role"), CASES, ids=["-".join(case) for case in CASES])
@torch.inference_mode()
def test_steps_are_a_full_pass(make_model: MakeModel, name: str, role: str) -> None:
    check_steps(make_model(sections(name, role), decoder_layers=3))


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("name", "role"), CASES, ids=["-".join(case) for case in CASES])
def test_every_weight_learns(make_model: MakeModel, name: str, role: str) -> None:
    model = make_model(sections(name, role)).train()
    memory = model.encode(SOURCE, LENGTHS)
    target = torch.tensor([[1, 4, 5, 6], [1, 7, 8, 3], [1, 3, 4, 5]])
    states = model.decode(memory, target, torch.tensor([4, 4, 4]))
    states.square().sum().backward()
    idle = [
        weight
        for weight, value in model.named_parameters()
        if value.requires_grad and value.grad is None
    ]
    # A layer that takes over a whole context never asks for it, so its question's norm is idle.
    asks = [f"decoder.1.around_cross_attention.norm.{each}" for each in ("weight", "bias")]
    assert idle == (asks if (name, role) == ("shared-weights", "cross") else [])
    grads = [value.grad for value in model.parameters() if value.grad is not None]
    assert all(grad.isfinite().all() for grad in grads)


@pytest.mark.parametrize("share", ["key-value", "weights"])
@pytest.mark.parametrize("block", [2, 3])
@torch.inference_mode()
def test_layers_that_share_decode_as_they_train(
    make_model: MakeModel, share: str, block: int
) -> None:
    config = AttentionConfig(share=share, share_block=block)
    model = make_model(
        AttentionSections(encoder=config, decoder=config, cross=config),
        decoder_layers=4,
        encoder_layers=4,
    )
    check_steps(model)


@pytest.mark.parametrize(
    ("layers", "distinct", "how", "expected"),
    [
        (6, 3, "sequence", [0, 0, 1, 1, 2, 2]),
        (6, 3, "cycle", [0, 1, 2, 0, 1, 2]),
        (6, 3, "cycle-reverse", [0, 1, 2, 2, 1, 0]),
        (6, 2, "cycle-reverse", [0, 1, 0, 1, 1, 0]),
        (4, 1, "cycle-reverse", [0, 0, 0, 0]),
        (5, 2, "sequence", [0, 0, 0, 1, 1]),
        (3, 0, "cycle", [0, 1, 2]),
        (3, 3, "cycle-reverse", [0, 1, 2]),
    ],
)
def test_layers_are_assigned_as_the_paper_draws_them(
    layers: int, distinct: int, how: str, expected: list[int]
) -> None:
    assert assignment(layers, distinct, how) == expected


@pytest.mark.parametrize("how", ["sequence", "cycle", "cycle-reverse"])
def test_shared_layers_are_an_unshared_model_with_copied_weights(
    make_model: MakeModel, how: str
) -> None:
    size = {"encoder_layers": 4, "decoder_layers": 4}
    shared = make_model(None, encoder_distinct=2, decoder_distinct=2, layer_sharing=how, **size)
    whole = make_model(None, **size)
    numbers = assignment(4, 2, how)
    for stack, copy in ((shared.encoder, whole.encoder), (shared.decoder, whole.decoder)):
        assert len({id(layer) for layer in stack}) == 2
        for position, number in enumerate(numbers):
            first = numbers.index(number)
            copy[position].load_state_dict(stack[first].state_dict())
    others = {n: w for n, w in whole.named_parameters() if not n.split(".")[1].isdigit()}
    with torch.no_grad():
        for name, weight in others.items():
            weight.copy_(shared.get_parameter(name))
    outputs = []
    for model in (shared, whole):
        memory = model.encode(SOURCE, LENGTHS)
        states = model.decode(memory, SOURCE, LENGTHS)
        states[LENGTHS > 3].square().sum().backward()
        outputs.append(states)
    assert_close(outputs[0], outputs[1], rtol=1e-12, atol=1e-12)
    for position, number in enumerate(numbers):
        first = numbers.index(number)
        alike = [copy for copy, other in enumerate(numbers) if other == number]
        for name, weight in shared.decoder[first].named_parameters():
            grads = [whole.decoder[copy].get_parameter(name).grad for copy in alike]
            assert_close(weight.grad, torch.stack(grads).sum(0), rtol=1e-9, atol=1e-9)
        assert position >= first
    assert len(weights_of(shared)) < len(weights_of(whole))
    assert count_parameters(shared) < count_parameters(whole)
    with torch.inference_mode():
        check_steps(shared)


@pytest.mark.parametrize(
    "settings",
    [{"norm_kind": "rms"}, {"feed_forward": "gated"}, {"positions": "none"}, {"norm": "post"}],
    ids=str,
)
@torch.inference_mode()
def test_options_of_the_transformer_decode_as_they_train(
    make_model: MakeModel, settings: dict[str, str]
) -> None:
    check_steps(make_model(None, **settings))


def test_a_gated_block_has_about_as_many_weights(make_model: MakeModel) -> None:
    plain = make_model(None, model_size=32, ffn_size=96)
    gated = make_model(None, model_size=32, ffn_size=96, feed_forward="gated")
    assert abs(count_parameters(gated) / count_parameters(plain) - 1) < 0.01


def test_own_mechanisms_exist() -> None:
    for name, variant in VARIANTS.items():
        module = variant.mechanism.partition(":")[0]
        assert not module or importlib.util.find_spec(module), name
