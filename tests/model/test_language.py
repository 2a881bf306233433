"""A language model says the same whichever way it is computed, and sees no future and no source."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.config import AttentionConfig, AttentionSections
from nmt.attention.variants import VARIANTS
from nmt.model.build import build_model
from nmt.model.config import PRESETS, ModelConfig
from nmt.model.contract import SequenceModel
from nmt.model.directory import count_parameters
from nmt.model.sentences import Breaks
from tests.model.test_variants import TUNED

MakeModel = Callable[..., SequenceModel]

NO_SOURCE = (torch.zeros((3, 0), dtype=torch.long), torch.zeros(3, dtype=torch.long))
TARGET = torch.tensor([[1, 4, 5, 8, 6, 7], [1, 3, 8, 4, 0, 0], [1, 4, 0, 0, 0, 0]])
LENGTHS = torch.tensor([6, 4, 2])
OWN: list[dict[str, Any]] = [
    {"norm_kind": "rms"}, {"feed_forward": "gated"}, {"positions": "none"}, {"norm": "post"},
    {"positions": "learned"}, {"tie": "none"}, {"decoder_layers": 4, "decoder_distinct": 2},
]  # fmt: skip
IN_DECODER = [name for name, variant in VARIANTS.items() if "decoder" in variant.roles]


@pytest.fixture
def make(make_model: MakeModel) -> MakeModel:
    """Build a small language model in float64, all of whose weights matter."""

    def build(attention: AttentionConfig | None = None, **settings: Any) -> SequenceModel:
        sections = AttentionSections(decoder=attention or AttentionConfig())
        base = {"arch": "lm", "encoder_layers": 0, "tie": "target"}
        return make_model(sections, **{**base, **settings})

    return build


def predict(model: SequenceModel, target: Tensor, lengths: Tensor) -> Tensor:
    rows = len(target)
    return model.predict((NO_SOURCE[0][:rows], NO_SOURCE[1][:rows]), target, lengths)


def check_steps(model: SequenceModel, steps: int = 8) -> None:
    """Compare every step of random hypotheses with a full pass over their own past."""
    random = torch.Generator().manual_seed(3)
    state, numbers = model.begin(NO_SOURCE, 2, steps), [0, 1, 2]
    past: dict[int, list[list[int]]] = {number: [[], []] for number in numbers}
    for step in range(steps):
        if step in (3, 6):
            kept = {3: [2, 0], 6: [1]}[step]
            state, numbers = state.select(torch.tensor(kept)), [numbers[row] for row in kept]
        parents = torch.randint(2, (len(numbers), 2), generator=random)
        ids = torch.randint(1, 9, (len(numbers), 2), generator=random)
        for row, number in enumerate(numbers):
            pairs = zip(parents[row].tolist(), ids[row].tolist(), strict=True)
            past[number] = [[*past[number][parent], id_] for parent, id_ in pairs]
        states, state = model.step(state, ids, parents)
        for row, number in enumerate(numbers):
            for place in range(2):
                target = torch.tensor([past[number][place]])
                full = predict(model, target, torch.tensor([target.size(1)]))[0, -1]
                assert_close(states[row, place], full, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", IN_DECODER)
@torch.inference_mode()
def test_steps_are_a_full_pass(make: MakeModel, name: str) -> None:
    check_steps(make(AttentionConfig(variant=name, **TUNED.get(name, {})), decoder_layers=3))


@pytest.mark.parametrize("settings", OWN, ids=str)
@torch.inference_mode()
def test_options_decode_as_they_train(make: MakeModel, settings: dict[str, Any]) -> None:
    check_steps(make(**settings))


@torch.inference_mode()
def test_sentences_within_a_text_are_told_apart(make: MakeModel) -> None:
    model = make(AttentionConfig(variant="sentence-local"))
    before = predict(model, TARGET, LENGTHS)
    model.breaks = Breaks(5, 5)
    assert not torch.equal(predict(model, TARGET, LENGTHS), before)
    check_steps(model)


@pytest.mark.parametrize("name", IN_DECODER)
def test_every_weight_learns(make: MakeModel, name: str) -> None:
    model = make(AttentionConfig(variant=name, **TUNED.get(name, {}))).train()
    predict(model, TARGET, LENGTHS).square().sum().backward()
    values = {name: each for name, each in model.named_parameters() if each.requires_grad}
    assert [name for name, each in values.items() if each.grad is None] == []
    assert all(each.grad is not None and each.grad.isfinite().all() for each in values.values())


@torch.inference_mode()
def test_a_text_alone_is_that_text_in_a_batch_and_sees_no_future(make: MakeModel) -> None:
    model = make()
    states = predict(model, TARGET, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = predict(model, TARGET[row : row + 1, :length], LENGTHS[row : row + 1])
        assert_close(states[row : row + 1, :length], alone, rtol=1e-10, atol=1e-10)
    changed = TARGET.clone()
    changed[:, 3:] = 2
    after = predict(model, changed, LENGTHS)
    assert torch.equal(states[:, :3], after[:, :3])
    assert not torch.equal(states[0, 3], after[0, 3])


@torch.inference_mode()
def test_a_source_makes_no_difference(make: MakeModel) -> None:
    model, source = make(), (torch.full((3, 4), 7), torch.tensor([4, 2, 1]))
    expected = predict(model, TARGET, LENGTHS)
    assert torch.equal(model.predict(source, TARGET, LENGTHS), expected)
    ids, parents = TARGET[:, :1], torch.zeros(3, 1, dtype=torch.long)
    told, _ = model.step(model.begin(source, 1, 2), ids, parents)
    untold, _ = model.step(model.begin(NO_SOURCE, 1, 2), ids, parents)
    assert torch.equal(told, untold)


def test_recomputing_layers_changes_no_gradient(make: MakeModel) -> None:
    gradients = []
    for recompute in (False, True):
        model = make().train()
        model.recompute = recompute
        predict(model, TARGET, LENGTHS).square().sum().backward()
        gradients.append([each.grad for each in model.parameters()])
    assert all(torch.equal(*each) for each in zip(*gradients, strict=True))


@pytest.mark.parametrize("preset", [name for name in PRESETS if name.startswith("lm")])
@pytest.mark.parametrize("tie", ["target", "none"])
def test_a_preset_has_as_many_weights_as_its_shape_says(preset: str, tie: str) -> None:
    config = ModelConfig(**{"preset": preset, **PRESETS[preset], "tie": tie})
    with torch.device("meta"):
        model = build_model(config, AttentionSections(), 7, 1000)
    width, inner = config.model_size, config.ffn_size
    layer = 4 * width * (width + 1) + 2 * width * inner + inner + width + 2 * 2 * width
    words = {"target": 1, "none": 2}[tie] * 1000 * width
    assert count_parameters(model) == config.decoder_layers * layer + 2 * width + words
