"""Settings of attention, one section for each role it plays."""

from dataclasses import dataclass, field
from typing import ClassVar

from nmt.errors import ConfigError
from nmt.settings import setting

ROLES = ("encoder", "decoder", "cross")


@dataclass(frozen=True, kw_only=True)
class AttentionConfig:
    """How attention works in one role."""

    section: ClassVar[str] = "attention"

    variant: str = setting("multi-head", "Name of the mechanism.")
    dropout: float = setting(0.0, "Share of attention weights dropped in training.")
    kernel: str = setting(
        "auto",
        "Code that computes it: the fastest that fits, or one by name.",
        choices=("auto", "dense", "fused"),
    )

    def __post_init__(self) -> None:
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"attention dropout must lie in [0, 1), not {self.dropout}")
        if self.kernel == "fused" and self.dropout > 0.0:
            raise ConfigError(
                f'attention kernel = "fused" has no dropout on weights, but dropout is '
                f'{self.dropout}; set dropout = 0 or kernel = "dense"'
            )


@dataclass(frozen=True, kw_only=True)
class AttentionSections:
    """Attention in the encoder, in the decoder, and from the decoder to the encoder."""

    encoder: AttentionConfig = field(default=AttentionConfig())
    decoder: AttentionConfig = field(default=AttentionConfig())
    cross: AttentionConfig = field(default=AttentionConfig())
