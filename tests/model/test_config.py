"""Shapes of models, and the presets that they start from."""

import math
import re
from typing import Any

import pytest

from nmt.attention.config import AttentionConfig, AttentionSections
from nmt.errors import ConfigError
from nmt.model.config import (
    ARCHITECTURES,
    OWN_SETTINGS,
    PRESETS,
    ModelConfig,
    refuse_unfit_attention,
    with_preset,
)
from nmt.settings import build, to_table


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
    with pytest.raises(ConfigError, match=r"model.preset: no preset 'wide'; known here: "):
        with_preset({"preset": "wide"})
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
        ({"encoder_layers": 513}, "model.encoder_layers must be at most 512"),
        ({"model_size": 2**21}, "model.model_size must be at most 1,048,576"),
        ({"max_length": 1}, "model.max_length must be at least 2, a piece and its end, not 1"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        ModelConfig(**settings)


def test_an_architecture_alone_starts_from_its_usual_preset() -> None:
    for arch, preset in ARCHITECTURES.items():
        assert with_preset({"arch": arch}) == {"preset": preset, **PRESETS[preset]}
        assert with_preset({"arch": arch, "model_size": 64})["model_size"] == 64


def test_a_preset_says_its_architecture() -> None:
    for name, preset in PRESETS.items():
        assert name.startswith(preset["arch"])
        assert build(ModelConfig, with_preset({"preset": name})).arch == preset["arch"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"preset": "transformer-base", "arch": "rnn"},
            "model.arch = 'rnn', but model.preset = 'transformer-base' is of "
            "model.arch = 'transformer'; choose one of rnn-tiny, rnn-small, ",
        ),
        (
            {"preset": "rnn-base", "arch": "transformer"},
            "model.arch = 'transformer', but model.preset = 'rnn-base' is of "
            "model.arch = 'rnn'; choose one of transformer-tiny, transformer-small, ",
        ),
        ({"arch": "cnn"}, "model.arch must be one of transformer, rnn, lm, not 'cnn'"),
        ({"arch": ["rnn"]}, "model.arch must be one of transformer, rnn, lm, not ['rnn']"),
    ],
)
def test_an_architecture_that_is_none_or_not_the_presets_is_refused(
    table: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        with_preset(table)


OTHER = {"ffn_size": 64, "norm": "post", "positions": "learned", "ffn_dropout": 0.5}
OTHER |= {"norm_kind": "rms", "feed_forward": "gated", "layer_sharing": "sequence"}
OTHER |= {"encoder_distinct": 1, "decoder_distinct": 1}
OTHER |= {"cell": "gru", "feeding": "bahdanau"}


NO_SOURCE = {"encoder_layers": 0, "tie": "target"}


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_settings_of_another_architecture_are_refused(arch: str) -> None:
    assert OTHER.keys() == {name for names in OWN_SETTINGS.values() for name in names}
    needed: dict[str, Any] = NO_SOURCE if arch == "lm" else {}
    for other, names in OWN_SETTINGS.items():
        for name in names:
            if name in OWN_SETTINGS[arch]:
                config = ModelConfig(arch=arch, **needed, **{name: OTHER[name]})
                assert getattr(config, name) == OTHER[name]
                continue
            if name in OWN_SETTINGS["transformer"] and other != "transformer":
                continue  # it is named as the Transformer's
            message = (
                f"model.{name} = {OTHER[name]!r} is a setting of model.arch = {other!r}, but "
                f"model.arch is {arch!r}; leave one of them out"
            )
            with pytest.raises(ConfigError, match=re.escape(message)):
                ModelConfig(arch=arch, **needed, **{name: OTHER[name]})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"encoder_layers": 3, "tie": "target"},
            "model.encoder_layers = 3, but model.arch = 'lm' has no encoder; leave it out",
        ),
        (
            {"encoder_layers": 0},
            "model.tie = 'all', but model.arch = 'lm' has no source; choose 'target' (input and "
            "output embeddings are one matrix) or 'none'",
        ),
        ({**NO_SOURCE, "decoder_layers": 0}, "model.decoder_layers must be at least 1, not 0"),
    ],
)
def test_what_a_language_model_has_not_got_is_refused(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ModelConfig(arch="lm", **settings)


@pytest.mark.parametrize("role", ["encoder", "cross"])
def test_attention_to_a_source_is_refused_for_a_language_model(role: str) -> None:
    config = ModelConfig(arch="lm", **NO_SOURCE)
    refuse_unfit_attention(config, AttentionSections(decoder=AttentionConfig(variant="rotary")))
    message = (
        f"attention.{role}.variant = 'additive', but model.arch = 'lm' has no encoder; "
        "set it in attention.decoder alone"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        refuse_unfit_attention(
            config, AttentionSections(**{role: AttentionConfig(variant="additive")})
        )


@pytest.mark.parametrize("role", ["encoder", "decoder"])
def test_settings_of_self_attention_are_refused_for_a_recurrent_model(role: str) -> None:
    sections = AttentionSections(**{role: AttentionConfig(dropout=0.5)})
    refuse_unfit_attention(ModelConfig(), sections)
    message = (
        f"attention.{role}.dropout = 0.5, but model.arch = 'rnn' has no self-attention; "
        "set it in attention.cross alone"
    )
    with pytest.raises(ConfigError, match=re.escape(message)):
        refuse_unfit_attention(ModelConfig(arch="rnn"), sections)
    refuse_unfit_attention(
        ModelConfig(arch="rnn"), AttentionSections(cross=AttentionConfig(dropout=0.5))
    )


def test_the_one_attention_of_a_recurrent_model_has_none_to_share_with() -> None:
    sections = AttentionSections(cross=AttentionConfig(variant="shared-kv"))
    refuse_unfit_attention(ModelConfig(), sections)
    message = (
        "attention.cross.share = 'key-value', but model.arch = 'rnn' attends in one layer, "
        "which has no other to share with"
    )
    with pytest.raises(ConfigError, match=re.escape(message)):
        refuse_unfit_attention(ModelConfig(arch="rnn"), sections)


@pytest.mark.parametrize(
    ("model", "attention", "message"),
    [
        (
            {"decoder_layers": 1},
            {"decoder": {"share": "weights"}},
            "attention.decoder.share = 'weights', but model.decoder_layers = 1 leaves no other "
            "layer to share with",
        ),
        (
            {"encoder_layers": 1, "num_heads": 4},
            {"encoder": {"heads": ("2", "1")}},
            "attention.encoder.heads names 2 layers, but model.encoder_layers = 1",
        ),
        (
            {"sentence_break": "<brk>"},
            {},
            "model.sentence_break = '<brk>' means nothing, since no attention keeps to sentences; "
            'set variant = "sentence-local" in one, or leave it out',
        ),
    ],
    ids=["share", "heads", "sentences"],
)
def test_what_nothing_would_read_is_refused(
    model: dict[str, Any], attention: dict[str, dict[str, Any]], message: str
) -> None:
    sections = AttentionSections(
        **{role: AttentionConfig(**each) for role, each in attention.items()}
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        refuse_unfit_attention(ModelConfig(**model), sections)
    used = AttentionSections(encoder=AttentionConfig(variant="sentence-local"))
    refuse_unfit_attention(ModelConfig(sentence_break="<brk>"), used)


@pytest.mark.parametrize("name", PRESETS)
def test_a_resolved_model_reads_back_as_itself(name: str) -> None:
    config = build(ModelConfig, with_preset({"preset": name}), "model")
    assert build(ModelConfig, with_preset(to_table(config)), "model") == config
