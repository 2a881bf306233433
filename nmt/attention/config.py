"""Settings of attention, one section for each role it plays.

Most mechanisms are a composition of choices: how pairs are scored, how positions enter, how
scores become weights, which keys may be seen, how heads are laid out, what is shared. A variant
is a named starting point; every choice beside it can be set apart.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nmt.attention.refusals import refuse, toml
from nmt.attention.variants import VARIANTS
from nmt.errors import ConfigError
from nmt.settings import setting

ROLES = ("encoder", "decoder", "cross")


@dataclass(frozen=True, kw_only=True)
class AttentionConfig:
    """How attention works in one role."""

    section: ClassVar[str] = "attention"

    variant: str = setting(
        "multi-head", "Named mechanism that the other settings start from, or PACKAGE:CLASS."
    )
    score: str = setting(
        "scaled-dot",
        "How well a query and a key fit.",
        choices=("scaled-dot", "dot", "general", "general-shared", "additive", "cosine"),
    )
    positions: str = setting(
        "none",
        "How distance enters the scores.",
        choices=("none", "bucketed", "shaw", "alibi", "rotary"),
    )
    buckets: int = setting(32, "Classes of distance with positions = 'bucketed'.")
    max_distance: int = setting(
        128, "Distance from which all are one ('bucketed'); a tenth is usual for 'shaw'."
    )
    normaliser: str = setting(
        "softmax",
        "How scores become weights.",
        choices=("softmax", "sparsemax", "entmax", "alpha", "top-k", "sink"),
    )
    top_k: int = setting(8, "Keys that keep a weight with normaliser = 'top-k'.")
    pattern: str = setting(
        "full",
        "Which keys may be seen at all.",
        choices=("full", "window", "sentence", "local-m", "local-p", "span"),
    )
    window: int = setting(
        64, "Furthest key that is seen, on each side, where the pattern has a window; the "
        "largest span with pattern = 'span'.",
    )  # fmt: skip
    dilation: int = setting(1, "Only every so many-th key of a window is seen.")
    global_tokens: int = setting(
        0, "First positions that a window leaves visible to all, and that see all."
    )
    span_ramp: int = setting(16, "Keys over which a learned span fades out.")
    key_value_heads: int = setting(
        0, "Heads of keys and values, each shared by a group of query heads; 0: one for each."
    )
    tied: str = setting(
        "none",
        "Projections that are one matrix.",
        choices=("none", "query-key", "key-value"),
    )
    share: str = setting(
        "none",
        "What a block of neighbouring layers computes only once.",
        choices=("none", "key-value", "weights"),
    )
    share_block: int = setting(2, "Layers in a block that shares.")
    talking: bool = setting(False, "Mix scores and weights across heads.")
    gates: bool = setting(False, "Learn a gate for each head; closed heads can be pruned.")
    context_gate: bool = setting(False, "Learn how much a query heeds what it attends to.")
    heads: tuple[str, ...] = setting(
        (), "Heads that are left in each layer after pruning; empty: model.num_heads in all."
    )
    block: int = setting(128, "Keys in a block of 'block-hierarchical'.")
    levels: int = setting(1, "Levels of summaries of 'block-hierarchical'.")
    features: str = setting(
        "elu", "Feature map of linear attention.", choices=("elu", "favor", "random")
    )
    num_features: int = setting(
        0, "Random features of a head with features = 'favor' or 'random'; 0: twice its size."
    )
    chunk: int = setting(64, "Queries that a chunked or blocked kernel takes at a time.")
    penalty: float = setting(
        0.0, "Weight in the loss of what a span or gates cost; pulls them shut."
    )
    dropout: float = setting(0.0, "Share of attention weights dropped in training.")
    kernel: str = setting(
        "auto",
        "Code that computes it: the fastest that fits, or one by name; dense is the definition.",
        choices=("auto", "dense", "fused", "banded", "blocked", "chunked", "flex"),
    )

    def __post_init__(self) -> None:
        """Take from the variant what it sets and nobody else has set."""
        variant = VARIANTS.get(self.variant)
        usual = {each.name: each.default for each in dataclasses.fields(self)}
        for name, value in (variant.settings if variant else {}).items():
            if getattr(self, name) == usual[name]:
                object.__setattr__(self, name, value)  # frozen from here on


def refuse_undone(table: Mapping[str, Any]) -> None:
    """Refuse what is written out as by default where the variant sets something else.

    A setting at its default is the variant's; that it was written out would be lost.

    Args:
        table: The [attention] table, by role.

    Raises:
        ConfigError: Naming both settings.
    """
    usual = {each.name: each.default for each in dataclasses.fields(AttentionConfig)}
    for role, section in table.items():
        name = section.get("variant") if isinstance(section, Mapping) else None
        variant = VARIANTS.get(name) if isinstance(name, str) else None
        for key, value in (variant.settings if variant else {}).items():
            if key in section and section[key] == usual[key] != value:
                raise ConfigError(
                    f"attention.{role}.{key} = {toml(section[key])} contradicts "
                    f"attention.{role}.variant = {toml(name)}, which sets {toml(value)}; leave it "
                    "out, or name another variant"
                )


@dataclass(frozen=True, kw_only=True)
class AttentionSections:
    """Attention in the encoder, in the decoder, and from the decoder to the encoder."""

    encoder: AttentionConfig = field(default=AttentionConfig())
    decoder: AttentionConfig = field(default=AttentionConfig())
    cross: AttentionConfig = field(default=AttentionConfig())

    def __post_init__(self) -> None:
        for role in ROLES:
            refuse(role, getattr(self, role))
