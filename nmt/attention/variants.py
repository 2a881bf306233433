"""The named variants of attention: one line each, searchable, with the paper."""

from collections.abc import Callable
from dataclasses import dataclass

from nmt.attention.config import ROLES, AttentionConfig
from nmt.attention.contract import Attention
from nmt.attention.multi_head import MultiHeadAttention
from nmt.errors import ConfigError
from nmt.settings import nearest

Build = Callable[[int, int, str, AttentionConfig], Attention]  # model size, heads, role, settings


@dataclass(frozen=True)
class Variant:
    """A mechanism by name."""

    build: Build
    paper: str
    roles: frozenset[str] = frozenset(ROLES)


VARIANTS: dict[str, Variant] = {
    "multi-head": Variant(MultiHeadAttention, "Vaswani et al. (2017), arXiv:1706.03762"),
}


def build_attention(
    role: str, config: AttentionConfig, model_size: int, num_heads: int
) -> Attention:
    """Make the attention of one role.

    Raises:
        ConfigError: The variant is unknown, cannot stand in this role, or the heads do not
            divide the model.
    """
    where = f"attention.{role}.variant"
    if config.variant not in VARIANTS:
        hint = nearest(config.variant, VARIANTS)
        raise ConfigError(f"{where}: no attention is called {config.variant!r}; {hint}")
    variant = VARIANTS[config.variant]
    if role not in variant.roles:
        raise ConfigError(f"{where} = {config.variant!r} serves {sorted(variant.roles)} only")
    if model_size % num_heads:
        raise ConfigError(
            f"model.num_heads = {num_heads} does not divide model.model_size = {model_size}"
        )
    return variant.build(model_size, num_heads, role, config)
