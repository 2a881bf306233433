"""What a recurrent model is built of, and what it is not built from."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nmt.attention.config import AttentionConfig, AttentionSections
from nmt.errors import ConfigError
from nmt.model.build import build_model
from nmt.model.cells import CELLS
from nmt.model.config import PRESETS, ModelConfig
from nmt.model.contract import EncoderDecoder

MakeModel = Callable[..., EncoderDecoder]


@pytest.fixture
def make(make_model: MakeModel) -> MakeModel:
    """Make a recurrent model."""
    return lambda *sections, **settings: make_model(*sections, arch="rnn", **settings)


@pytest.mark.parametrize("preset", [name for name in PRESETS if name.startswith("rnn")])
@pytest.mark.parametrize("tie", ["all", "target", "none"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_preset_has_as_many_weights_as_its_shape_says(preset: str, tie: str, cell: str) -> None:
    config = ModelConfig(preset=preset, **PRESETS[preset], tie=tie, cell=cell)
    with torch.device("meta"):
        model = build_model(config, AttentionSections(), 1000, 1000)
    width, half = config.model_size, config.model_size // 2
    gates, parts = {"lstm": (4, 2), "gru": (3, 1)}[cell]
    expected = (
        config.encoder_layers * 2 * gates * half * (width + half + 2)
        + gates * width * (2 * config.decoder_layers * (width + 1) + width)
        + config.decoder_layers * parts * width * (width + 1)
        + 4 * width * (width + 1)
        + width * (2 * width + 1)
        + {"all": 1, "target": 2, "none": 3}[tie] * 1000 * width
    )
    assert sum(weight.numel() for weight in model.parameters()) == expected


def test_tied_embeddings_are_one_matrix(make: MakeModel) -> None:
    def matrices(tie: str) -> list[Tensor]:
        model = make(tie=tie)
        parts = (model.source_embeddings.words, model.target_embeddings.words)
        return [*parts, model.output_weight()]

    assert [len({id(each) for each in matrices(tie)}) for tie in ("all", "target", "none")] == [
        1, 2, 3,
    ]  # fmt: skip


def test_what_does_not_fit_a_recurrent_model_is_refused() -> None:
    config = ModelConfig(arch="rnn")
    with pytest.raises(ConfigError, match=r"model.tie = 'all' needs one segmenter"):
        build_model(config, AttentionSections(), 1001, 9)
    sections = AttentionSections(encoder=AttentionConfig(kernel="dense"))
    message = r"attention.encoder.kernel = 'dense', but model.arch = 'rnn' has no self-attention"
    with pytest.raises(ConfigError, match=message):
        build_model(config, sections, 9, 9)
    build_model(replace(config, arch="transformer"), sections, 9, 9)


def test_forget_gates_of_the_encoder_start_open() -> None:
    config = ModelConfig(arch="rnn", model_size=8, num_heads=2)
    for layer in build_model(config, AttentionSections(), 9, 9).encoder.layers:
        for end in ("", "_reverse"):
            bias = getattr(layer, f"bias_ih_l0{end}") + getattr(layer, f"bias_hh_l0{end}")
            assert bias.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8
