"""Operations are counted as a model's weights say, and speeds are what their parts say."""

import pytest
import torch

from nmt.attention.config import AttentionSections
from nmt.bench import flops
from nmt.bench.flops import flops_per_target_token
from nmt.bench.training import Work, measure_training, synthetic_batches
from nmt.model.build import build_model
from nmt.model.compute import Compute
from nmt.model.config import ModelConfig

SMALL = ModelConfig(encoder_layers=2, decoder_layers=1, model_size=16, ffn_size=24, num_heads=2)
WORK = Work(vocab_size=40, batch_tokens=64, shortest=3, longest=9, updates=2, warm_up=1)


def product_weights(config: ModelConfig, vocab_size: int) -> int:
    """Count the weights of a model that take part in products: matrices, words once."""
    model = build_model(config, AttentionSections(), vocab_size, vocab_size)
    return sum(weight.numel() for weight in model.parameters() if weight.dim() == 2)


@pytest.mark.parametrize("config", [SMALL, ModelConfig()], ids=["shrunk", "transformer-small"])
def test_six_operations_for_each_weight_where_sides_are_equally_long(config: ModelConfig) -> None:
    counted = flops_per_target_token(config, 40, source_per_target=1.0)
    assert counted == 6 * product_weights(config, 40)


def test_a_longer_source_costs_the_encoder_and_the_keys_of_cross_attention() -> None:
    once, twice = (flops_per_target_token(SMALL, 40, ratio) for ratio in (1.0, 2.0))
    no_source = flops_per_target_token(SMALL, 40, 0.0)
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


def test_figures_agree_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flops, "PRODUCT_SIZE", 32)
    speed = measure_training(SMALL, WORK, Compute(torch.device("cpu"), torch.float32))
    assert speed.slowest <= speed.tokens_per_second <= speed.fastest
    assert speed.share == speed.model_flops / speed.product_flops
    assert 0 < speed.fill <= 1
