"""Multi-head attention becomes grouped-query attention: by means, exactly where heads agree."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.config import ROLES
from nmt.attention.projections import PackedLinear
from nmt.errors import ConfigError
from nmt.model.contract import EncoderDecoder
from nmt.model.derived import composed
from nmt.model.directory import Package, count_parameters, weights_of
from nmt.model.grouping import group_heads

Make = Callable[..., Package]
Outputs = Callable[[EncoderDecoder], dict[str, Tensor]]

COMPOSITIONS: dict[str, dict[str, Any]] = {
    "multi-head": {},
    "additive": {"variant": "additive"},
    "cosine": {"variant": "cosine"},
    "entmax": {"variant": "entmax"},
    "gated-heads": {"variant": "gated-heads"},
    "tied-kv": {"variant": "tied-kv"},
    "shared-kv": {"variant": "shared-kv"},
    "shared-weights": {"variant": "shared-weights"},
}


def everywhere(settings: dict[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(ROLES, settings)


def in_agreement(model: EncoderDecoder, groups: int) -> None:
    """Give the heads of each group the keys and values of its first."""
    for mechanism in composed(model).values():
        for linear in mechanism.children():
            if isinstance(linear, PackedLinear):
                for packed in (linear.weight.data, linear.bias.data):
                    for part, heads in linear.by_head(packed).items():
                        if part in ("key", "value"):
                            grouped = heads.unflatten(0, (groups, -1))
                            grouped.copy_(grouped[:, :1].clone().expand_as(grouped))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_heads_that_agree_are_grouped_without_a_difference(
    make_package: Make, outputs: Outputs, composition: str, groups: int
) -> None:
    package = make_package(everywhere(COMPOSITIONS[composition]), num_heads=4)
    in_agreement(package.model, groups)
    grouped = group_heads(package, groups)
    assert count_parameters(grouped.model) < count_parameters(package.model)
    assert_close(outputs(grouped.model), outputs(package.model), rtol=0, atol=1e-12)
    for role in ROLES:
        assert grouped.settings["attention"][role]["key_value_heads"] == groups
    assert not grouped.model.training


def test_keys_and_values_are_the_means_of_their_groups(make_package: Make) -> None:
    package = make_package(num_heads=4)
    old, new = composed(package.model), composed(group_heads(package, 2).model)
    before, after = old["decoder.1.cross_attention"], new["decoder.1.cross_attention"]
    assert torch.equal(after.query.weight, before.query.weight)
    one, other = before.key_value, after.key_value
    for packed, mean in ((one.weight, other.weight), (one.bias, other.bias)):
        means = other.by_head(mean)
        for part, heads in one.by_head(packed).items():
            expected = torch.stack([heads[:2].mean(0), heads[2:].mean(0)])
            assert_close(means[part], expected)


def test_only_the_named_roles_change(make_package: Make) -> None:
    package = make_package()
    grouped = group_heads(package, 1, ["cross"])
    assert grouped.settings["attention"]["encoder"]["key_value_heads"] == 0
    assert grouped.settings["model"] == package.settings["model"]
    old, new = weights_of(package.model), weights_of(grouped.model)
    changed = {name for name in old if old[name].shape != new[name].shape}
    assert changed == {
        f"decoder.{layer}.cross_attention.key_value.{kind}"
        for layer in range(2)
        for kind in ("weight", "bias")
    }
    assert all(torch.equal(old[name], new[name]) for name in old.keys() - changed)


def test_groups_can_be_grouped_again(make_package: Make) -> None:
    package = make_package(num_heads=4)
    at_once = group_heads(package, 1)
    in_two = group_heads(group_heads(package, 2), 1)
    assert_close(weights_of(in_two.model), weights_of(at_once.model))
    assert in_two.settings == at_once.settings


@pytest.mark.parametrize(
    ("settings", "groups", "roles", "message"),
    [
        ({}, 3, [], r"--key-value-heads 3: attention.encoder has 4 heads .* can become 1, 2$"),
        ({}, 4, [], "attention.encoder has 4 heads of keys and values, which can become 1, 2$"),
        ({}, 0, [], "--key-value-heads 0: attention.encoder has 4 heads"),
        ({"key_value_heads": 1}, 1, [], "has 1 heads of keys and values, .* become no fewer$"),
        ({"talking": True}, 2, [], "talking = true excludes .*: mixing would undo the groups"),
        ({"tied": "query-key"}, 2, [], 'tied = "query-key" excludes .*key_value_heads = 2: '),
        ({"heads": ("4", "2")}, 2, [], "attention.encoder.heads: heads were pruned from this mod"),
    ],
    ids=str,
)
def test_what_cannot_be_averaged_is_refused(
    make_package: Make, settings: dict[str, Any], groups: int, roles: list[str], message: str
) -> None:
    package = make_package(everywhere(settings), num_heads=4)
    with pytest.raises(ConfigError, match=message):
        group_heads(package, groups, roles)


def test_a_role_without_multi_head_attention_is_refused(make_package: Make) -> None:
    package = make_package({"decoder": {"variant": "average"}})
    with pytest.raises(
        ConfigError,
        match=r"the decoder role .* has no multi-head attention; .* \(--roles encoder,cross\)",
    ):
        group_heads(package, 1, ["decoder"])
    grouped = group_heads(package, 1).settings["attention"]
    assert [grouped[role]["key_value_heads"] for role in ROLES] == [1, 0, 1]
