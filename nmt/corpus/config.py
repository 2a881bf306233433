"""Settings of the data that a training run reads."""

from dataclasses import dataclass
from typing import ClassVar

from nmt.errors import ConfigError
from nmt.settings import setting


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Corpora of a training run."""

    section: ClassVar[str] = "data"

    train: str = setting("", "Encoded corpus to train on, a folder made by nmt encode.")
    dev_source: str = setting("", "Raw source text of the development set.")
    dev_target: str = setting("", "Raw target text of the development set.")
    test: tuple[str, ...] = setting(
        (),
        "Texts of test sets, which training never reads but checks its corpus against: raw lines "
        "of either side, or both sides with a tab between.",
    )
    allow_overlap: bool = setting(
        False, "Train although lines of the corpus are in a test set (data.test)."
    )
    batch_tokens: int = setting(
        4096, "Tokens in a batch, padding included, counted on the longer of its sides."
    )

    def __post_init__(self) -> None:
        if self.batch_tokens < 1:
            raise ConfigError(f"data.batch_tokens must be at least 1, not {self.batch_tokens}")


@dataclass(frozen=True, kw_only=True)
class EncodeConfig:
    """What is kept when training text is encoded."""

    section: ClassVar[str] = "encode"

    max_pieces: int = setting(256, "Drop pairs of which a side has more pieces than this.")

    def __post_init__(self) -> None:
        if self.max_pieces < 1:
            raise ConfigError(f"encode.max_pieces must be at least 1, not {self.max_pieces}")
