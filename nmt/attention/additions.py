"""What can be added to attention that is trained already: parts that start by changing little.

Head gates, mixed heads, buckets of distance, and a span longer than the line start as nothing at
all; a sink and a learnt alpha as nearly nothing; a context gate lets 88 % through.
"""

import dataclasses

from nmt.attention.config import AttentionConfig
from nmt.attention.refusals import defaults, spelled
from nmt.attention.variants import COMPOSED, VARIANTS
from nmt.errors import ConfigError

ADDITIONS: dict[tuple[str, object], frozenset[str]] = {  # a choice, and what else it reads
    ("gates", True): frozenset(),
    ("context_gate", True): frozenset(),
    ("talking", True): frozenset(),
    ("normaliser", "sink"): frozenset(),
    ("normaliser", "alpha"): frozenset(),
    ("positions", "bucketed"): frozenset({"buckets", "max_distance"}),
    ("pattern", "span"): frozenset({"window", "span_ramp"}),
}
FREE = frozenset({"dropout", "kernel", "penalty"})  # of no weights, nor of what they compute


def with_additions(role: str, given: AttentionConfig, asked: AttentionConfig) -> AttentionConfig:
    """Add what is asked for to the settings of a trained model; what is as by default was not.

    Raises:
        ConfigError: What is asked for would change weights that there are, or what they mean.
    """
    usual = defaults(asked)
    wanted = {name: getattr(asked, name) for name in usual if getattr(asked, name) != usual[name]}
    changed = {name for name, value in wanted.items() if value != getattr(given, name)}
    added = {name for name in changed if (name, wanted[name]) in ADDITIONS}
    allowed = FREE.union(*(ADDITIONS[name, wanted[name]] for name in added))
    for name in sorted(changed - allowed - added - {"variant"}):
        raise refusal(role, given, asked, name)
    for name in sorted(added):
        if getattr(given, name) != usual[name]:
            raise refusal(role, given, asked, name)
    if "variant" in changed and not (is_composed(given) and is_composed(asked)):
        raise refusal(role, given, asked, "variant")
    return dataclasses.replace(given, **wanted)


def is_composed(config: AttentionConfig) -> bool:
    """Tell whether a mechanism is a composition."""
    return config.variant in VARIANTS and VARIANTS[config.variant].mechanism == COMPOSED


def refusal(role: str, given: AttentionConfig, asked: AttentionConfig, name: str) -> ConfigError:
    """Say that trained weights would not fit, and what can be added to them."""
    return ConfigError(
        f"{spelled(role, asked, name)} was asked for, but --from takes the shape of its model, "
        f"which has {spelled(role, given, name).rpartition(' = ')[2]}; leave the setting out (only "
        "gates, context_gate, talking, sink, alpha, span and bucketed positions can be added)"
    )
