"""The settings of `nmt train` that are flags, for all commands that take the same."""

from collections.abc import Callable
from typing import Any, TypeVar

from nmt.cli.options import attention_options, config_options, setting_options
from nmt.corpus.config import DataConfig
from nmt.model.compute import ComputeConfig
from nmt.model.config import ModelConfig
from nmt.training.config import TrainingConfig

Function = TypeVar("Function", bound=Callable[..., Any])

FLAGS: tuple[Callable[[Any], Any], ...] = (
    setting_options(
        DataConfig, "train", "dev_source", "dev_target", "test", "allow_overlap", "batch_tokens"
    ),
    setting_options(ModelConfig, "preset", "arch"),
    attention_options,
    setting_options(
        TrainingConfig, "max_updates", "budget", "learning_rate", "warmup", "schedule",
        "validate_every", "best_metric", "patience",
    ),
    setting_options(ComputeConfig, "seed", "threads", "device", "precision"),
    config_options,
)  # fmt: skip


def train_options(function: Function) -> Function:
    """Add the flags of training, --config and --set, and hand the command one `table`."""
    for add in reversed(FLAGS):
        function = add(function)
    return function
