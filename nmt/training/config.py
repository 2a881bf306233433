"""Settings of training."""

from dataclasses import dataclass
from typing import ClassVar

from nmt.errors import ConfigError
from nmt.settings import setting

LOSSES = ("perplexity", "loss", "accuracy")
METRICS = ("bleu", "chrf", *LOSSES)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model learns, for how long, and how the best is chosen."""

    section: ClassVar[str] = "training"

    max_updates: int = setting(20_000, "Updates after which training ends.")
    budget: str = setting(
        "",
        "Time that training may take, such as 8m or 1h30m: the speed is probed, turned into "
        "max_updates, once more at the pace of the warm-up, and recorded. Empty: max_updates as it "
        "stands.",
    )
    optimizer: str = setting(
        "adamw",
        "How gradients move weights; muon moves each matrix as a whole, the rest as adamw does.",
        choices=("adamw", "adam", "muon"),
    )
    learning_rate: float = setting(1e-3, "The highest learning rate, reached after the warm-up.")
    warmup: int = setting(1000, "Updates over which the learning rate rises.")
    schedule: str = setting(
        "inverse-sqrt",
        "How the learning rate falls afterwards.",
        choices=("inverse-sqrt", "cosine", "linear"),
    )
    weight_decay: float = setting(
        0.01, "Pull of weight matrices towards zero, with adamw and muon."
    )
    beta1: float = setting(0.9, "Memory of the optimizer's mean of gradients.")
    beta2: float = setting(0.98, "Memory of the optimizer's mean of squared gradients.")
    momentum: float = setting(0.95, "Memory of muon's mean of a matrix's gradients.")
    regulator_speed: float = setting(
        10.0, "Factor of the learning rate of what sets how attention adapts: spans, gates, alphas."
    )
    label_smoothing: float = setting(
        0.1, "Share of the target distribution that is spread over the whole vocabulary."
    )
    r_drop: float = setting(
        0.0,
        "Read every pair twice, with other values dropped, and pull both predictions together with "
        "this weight, such as 5 (R-Drop); an update takes twice the time. 0: off.",
    )
    clip_norm: float = setting(1.0, "Longest gradient; longer ones are shortened. 0: none is.")
    accumulate: int = setting(1, "Batches whose gradients make one update.")
    max_skipped: int = setting(
        3, "Updates in a row whose gradient is not finite that end training; fewer are skipped."
    )
    loss_chunk: int = setting(
        2**20,
        "Scores of words that exist at once: the loss is taken in chunks of positions. 0: those "
        "of a whole batch.",
    )
    recompute: bool = setting(
        False,
        "Keep the inputs of layers alone and compute the rest once more for the gradients: much "
        "less memory, more time, the same result (activation checkpointing).",
    )
    log_every: int = setting(50, "Updates between lines of the log.")
    validate_every: int = setting(1000, "Updates between validations; each leaves a checkpoint.")
    best_metric: str = setting(
        "bleu", "What chooses the best checkpoint, on the development set.", choices=METRICS
    )
    patience: int = setting(
        0, "Stop after so many validations in a row without a new best. 0: never."
    )
    average: int = setting(
        5, "At the end, average so many last checkpoints; the best of all is kept. 0 or 1: none."
    )
    ema: float = setting(
        0.0,
        "Decay of a moving average of the weights, such as 0.999, which is then what is "
        "validated, saved and translated with. 0: none.",
    )
    shortlist: bool = setting(
        True,
        "Learn from the corpus, before the first update, which target pieces each source piece "
        "suggests, so that search.shortlist can be asked for.",
    )
    keep: int = setting(5, "Last checkpoints that stay on disk, besides the best.")
    tensorboard: bool = setting(
        False, "Write all measurements for TensorBoard too, to RUN/tensorboard."
    )

    def __post_init__(self) -> None:
        positive = (
            "max_updates", "accumulate", "max_skipped", "log_every", "validate_every", "keep",
        )  # fmt: skip
        for name in positive:
            if getattr(self, name) < 1:
                raise ConfigError(f"training.{name} must be at least 1, not {getattr(self, name)}")
        for name in (
            "warmup", "patience", "average", "weight_decay", "r_drop", "clip_norm", "loss_chunk",
        ):  # fmt: skip
            if not getattr(self, name) >= 0:  # refuses nan too
                raise ConfigError(f"training.{name} must be 0 or more, not {getattr(self, name)}")
        for name in ("label_smoothing", "beta1", "beta2", "momentum", "ema"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(f"training.{name} must lie in [0, 1), not {getattr(self, name)}")
        for name in ("learning_rate", "regulator_speed"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"training.{name} must be above 0, not {getattr(self, name)}")
        if self.average > self.keep:
            raise ConfigError(
                f"training.average = {self.average} needs as many checkpoints on disk, but "
                f"training.keep = {self.keep}"
            )
