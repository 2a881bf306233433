"""Shapes of models, and the presets that they start from."""

import math
import re
from typing import Any

import pytest

from nmt.errors import ConfigError
from nmt.model.config import PRESETS, ModelConfig, with_preset
from nmt.settings import build


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_model(name: str) -> None:
    config = build(ModelConfig, with_preset({"preset": name}), "model")
    assert config == ModelConfig(preset=name, **PRESETS[name])


def test_the_defaults_are_the_default_preset() -> None:
    assert build(ModelConfig, with_preset({}), "model") == ModelConfig()


def test_a_setting_of_ones_own_stands_above_the_presets() -> None:
    resolved = with_preset({"preset": "transformer-base", "ffn_size": 64})
    assert resolved["ffn_size"] == 64
    assert resolved["model_size"] == PRESETS["transformer-base"]["model_size"]
    assert PRESETS["transformer-base"]["ffn_size"] != 64


def test_what_is_resolved_stays_as_it_is_when_resolved_again() -> None:
    once = with_preset({"preset": "transformer-tiny", "norm": "pre"})
    assert with_preset(once) == once


def test_an_unknown_preset_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"model.preset: no preset 'base'; known here: "):
        with_preset({"preset": "base"})
    with pytest.raises(ConfigError, match=r"did you mean 'transformer-base'\?"):
        with_preset({"preset": "transformer_base"})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        *[
            ({name: 0}, f"model.{name} must be at least 1, not 0")
            for name in ("encoder_layers", "decoder_layers", "model_size", "ffn_size", "num_heads")
        ],
        ({"dropout": 1.0}, "model.dropout must lie in [0, 1), not 1.0"),
        ({"dropout": -0.1}, "model.dropout must lie in [0, 1), not -0.1"),
        ({"ffn_dropout": math.nan}, "model.ffn_dropout must lie in [0, 1), not nan"),
        ({"num_heads": 3}, "model.num_heads = 3 does not divide model.model_size = 256"),
        ({"model_size": 7, "num_heads": 1}, "model.model_size must be even, not 7"),
        ({"max_length": 1}, "model.max_length must be at least 2, a piece and its end, not 1"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        ModelConfig(**settings)
