"""A mechanism of attention from its place and its settings."""

import importlib
import os
import sys
from pathlib import Path

from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Attention, Place
from nmt.attention.multi_head import MultiHeadAttention
from nmt.attention.refusals import refuse, refuse_uneven_groups
from nmt.attention.variants import COMPOSED, VARIANTS
from nmt.errors import ConfigError

TRUST = "NMT_TRUST"  # modules of one's own that may be imported because settings name them


def build_attention(place: Place, config: AttentionConfig) -> Attention:
    """Make the attention of one place.

    Raises:
        ConfigError: The variant is unknown or cannot stand in this role, its settings exclude
            each other, or the heads do not divide.
    """
    refuse(place.role, config)
    refuse_indivisible(place, config)
    if ":" in config.variant:
        return load_own(place, config.variant)(place, config)
    mechanism = VARIANTS[config.variant].mechanism
    if mechanism == COMPOSED:
        return MultiHeadAttention(place, config)
    return load_class(mechanism)(place, config)


def refuse_indivisible(place: Place, config: AttentionConfig) -> None:
    """Refuse heads that do not divide the model, or groups that do not divide the heads."""
    refuse_uneven_groups(place.role, config, place.num_heads)
    if place.model_size % place.num_heads:
        raise ConfigError(
            f"model.num_heads = {place.num_heads} does not divide "
            f"model.model_size = {place.model_size}"
        )


def load_own(place: Place, path: str) -> type[Attention]:
    """Import a user's own mechanism, whose module they have said that they trust.

    Settings may come with a model from anyone, and importing a module runs it.

    Raises:
        ConfigError: The module is not trusted, cannot be imported, or holds no such mechanism.
    """
    module = path.partition(":")[0]
    where = f"attention.{place.role}.variant = {path!r}"
    if module.partition(".")[0] not in os.environ.get(TRUST, "").split(","):
        raise ConfigError(
            f"{where} would run code of your own; allow it with the environment variable "
            f"{TRUST}={module.partition('.')[0]}"
        )
    found = load_mechanism(path, where)
    if place.role not in found.roles:
        raise ConfigError(f"{where} serves {' and '.join(sorted(found.roles))} only")
    return found


def load_mechanism(path: str, where: str) -> type[Attention]:
    """Import a mechanism from what is installed or stands here; `where` is to blame if it fails.

    Raises:
        ConfigError: The module cannot be imported, or holds no such mechanism.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # behind all that is installed
    try:
        found = load_class(path)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigError(f"{where}: {error}") from None
    if not (isinstance(found, type) and issubclass(found, Attention)):
        raise ConfigError(f"{where} is no subclass of nmt.attention.contract.Attention")
    return found


def load_class(path: str) -> type[Attention]:
    """Import MODULE:CLASS."""
    module, _, name = path.partition(":")
    found: type[Attention] = getattr(importlib.import_module(module), name)
    return found
