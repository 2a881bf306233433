"""Multi-head attention to grouped-query attention.

H query heads, G key/value heads, K head size, D model size.
"""

from collections.abc import Callable, Collection
from dataclasses import replace

from torch import Tensor

from nmt.attention.config import AttentionConfig
from nmt.attention.multi_head import MultiHeadAttention
from nmt.errors import ConfigError
from nmt.model.contract import SequenceModel
from nmt.model.derived import attention_configs, composed, derive, heads_by_part, repacked
from nmt.model.directory import Package, weights_of


def group_heads(package: Package, groups: int, roles: Collection[str] = ()) -> Package:
    """Let groups of query heads share the mean of their keys' and values' projections.

    The result computes the same only where the heads of a group had the same keys and values
    already; it is meant to be trained further. The paper trains for 5 % of the original steps.

    Source: Ainslie et al. (2023), https://arxiv.org/abs/2305.13245, section 2.1.

    Args:
        groups: G, fewer than before and a divisor of it.
        roles: All that have multi-head attention, if empty.

    Raises:
        ConfigError: A role has nothing that could be averaged, or its heads do not divide.
    """
    configs = attention_configs(package)
    for role in roles or roles_of(package.model):
        refuse_ungroupable(role, configs[role], package.model, groups)
        configs[role] = replace(configs[role], key_value_heads=groups)
    return derive(package, configs, lambda model: grouped_weights(package.model, model))


def roles_of(model: SequenceModel) -> list[str]:
    """Name the roles that multi-head attention plays in a model."""
    return list(dict.fromkeys(each.place.role for each in composed(model).values()))


def refuse_ungroupable(
    role: str, config: AttentionConfig, model: SequenceModel, groups: int
) -> None:
    """Refuse what has no heads to average, or not in such groups."""
    mechanisms = [each for each in composed(model).values() if each.place.role == role]
    if not mechanisms:
        raise ConfigError(
            f"the {role} role of this model has no multi-head attention; only its keys and values "
            f"can be averaged (--roles {','.join(roles_of(model)) or 'none'})"
        )
    if config.heads:
        raise ConfigError(
            f"attention.{role}.heads: heads were pruned from this model, so that groups would be "
            "uneven; convert the model that was pruned, then prune the result"
        )
    now = config.key_value_heads or mechanisms[0].num_heads
    if not 1 <= groups < now or now % groups:
        fitting = ", ".join(str(each) for each in range(1, now) if now % each == 0)
        raise ConfigError(
            f"--key-value-heads {groups}: attention.{role} has {now} heads of keys and values, "
            f"which can become {fitting or 'no fewer'}"
        )


def grouped_weights(old: SequenceModel, new: SequenceModel) -> dict[str, Tensor]:
    """Average heads wherever the new model has fewer of them."""
    weights, targets = weights_of(old), composed(new)
    for name, mechanism in composed(old).items():
        weights |= repacked(mechanism, name, weights, averager(targets[name]))
    return weights


def averager(mechanism: MultiHeadAttention) -> Callable[[str, Tensor], Tensor]:
    """Average the heads of a projection, (H, K, ...), down to as many as a mechanism has."""
    left = heads_by_part(mechanism)

    def average(part: str, heads: Tensor) -> Tensor:
        in_groups: Tensor = heads.unflatten(0, (left[part], -1))
        return in_groups.mean(1)

    return average
