"""Operations are counted as a model's weights say, and speeds are what their parts say."""

from typing import Any

import pytest
import torch

from nmt.attention.config import AttentionConfig, AttentionSections
from nmt.bench import flops, training
from nmt.bench.flops import flops_per_target_token
from nmt.bench.training import Work, measure_training, synthetic_batches
from nmt.experiment import Experiment
from nmt.model.build import build_model
from nmt.model.compute import Compute
from nmt.model.config import PRESETS, ModelConfig

SMALL = ModelConfig(encoder_layers=2, decoder_layers=1, model_size=16, ffn_size=24, num_heads=2)
RECURRENT = ModelConfig(
    arch="rnn", encoder_layers=2, decoder_layers=3, model_size=16, num_heads=2, cell="gru"
)
WORK = Work(vocab_size=40, batch_tokens=64, shortest=3, longest=9, updates=2, warm_up=1)


def product_weights(config: ModelConfig, vocab_size: int) -> int:
    """Count the weights that each token's products take: matrices, words once."""
    model = build_model(config, AttentionSections(), vocab_size, vocab_size)
    return sum(
        weight.numel()
        for name, weight in model.named_parameters()
        if weight.dim() == 2 and "bridge" not in name
    )


OTHERS = ("rnn-small", "lm-small")


@pytest.mark.parametrize(
    "config",
    [SMALL, ModelConfig(), RECURRENT, *(ModelConfig(**PRESETS[name]) for name in OTHERS)],
    ids=["shrunk", "transformer-small", "shrunk-rnn", *OTHERS],
)
def test_six_operations_for_each_weight_where_sides_are_equally_long(config: ModelConfig) -> None:
    counted = flops_per_target_token(config, 40, source_per_target=1.0)
    assert counted == 6 * product_weights(config, 40)


@pytest.mark.parametrize("config", [SMALL, RECURRENT], ids=lambda config: config.arch)
def test_a_longer_source_costs_the_encoder_and_the_keys_of_cross_attention(
    config: ModelConfig,
) -> None:
    once, twice = (flops_per_target_token(config, 40, ratio) for ratio in (1.0, 2.0))
    no_source = flops_per_target_token(config, 40, 0.0)
    size = config.model_size
    model = build_model(config, AttentionSections(), 40, 40)
    encoder = sum(weight.numel() for weight in model.encoder.parameters() if weight.dim() == 2)
    layers = 1 if config.arch == "rnn" else config.decoder_layers
    assert once - no_source == 6 * (encoder + layers * 2 * size**2)
    assert twice - once == pytest.approx(once - no_source)


def test_the_same_seed_makes_the_same_work() -> None:
    one, other = (list(synthetic_batches(WORK)) for _ in range(2))
    assert len(one) == WORK.updates + WORK.warm_up
    for left, right in zip(one, other, strict=True):
        assert (left.source == right.source).all()
        assert (left.target == right.target).all()


def test_synthetic_batches_keep_to_lengths_and_budget() -> None:
    for batch in synthetic_batches(WORK):
        assert batch.source_lengths.min() >= WORK.shortest + 1
        assert batch.source_lengths.max() <= WORK.longest + 1
        assert max(batch.source.size, batch.target[:, 1:].size) <= WORK.batch_tokens


@pytest.mark.parametrize("config", [SMALL, RECURRENT], ids=lambda config: config.arch)
def test_figures_agree_with_each_other(
    monkeypatch: pytest.MonkeyPatch, config: ModelConfig
) -> None:
    monkeypatch.setattr(flops, "PRODUCT_SIZE", 32)
    speed = measure_training(
        Experiment(model=config), WORK, Compute(torch.device("cpu"), torch.float32)
    )
    assert speed.slowest <= speed.tokens_per_second <= speed.fastest
    assert speed.share == speed.model_flops / speed.product_flops
    assert 0 < speed.fill <= 1


def test_what_is_timed_attends_as_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[AttentionSections] = []

    def noted(model: ModelConfig, attention: AttentionSections, *sizes: int) -> Any:
        made.append(attention)
        return build_model(model, attention, *sizes)

    monkeypatch.setattr(flops, "PRODUCT_SIZE", 32)
    monkeypatch.setattr(training, "build_model", noted)
    sections = AttentionSections(cross=AttentionConfig(variant="additive"))
    experiment = Experiment(model=SMALL, attention=sections)
    measure_training(experiment, WORK, Compute(torch.device("cpu"), torch.float32))
    assert made == [sections]
