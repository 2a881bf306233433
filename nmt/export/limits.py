"""What other programs can hold, setting by setting, and why not the rest."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nmt.attention.config import ROLES, AttentionConfig, AttentionSections
from nmt.attention.refusals import toml
from nmt.attention.variants import COMPOSED, VARIANTS
from nmt.errors import ConfigError
from nmt.model.config import ModelConfig, with_preset
from nmt.settings import Table, build

CTRANSLATE2, HUGGINGFACE = "ctranslate2", "huggingface"
NAMES = {CTRANSLATE2: "CTranslate2", HUGGINGFACE: "Hugging Face's Marian"}
OWN_LAYERS = "every layer of it has keys and values of its own"


@dataclass(frozen=True)
class Limit:
    """What a setting must be.

    Attributes:
        setting: Its name within its section.
        allowed: The values that can be held.
        reason: Why no others can.
    """

    setting: str
    allowed: tuple[Any, ...]
    reason: str


HEADS = (  # in every role
    Limit("normaliser", ("softmax",), "it knows no normaliser but softmax"),
    Limit("pattern", ("full",), "it attends to all keys"),
    Limit("score", ("scaled-dot", "dot", "general", "general-shared"), "it knows only products"),
    Limit("talking", (False,), "its heads do not mix"),
    Limit("context_gate", (False,), "it heeds all that it attends to"),
)
IN_ROLE: dict[str, dict[str, tuple[Limit, ...]]] = {
    CTRANSLATE2: {
        "encoder": (
            Limit("positions", ("none", "bucketed", "shaw", "rotary"), "only its decoder has it"),
            Limit("share", ("none",), OWN_LAYERS),
        ),
        "decoder": (Limit("share", ("none",), OWN_LAYERS),),
        "cross": (Limit("share", ("none", "key-value"), "it computes weights in every layer"),),
    },
    HUGGINGFACE: {
        role: (
            Limit("positions", ("none",), "it has no positions but those of embeddings"),
            Limit("share", ("none", "key-value") if role == "cross" else ("none",), OWN_LAYERS),
        )
        for role in ROLES
    },
}
OF_MODEL: dict[str, tuple[Limit, ...]] = {
    CTRANSLATE2: (),
    HUGGINGFACE: (
        Limit("norm", ("post",), "it normalises after every sub-layer"),
        Limit("norm_kind", ("layer",), "it has no other normalisation"),
        Limit("feed_forward", ("plain",), "its feed-forward blocks have no gate"),
        Limit("positions", ("sinusoidal",), "it computes its positions as sines"),
    ),
}


@dataclass(frozen=True)
class Shape:
    """The settings that decide what can hold a model."""

    model: ModelConfig
    attention: AttentionSections

    @classmethod
    def of(cls, settings: Table) -> "Shape":
        """Read them from those of a model directory."""
        return cls(
            build(ModelConfig, with_preset(settings.get("model", {})), "model"),
            build(AttentionSections, settings.get("attention", {}), "attention"),
        )

    def roles(self) -> Iterator[tuple[str, AttentionConfig]]:
        """Give the settings of attention in each role."""
        return ((role, getattr(self.attention, role)) for role in ROLES)


def refuse_unheld(shape: Shape, target: str) -> None:
    """Refuse a model that a format cannot hold exactly.

    Raises:
        ConfigError: Naming the first setting that it cannot hold, the reason, and what it can.
    """
    if shape.model.arch != "transformer":
        raise ConfigError(
            f"{NAMES[target]} cannot hold model.arch = {toml(shape.model.arch)}: its models are "
            'Transformers; train one with model.arch = "transformer"'
        )
    for limit in OF_MODEL[target]:
        refuse(target, "model", shape.model, limit)
    for role, config in shape.roles():
        refuse_mechanism(target, role, config)
        for limit in (*HEADS, *IN_ROLE[target][role]):
            refuse(target, f"attention.{role}", config, limit)
    if target == CTRANSLATE2:
        refuse_positions(shape)


def refuse(target: str, where: str, section: object, limit: Limit) -> None:
    """Refuse a setting that has none of the values allowed."""
    value = getattr(section, limit.setting)
    if value not in limit.allowed:
        raise ConfigError(
            f"{NAMES[target]} cannot hold {where}.{limit.setting} = {toml(value)}: {limit.reason}; "
            f"it can hold {' or '.join(map(toml, limit.allowed))}"
        )


def refuse_mechanism(target: str, role: str, config: AttentionConfig) -> None:
    """Refuse what is no composition of choices."""
    known = VARIANTS.get(config.variant)
    if known is None or known.mechanism != COMPOSED:
        raise ConfigError(
            f"{NAMES[target]} cannot hold attention.{role}.variant = {toml(config.variant)}: it "
            'has no such mechanism; it can hold "multi-head" and its kin (nmt attention list)'
        )


def refuse_positions(shape: Shape) -> None:
    """Refuse positions that CTranslate2 has, but not together, or not in this way.

    A stack whose first layer has positions of its own gets none from its embeddings.
    """
    for role in ("encoder", "decoder"):
        config: AttentionConfig = getattr(shape.attention, role)
        where = f"attention.{role}.positions = {toml(config.positions)}"
        if config.positions == "none":
            continue
        if config.positions == "bucketed":
            refuse_own_buckets(shape.model, role, where)
        if config.positions == "alibi":
            refuse_slopes(shape.model, where)
        elif shape.model.positions != "none" and shape.model.norm == "post":
            raise ConfigError(
                f"CTranslate2 cannot hold {where} with model.positions = "
                f'{toml(shape.model.positions)} and model.norm = "post": it adds no positions to '
                'embeddings then; it can hold model.positions = "none" or model.norm = "pre"'
            )


def refuse_own_buckets(model: ModelConfig, role: str, where: str) -> None:
    """Refuse several tables of distances in a stack."""
    layers = getattr(model, f"{role}_distinct") or getattr(model, f"{role}_layers")
    if layers > 1:
        raise ConfigError(
            f"CTranslate2 cannot hold {where} in {layers} layers with tables of their own: a "
            f"stack of it has one; it can hold model.{role}_distinct = 1, or positions "
            '"shaw" or "rotary"'
        )


def refuse_slopes(model: ModelConfig, where: str) -> None:
    """Refuse ALiBi where its slopes are others, or where positions are added beside it."""
    if model.positions != "none":
        raise ConfigError(
            f"CTranslate2 cannot hold {where} with model.positions = {toml(model.positions)}: it "
            'adds no positions to embeddings then; it can hold model.positions = "none"'
        )
    if model.num_heads & (model.num_heads - 1):
        raise ConfigError(
            f"CTranslate2 cannot hold {where} with model.num_heads = {model.num_heads}: it has "
            "other slopes unless the heads are a power of two"
        )
