"""Which settings of attention exclude each other, and why: refused before anything is built."""

import dataclasses
from typing import TYPE_CHECKING, Any

from nmt.attention.variants import COMPOSED, VARIANTS
from nmt.errors import ConfigError
from nmt.settings import nearest

if TYPE_CHECKING:
    from nmt.attention.config import AttentionConfig

LEAST = {
    "buckets": 4, "max_distance": 1, "top_k": 1, "window": 1, "dilation": 1, "global_tokens": 0,
    "span_ramp": 1, "key_value_heads": 0, "share_block": 2, "block": 1, "levels": 1,
    "num_features": 0, "chunk": 1,
}  # fmt: skip
NEEDS: dict[str, tuple[str, tuple[Any, ...]]] = {  # a setting, and what makes it matter
    "buckets": ("positions", ("bucketed",)),
    "max_distance": ("positions", ("bucketed", "shaw")),
    "top_k": ("normaliser", ("top-k",)),
    "window": ("pattern", ("window", "local-m", "local-p", "span")),
    "dilation": ("pattern", ("window",)),
    "global_tokens": ("pattern", ("window",)),
    "span_ramp": ("pattern", ("span",)),
    "share_block": ("share", ("key-value", "weights")),
    "block": ("variant", ("block-hierarchical",)),
    "levels": ("variant", ("block-hierarchical",)),
    "features": ("variant", ("linear", "favor", "random-feature")),
    "num_features": ("variant", ("favor", "random-feature")),
    "chunk": ("kernel", ("auto", "blocked")),
}
ALWAYS_READ = {"variant", "kernel"}


@dataclasses.dataclass(frozen=True)
class Conflict:
    """Two choices that do not go together; no values stand for any that is not 0 or empty."""

    first: str
    firsts: tuple[Any, ...]
    second: str
    seconds: tuple[Any, ...]
    reason: str


SUMMED = ("linear", "favor", "random-feature", "average")
UNFUSED = "the fused kernel computes a softmax of products and no more"
CONFLICTS = (
    Conflict("talking", (True,), "share", ("weights",), "whose weights would be mixed is open"),
    Conflict("talking", (True,), "key_value_heads", (), "mixing would undo the groups"),
    Conflict("tied", ("query-key",), "key_value_heads", (), "the matrices differ in size"),
    Conflict("heads", (), "key_value_heads", (), "the heads that are left make no equal groups"),
    Conflict("heads", (), "share", ("key-value", "weights"),
             "layers that share need the same heads"),
    Conflict("heads", (), "talking", (True,), "no head can go that others mix in"),
    Conflict("tied", ("query-key",), "share", ("key-value", "weights"),
             "there would be no keys of one's own to tie"),
    Conflict("tied", ("key-value",), "share", ("weights",), "there would be no keys to tie"),
    Conflict("score", ("additive",), "positions", ("shaw", "rotary"),
             "these positions act on products of queries and keys"),
    Conflict("pattern", ("span",), "normaliser", ("sparsemax", "entmax", "alpha", "top-k", "sink"),
             "a span fades out as a factor of softmax's weights"),
    Conflict("pattern", ("span",), "positions", ("bucketed", "shaw", "alibi"),
             "only one of them can change the scores by distance"),
    Conflict("pattern", ("span",), "talking", (True,),
             "heads of a shorter span would mix into those of a longer one"),
    Conflict("pattern", ("span",), "share", ("key-value",),
             "the layer that lends forgets what the longer span of another would see"),
    Conflict("pattern", ("local-p",), "share", ("weights",), "its centre depends on the query"),
    Conflict("share", ("weights",), "context_gate", (True,), "its gate depends on the query"),
    Conflict("share", ("weights",), "positions", ("shaw",), "its values depend on distance"),
    Conflict("kernel", ("fused", "flex"), "score", ("additive",), UNFUSED),
    Conflict("kernel", ("fused",), "positions", ("bucketed", "shaw", "alibi"), UNFUSED),
    Conflict("kernel", ("flex",), "positions", ("bucketed", "shaw", "alibi"), UNFUSED),
    Conflict("kernel", ("fused", "flex"), "normaliser",
             ("sparsemax", "entmax", "alpha", "top-k", "sink"), UNFUSED),
    Conflict("kernel", ("fused", "flex"), "pattern", ("local-p", "span"), UNFUSED),
    Conflict("kernel", ("fused", "flex"), "talking", (True,), UNFUSED),
    Conflict("kernel", ("fused", "flex", "banded", "blocked"), "share", ("weights",),
             "what is shared must be materialised"),
    Conflict("kernel", ("fused", "banded", "blocked", "flex"), "variant", SUMMED,
             "it is computed by sums: chunked, or dense by its definition"),
    Conflict("kernel", ("banded",), "pattern", ("full", "local-p"),
             "a band needs a window of fixed width, or sentences"),
    Conflict("variant", ("block-hierarchical",), "kernel", ("fused", "blocked", "chunked", "flex"),
             "it has kernels of its own, dense and banded"),
)  # fmt: skip
IN_ROLE: dict[str, tuple[Conflict, ...]] = {  # `first` is the role itself
    "cross": tuple(
        Conflict("", (), name, values, reason)
        for name, values, reason in (
            ("positions", ("bucketed", "shaw", "alibi", "rotary"),
             "source and target positions have no distance"),
            ("pattern", ("window", "span"),
             "source and target positions have no distance; local-m and local-p guess one"),
        )
    ),
    "encoder": (Conflict("", (), "pattern", ("local-m", "local-p"), "they look at a source"),),
    "decoder": (Conflict("", (), "pattern", ("local-m", "local-p"), "they look at a source"),),
}  # fmt: skip


def refuse(role: str, config: "AttentionConfig") -> None:
    """Refuse settings that cannot be, or cannot stand in a role.

    Raises:
        ConfigError: Naming the settings that exclude each other.
    """
    refuse_values(role, config)
    refuse_variant(role, config)
    refuse_unread(role, config)
    for conflict in IN_ROLE[role]:
        if getattr(config, conflict.second) in conflict.seconds:
            raise ConfigError(f"{spelled(role, config, conflict.second)}: {conflict.reason}")
    refuse_conflicts(role, config)
    refuse_dropout(role, config)


def chosen(value: object, values: tuple[Any, ...]) -> bool:
    """Tell whether a setting has one of the values, or any at all where none is named."""
    return value in values if values else bool(value)


def refuse_conflicts(role: str, config: "AttentionConfig") -> None:
    """Refuse choices that do not go together; most are of compositions only."""
    variant = VARIANTS.get(config.variant)
    is_composed = variant is not None and variant.mechanism == COMPOSED
    for conflict in CONFLICTS:
        first, second = conflict.first, conflict.second
        if not is_composed and "variant" not in (first, second):
            continue
        values = getattr(config, first), getattr(config, second)
        if chosen(values[0], conflict.firsts) and chosen(values[1], conflict.seconds):
            raise ConfigError(
                f"{spelled(role, config, first)} excludes "
                f"{spelled(role, config, second)}: {conflict.reason}"
            )


def refuse_values(role: str, config: "AttentionConfig") -> None:
    """Refuse numbers out of range."""
    for name, least in LEAST.items():
        if getattr(config, name) < least:
            raise ConfigError(
                f"attention.{role}.{name} must be at least {least}, not {getattr(config, name)}"
            )
    if not 0.0 <= config.dropout < 1.0:
        raise ConfigError(f"attention.{role}.dropout must lie in [0, 1), not {config.dropout}")
    if not config.penalty >= 0.0:
        raise ConfigError(f"attention.{role}.penalty must be 0 or more, not {config.penalty}")
    if config.features == "random" and config.num_features % 2:
        raise ConfigError(
            f'attention.{role}.num_features must be even with features = "random", whose '
            f"features are sines and as many cosines, not {config.num_features}"
        )
    if any(not each.isdecimal() for each in config.heads):
        raise ConfigError(f"attention.{role}.heads must be whole numbers, not {config.heads}")


def refuse_variant(role: str, config: "AttentionConfig") -> None:
    """Refuse a variant that does not exist, or that does not serve a role."""
    where = f"attention.{role}.variant"
    if ":" in config.variant:
        return
    if config.variant not in VARIANTS:
        hint = nearest(config.variant, VARIANTS)
        raise ConfigError(f"{where}: no attention is called {config.variant!r}; {hint}")
    roles = VARIANTS[config.variant].roles
    if role not in roles:
        raise ConfigError(f"{where} = {config.variant!r} serves {' and '.join(sorted(roles))} only")


def refuse_unread(role: str, config: "AttentionConfig") -> None:
    """Refuse settings that nothing would read; what a user's own class reads is not known."""
    if ":" in config.variant:
        return
    changed = [name for name, usual in defaults(config).items() if getattr(config, name) != usual]
    variant = VARIANTS[config.variant]
    if variant.mechanism != COMPOSED:
        read = ALWAYS_READ | {*variant.settings, *variant.tunable}
        for name in changed:
            if name not in read:
                raise ConfigError(
                    f"{spelled(role, config, name)} means nothing with "
                    f"{spelled(role, config, 'variant')}, a mechanism of its own"
                )
    for name in changed:
        if name in NEEDS and variant.mechanism == COMPOSED:
            other, values = NEEDS[name]
            if getattr(config, other) not in values:
                allowed = " or ".join(map(toml, values))
                raise ConfigError(
                    f"{spelled(role, config, name)} means nothing with "
                    f"{spelled(role, config, other)}; it needs {other} = {allowed}"
                )
    if variant.mechanism == COMPOSED and config.kernel == "chunked":
        raise ConfigError(
            f"{spelled(role, config, 'kernel')} means nothing with "
            f"{spelled(role, config, 'variant')}; it is for attention by running sums"
        )
    if config.penalty and not (config.gates or config.pattern == "span"):
        raise ConfigError(
            f"{spelled(role, config, 'penalty')} means nothing without gates = true or "
            'pattern = "span"'
        )


def refuse_dropout(role: str, config: "AttentionConfig") -> None:
    """Refuse dropout on weights where there are no weights."""
    if config.dropout and config.kernel in ("fused", "flex"):
        raise ConfigError(
            f"{spelled(role, config, 'kernel')} has no dropout on weights, but "
            f'{spelled(role, config, "dropout")}; set dropout = 0 or kernel = "dense"'
        )


def refuse_uneven_groups(role: str, config: "AttentionConfig", num_heads: int) -> None:
    """Refuse groups that do not divide the heads of the model."""
    if config.key_value_heads and num_heads % config.key_value_heads:
        raise ConfigError(
            f"{spelled(role, config, 'key_value_heads')} does not divide "
            f"model.num_heads = {num_heads}"
        )


def defaults(config: "AttentionConfig") -> dict[str, Any]:
    """List what settings are when nothing is said."""
    return {each.name: each.default for each in dataclasses.fields(config)}


def spelled(role: str, config: "AttentionConfig", name: str) -> str:
    """Name a setting with its value."""
    return f"attention.{role}.{name} = {toml(getattr(config, name))}"


def toml(value: object) -> str:
    """Spell a value as a file of settings does."""
    return str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')
