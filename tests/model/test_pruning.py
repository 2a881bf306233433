"""A pruned model says what the gated one said, and is smaller."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.config import ROLES
from nmt.attention.layout import Layout
from nmt.errors import ConfigError
from nmt.model.contract import EncoderDecoder
from nmt.model.derived import composed
from nmt.model.directory import Package, count_parameters
from nmt.model.pruning import gated_mechanisms, prune_heads

Make = Callable[..., Package]
Outputs = Callable[[EncoderDecoder], dict[str, Tensor]]

SHUT, AJAR, OPEN = -9.0, -1.0, 9.0  # logits
CLOSED = {  # by role, the heads closed in each of its two layers, of four
    "encoder": ([1], [0, 2]),
    "decoder": ([0, 1, 2, 3], []),
    "cross": ([3], [0, 1, 2]),
}
SELF, CROSS = ("encoder", "decoder"), ("cross",)
COMPOSITIONS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "plain": ({}, ROLES),
    "general": ({"score": "general"}, ROLES),
    "general-shared": ({"score": "general-shared"}, ROLES),
    "additive": ({"score": "additive"}, ROLES),
    "cosine": ({"score": "cosine"}, ROLES),
    "bucketed": ({"positions": "bucketed"}, SELF),
    "shaw": ({"positions": "shaw"}, SELF),
    "rotary": ({"positions": "rotary"}, SELF),
    "alpha": ({"normaliser": "alpha"}, ROLES),
    "sink": ({"normaliser": "sink"}, ROLES),
    "span": ({"pattern": "span", "window": 3, "penalty": 0.1}, SELF),
    "local-p": ({"pattern": "local-p", "window": 3}, CROSS),
    "tied-qk": ({"tied": "query-key"}, ROLES),
    "tied-kv": ({"tied": "key-value"}, ROLES),
    "gated-context": ({"context_gate": True}, ROLES),
}


def close(model: EncoderDecoder, closed: dict[str, tuple[list[int], list[int]]]) -> None:
    """Close some gates and leave the others ajar."""
    for mechanism in composed(model).values():
        if mechanism.gates is not None:
            mechanism.gates.logit.data.fill_(AJAR)
            mechanism.gates.logit.data[closed[mechanism.place.role][mechanism.place.layer]] = SHUT


def gated(make: Make, roles: tuple[str, ...] = ROLES, **settings: Any) -> Package:
    """Make a model with gates in some roles, some of them closed."""
    package = make({role: {"variant": "gated-heads", **settings} for role in roles}, num_heads=4)
    close(package.model, CLOSED)
    return package


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_a_pruned_model_says_the_same_and_is_smaller(
    make_package: Make, outputs: Outputs, composition: str
) -> None:
    settings, roles = COMPOSITIONS[composition]
    package = gated(make_package, roles, **settings)
    pruned = prune_heads(package)
    assert_close(outputs(pruned.model), outputs(package.model), rtol=0, atol=1e-12)
    assert count_parameters(pruned.model) < count_parameters(package.model)
    for role in roles:
        attention = pruned.settings["attention"][role]
        assert (attention["variant"], attention["gates"]) == ("multi-head", False)
        assert attention["heads"] == [str(4 - len(each)) for each in CLOSED[role]]
        assert {name: attention[name] for name in settings if name != "penalty"} == {
            name: value for name, value in settings.items() if name != "penalty"
        }
    assert not any(each.gates for each in composed(pruned.model).values())


def test_without_a_head_only_the_bias_is_left(make_package: Make) -> None:
    package = gated(make_package)
    mechanism = composed(prune_heads(package).model)["decoder.0.attention"]
    states = torch.randn(2, 3, 8, dtype=torch.float64)
    bias = composed(package.model)["decoder.0.attention"].output.bias
    assert [each.numel() for each in mechanism.parameters() if each.numel()] == [8]
    layout = Layout(num_queries=3, num_keys=3, causal=True)
    assert torch.equal(mechanism(states, states, layout).output, bias.expand(2, 3, 8))


def test_gates_that_are_all_open_only_vanish(make_package: Make, outputs: Outputs) -> None:
    package = gated(make_package)
    close(package.model, {role: ([], []) for role in ROLES})
    pruned = prune_heads(package)
    assert_close(outputs(pruned.model), outputs(package.model), rtol=0, atol=1e-12)
    assert pruned.settings["attention"]["encoder"]["heads"] == []


def test_a_threshold_closes_gates_that_let_little_through(
    make_package: Make, outputs: Outputs
) -> None:
    package = gated(make_package)
    value = float(composed(package.model)["decoder.1.attention"].gates.values()[0].detach())
    exact = gated_mechanisms(package, value)
    assert not any(len(each.lost) for each in exact.values())
    lossy = gated_mechanisms(package, value + 0.01)
    assert lossy["decoder.1.attention"].lost.tolist() == pytest.approx([value] * 4)
    pruned = prune_heads(package, value + 0.01)
    assert not any(each.num_heads for each in composed(pruned.model).values())
    close(package.model, {role: ([0, 1, 2, 3],) * 2 for role in ROLES})
    assert_close(outputs(pruned.model), outputs(package.model), rtol=0, atol=1e-12)


def test_a_pruned_model_can_be_gated_and_pruned_again(make_package: Make, outputs: Outputs) -> None:
    package = make_package(
        {"encoder": {"variant": "gated-heads", "heads": ("3", "0")}}, num_heads=4
    )
    close(package.model, {"encoder": ([1], [])})
    pruned = prune_heads(package)
    assert pruned.settings["attention"]["encoder"]["heads"] == ["2", "0"]
    assert_close(outputs(pruned.model), outputs(package.model), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"talking": True}, "encoder.talking = true: a closed head cannot be removed, the others"),
        ({"share": "key-value"}, 'encoder.share = "key-value": a closed head cannot be removed'),
        ({"key_value_heads": 2}, "encoder.key_value_heads = 2: a closed head .* left uneven"),
        ({"positions": "alibi"}, 'encoder.positions = "alibi": a closed head cannot .* slopes'),
    ],
    ids=str,
)
def test_heads_that_others_depend_on_are_not_removed(
    make_package: Make, outputs: Outputs, settings: dict[str, Any], message: str
) -> None:
    package = gated(make_package, ("encoder",), **settings)
    with pytest.raises(ConfigError, match=message):
        prune_heads(package)
    close(package.model, {"encoder": ([], [])})
    assert_close(outputs(prune_heads(package).model), outputs(package.model), rtol=0, atol=1e-12)


def test_gates_on_what_is_lent_are_removed_only_where_they_are_open(
    make_package: Make, outputs: Outputs
) -> None:
    package = make_package({"cross": {"variant": "gated-heads", "share": "weights"}}, num_heads=4)
    close(package.model, {"cross": ([], [])})
    with pytest.raises(ConfigError, match=r'share = "weights": gates that are not quite open'):
        prune_heads(package)
    for mechanism in composed(package.model).values():
        if mechanism.gates is not None:
            mechanism.gates.logit.data.fill_(OPEN)
    assert_close(outputs(prune_heads(package).model), outputs(package.model), rtol=0, atol=1e-12)


def test_a_model_without_gates_is_refused_with_the_way_to_get_some(make_package: Make) -> None:
    with pytest.raises(ConfigError, match=r"has no gates .*train --from MODEL --attention gat"):
        prune_heads(make_package())
