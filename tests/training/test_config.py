"""Settings of training that make no sense are refused by name."""

from typing import Any

import pytest

from nmt.errors import ConfigError
from nmt.training.config import TrainingConfig


@pytest.mark.parametrize("name", ["max_updates", "accumulate", "log_every", "validate_every"])
def test_what_must_be_positive(name: str) -> None:
    TrainingConfig(**{name: 1})
    with pytest.raises(ConfigError, match=f"training.{name} must be at least 1, not 0"):
        TrainingConfig(**{name: 0})


@pytest.mark.parametrize("name", ["warmup", "patience", "average", "weight_decay", "clip_norm"])
def test_what_must_not_be_negative(name: str) -> None:
    TrainingConfig(**{name: 0})
    with pytest.raises(ConfigError, match=f"training.{name} must be 0 or more, not -1"):
        TrainingConfig(**{name: -1})


@pytest.mark.parametrize("name", ["label_smoothing", "beta1", "beta2", "ema"])
def test_what_is_a_share(name: str) -> None:
    TrainingConfig(**{name: 0.0})
    for value in (1.0, -0.1):
        with pytest.raises(ConfigError, match=rf"training.{name} must lie in \[0, 1\), not"):
            TrainingConfig(**{name: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rate": 0.0}, "training.learning_rate must be above 0, not 0.0"),
        ({"learning_rate": float("nan")}, "training.learning_rate must be above 0, not nan"),
        ({"label_smoothing": float("nan")}, r"training.label_smoothing must lie in \[0, 1\)"),
        ({"ema": float("nan")}, r"training.ema must lie in \[0, 1\), not nan"),
        ({"clip_norm": float("nan")}, "training.clip_norm must be 0 or more, not nan"),
        ({"keep": 0, "average": 0}, "training.keep must be at least 1, not 0"),
        ({"average": 6}, "training.average = 6 needs as many checkpoints .* training.keep = 5"),
    ],
)
def test_what_else_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainingConfig(**values)
