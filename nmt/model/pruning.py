"""Models without the heads whose gates are closed.

H heads, G key/value heads, K head size, D model size.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nmt.attention.config import AttentionConfig
from nmt.attention.multi_head import MultiHeadAttention
from nmt.errors import ConfigError
from nmt.model.contract import SequenceModel
from nmt.model.derived import attention_configs, composed, derive, heads_by_part, repacked
from nmt.model.directory import Package, weights_of


@dataclass(frozen=True)
class Gated:
    """The gates of one mechanism.

    Attributes:
        mechanism: Theirs.
        values: (H,) in [0, 1].
        kept: Heads to keep, in order.
    """

    mechanism: MultiHeadAttention
    values: Tensor
    kept: Tensor

    @property
    def lost(self) -> Tensor:
        """Give the values of open gates whose heads are removed."""
        removed = torch.ones_like(self.values, dtype=torch.bool)
        removed[self.kept] = False
        return self.values[removed & (self.values > 0)]


@torch.no_grad()
def gated_mechanisms(package: Package, closed_below: float = 0.0) -> dict[str, Gated]:
    """Find gates, and the heads to keep.

    Args:
        closed_below: Gates under it count as closed, like those at 0.

    Raises:
        ConfigError: There are no gates, or heads depend on each other.
    """
    found = {}
    for name, mechanism in composed(package.model).items():
        if mechanism.gates is not None:
            values = mechanism.gates.values()
            kept = ((values > 0) & (values >= closed_below)).nonzero().squeeze(-1)
            found[name] = Gated(mechanism, values, kept)
            refuse_dependent(mechanism, kept)
            refuse_lent(mechanism, values)
    if not found:
        raise ConfigError(
            "this model has no gates that could be closed; give it some and train further: nmt "
            "train --from MODEL --attention gated-heads --set attention.encoder.penalty=0.1 ..."
        )
    return found


def prune_heads(package: Package, closed_below: float = 0.0) -> Package:
    """Remove heads whose gates are closed, and all gates; what gates let through is kept.

    The result computes the same, unless `closed_below` closes gates that were open.

    Source: Voita et al. (2019), https://arxiv.org/abs/1905.09418, section 5.

    Raises:
        ConfigError: See `gated_mechanisms`.
    """
    gated = gated_mechanisms(package, closed_below)
    configs = attention_configs(package)
    for role in {each.mechanism.place.role for each in gated.values()}:
        configs[role] = ungated(configs[role], heads_left(package.model, gated, role))
    return derive(package, configs, lambda model: pruned_weights(package.model, model, gated))


def heads_left(model: SequenceModel, gated: Mapping[str, Gated], role: str) -> tuple[str, ...]:
    """Count the heads that are left in each layer of a role, as its settings say it."""
    found = [
        (each, len(gated[name].kept) if name in gated else each.num_heads)
        for name, each in composed(model).items()
        if each.place.role == role
    ]
    if all(count == each.place.num_heads for each, count in found):
        return ()
    left = {each.place.layer: count for each, count in found}
    return tuple(str(left[layer]) for layer in sorted(left))


def ungated(config: AttentionConfig, heads: tuple[str, ...]) -> AttentionConfig:
    """Give the settings of attention without gates."""
    variant = "multi-head" if config.variant == "gated-heads" else config.variant
    penalty = config.penalty if config.pattern == "span" else 0.0
    return replace(config, variant=variant, gates=False, penalty=penalty, heads=heads)


def refuse_dependent(mechanism: MultiHeadAttention, kept: Tensor) -> None:
    """Refuse to remove heads that others depend on."""
    config, role = mechanism.config, mechanism.place.role
    if len(kept) == mechanism.num_heads:
        return
    for setting, others, reason in (
        ("talking = true", config.talking, "the others would miss what it tells them"),
        (f'share = "{config.share}"', config.share != "none", "other layers use what it makes"),
        (
            f"key_value_heads = {config.key_value_heads}",
            config.key_value_heads > 0,
            "groups would be left uneven",
        ),
        ('positions = "alibi"', config.positions == "alibi", "slopes follow from their number"),
    ):
        if others:
            raise ConfigError(
                f"attention.{role}.{setting}: a closed head cannot be removed, {reason}"
            )


def refuse_lent(mechanism: MultiHeadAttention, values: Tensor) -> None:
    """Refuse gates that are half open on what other layers project by matrices of their own."""
    config, place = mechanism.config, mechanism.place
    if config.share == "weights" and place.is_cross and bool((values < 1).any()):
        raise ConfigError(
            f'attention.{place.role}.share = "weights": gates that are not quite open cannot be '
            "removed, other layers use what they let through"
        )


def pruned_weights(
    old: SequenceModel, new: SequenceModel, gated: Mapping[str, Gated]
) -> dict[str, Tensor]:
    """Take the weights of what is kept, with the gates' values in the output projections."""
    weights = weights_of(old)
    for name, each in gated.items():
        weights |= folded(each, name, weights)
    targets = weights_of(new)
    mechanisms = composed(new)
    for name, each in gated.items():
        weights |= repacked(each.mechanism, name, weights, keeper(each, mechanisms[name]))
        for own in [key for key in weights if key.startswith(f"{name}.")]:
            if own not in targets:
                del weights[own]
            elif weights[own].shape != targets[own].shape:
                weights[own] = of_kept(weights[own], targets[own], each.kept)
    return weights


def folded(each: Gated, name: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Multiply the columns of an output projection, (D, H K), by the gates; keep what is kept."""
    full = f"{name}.output.weight"
    columns = weights[full].unflatten(1, (-1, each.mechanism.place.head_size))
    gates = each.values.to(columns.dtype).view(1, -1, 1)
    return {full: (columns * gates)[:, each.kept].flatten(1)}


def keeper(each: Gated, target: MultiHeadAttention) -> Callable[[str, Tensor], Tensor]:
    """Select the kept heads of a projection, (H, K, ...); one that stays as it is stays."""
    left = heads_by_part(target)
    return lambda part, heads: heads if len(heads) == left[part] else heads[each.kept]


def of_kept(weight: Tensor, target: Tensor, kept: Tensor) -> Tensor:
    """Select the kept heads along the one dimension in which a weight must become smaller."""
    sizes = zip(weight.shape, target.shape, strict=True)
    (dimension,) = (number for number, (now, then) in enumerate(sizes) if now != then)
    return weight.index_select(dimension, kept)
