"""Settings that exclude each other, mean nothing, or are out of range are refused by name."""

import dataclasses
from typing import Any

import pytest

from nmt.attention.config import ROLES, AttentionConfig, AttentionSections
from nmt.attention.refusals import CONFLICTS, IN_ROLE, LEAST, NEEDS, Conflict, refuse, toml
from nmt.attention.variants import COMPOSED, VARIANTS
from nmt.errors import ConfigError
from nmt.experiment import read_experiment
from nmt.settings import to_table

FIELDS = {field.name: field for field in dataclasses.fields(AttentionConfig)}
ENOUGH: dict[str, Any] = {  # a value of a setting that needs another to mean anything
    "buckets": 8, "max_distance": 4, "top_k": 2, "window": 3, "dilation": 2, "global_tokens": 1,
    "span_ramp": 2, "share_block": 3, "heads": ("2",), "block": 4, "levels": 2,
    "features": "favor", "num_features": 6, "chunk": 8,
}  # fmt: skip
ANY: dict[str, Any] = {"key_value_heads": 2, "heads": ("2",)}  # of those that are just set


def told(role: str, **settings: Any) -> str:
    """Give the message by which settings are refused."""
    with pytest.raises(ConfigError) as caught:
        refuse(role, AttentionConfig(**settings))
    return str(caught.value)


def with_needs(**settings: Any) -> dict[str, Any]:
    """Add what settings need to mean anything."""
    for name in list(settings):
        if name in NEEDS and NEEDS[name][0] != "variant":
            other, values = NEEDS[name]
            settings.setdefault(other, values[0])
    return settings


def pairs(conflicts: tuple[Conflict, ...]) -> list[Any]:
    found = []
    for conflict in conflicts:
        firsts = conflict.firsts or (ANY.get(conflict.first),)
        for first in firsts:
            for second in conflict.seconds or (ANY[conflict.second],):
                label = f"{conflict.first}={first}, {conflict.second}={second}"
                found.append(pytest.param(conflict, first, second, id=label))
    return found


def role_of(**settings: Any) -> str:
    """Find a role whose own refusals say nothing about the settings."""
    for role in ROLES:
        hidden = (each.second for each in IN_ROLE[role])
        values = {
            each.second: each.seconds for each in IN_ROLE[role] if each.second in hidden
        }  # fmt: skip
        if any(settings.get(name) in seconds for name, seconds in values.items()):
            continue
        if role in VARIANTS[settings.get("variant", "multi-head")].roles:
            return role
    raise AssertionError(settings)


@pytest.mark.parametrize(("conflict", "first", "second"), pairs(CONFLICTS))
def test_each_conflict_names_both_settings_and_the_reason(
    conflict: Conflict, first: Any, second: Any
) -> None:
    settings = with_needs(**{conflict.first: first, conflict.second: second})
    role = role_of(**settings)
    message = told(role, **settings)
    where = f"attention.{role}"
    assert message == (
        f"{where}.{conflict.first} = {toml(first)} excludes "
        f"{where}.{conflict.second} = {toml(second)}: {conflict.reason}"
    )


@pytest.mark.parametrize("conflict", CONFLICTS, ids=str)
def test_each_side_of_a_conflict_is_allowed_alone(conflict: Conflict) -> None:
    for name, values in (
        (conflict.first, conflict.firsts or (ANY.get(conflict.first),)),
        (conflict.second, conflict.seconds or (ANY.get(conflict.second),)),
    ):
        for value in values:
            settings = with_needs(**{name: value})
            if name == "kernel" and value == "banded":
                settings["pattern"] = "sentence"
            if name == "kernel" and value == "chunked":
                settings["variant"] = "linear"
            refuse(role_of(**settings), AttentionConfig(**settings))


@pytest.mark.parametrize(
    ("role", "name", "value", "reason"),
    [
        pytest.param(role, each.second, value, each.reason, id=f"{role}-{value}")
        for role, conflicts in IN_ROLE.items()
        for each in conflicts
        for value in each.seconds
    ],
)
def test_what_cannot_stand_in_a_role_is_refused_there(
    role: str, name: str, value: Any, reason: str
) -> None:
    message = told(role, **{name: value})
    assert message == f'attention.{role}.{name} = "{value}": {reason}'


@pytest.mark.parametrize("name", NEEDS)
def test_a_setting_that_nothing_reads_is_refused_with_what_would_read_it(name: str) -> None:
    other, values = NEEDS[name]
    usual = AttentionConfig()
    broken = {"kernel": "dense"} if other == "kernel" else {}
    shown = toml(broken.get(other, getattr(usual, other)))
    message = told("decoder", **{name: ENOUGH[name]}, **broken)
    assert message == (
        f"attention.decoder.{name} = {toml(ENOUGH[name])} means nothing with "
        f"attention.decoder.{other} = {shown}; it needs {other} = " + " or ".join(map(toml, values))
    )
    for value in values:
        if other != "variant":
            settings = {name: ENOUGH[name], other: value}
            refuse(role_of(**settings), AttentionConfig(**settings))


@pytest.mark.parametrize("name", LEAST)
def test_numbers_below_the_least_are_refused(name: str) -> None:
    least = LEAST[name]
    message = told("encoder", **{name: least - 1})
    assert message == f"attention.encoder.{name} must be at least {least}, not {least - 1}"


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_a_share_of_dropout_is_one(value: float) -> None:
    message = told("cross", dropout=value)
    assert message == f"attention.cross.dropout must lie in [0, 1), not {value}"


@pytest.mark.parametrize("value", [-1.0, float("nan")])
def test_a_penalty_is_no_reward(value: float) -> None:
    message = told("cross", gates=True, penalty=value)
    assert message == f"attention.cross.penalty must be 0 or more, not {value}"


@pytest.mark.parametrize("value", ["two", "-1", "1.5", ""])
def test_heads_are_counted(value: str) -> None:
    message = told("decoder", gates=True, heads=(value,))
    assert message == f"attention.decoder.heads must be whole numbers, not {(value,)}"


def test_a_penalty_needs_something_to_price() -> None:
    assert told("decoder", penalty=0.1) == (
        'attention.decoder.penalty = 0.1 means nothing without gates = true or pattern = "span"'
    )
    refuse("decoder", AttentionConfig(penalty=0.1, gates=True))
    refuse("decoder", AttentionConfig(penalty=0.1, pattern="span"))


@pytest.mark.parametrize("kernel", ["fused", "flex"])
def test_kernels_without_weights_are_refused_with_dropout_on_weights(kernel: str) -> None:
    assert told("decoder", kernel=kernel, dropout=0.1) == (
        f'attention.decoder.kernel = "{kernel}" has no dropout on weights, but '
        'attention.decoder.dropout = 0.1; set dropout = 0 or kernel = "dense"'
    )
    for other in ("auto", "dense", "blocked"):
        refuse("decoder", AttentionConfig(kernel=other, dropout=0.1))


@pytest.mark.parametrize("name", [n for n, e in VARIANTS.items() if e.mechanism == COMPOSED])
def test_the_chunked_kernel_is_not_for_compositions(name: str) -> None:
    role = role_of(variant=name)
    message = told(role, variant=name, kernel="chunked")
    assert f'attention.{role}.kernel = "chunked"' in message


def test_the_chunked_kernel_is_refused_by_name() -> None:
    assert told("cross", kernel="chunked") == (
        'attention.cross.kernel = "chunked" means nothing with '
        'attention.cross.variant = "multi-head"; it is for attention by running sums'
    )


@pytest.mark.parametrize("name", [n for n, e in VARIANTS.items() if e.mechanism != COMPOSED])
def test_a_mechanism_of_its_own_refuses_what_it_does_not_read(name: str) -> None:
    (role, *_) = sorted(VARIANTS[name].roles)
    message = told(role, variant=name, talking=True)
    assert message == (
        f"attention.{role}.talking = true means nothing with "
        f'attention.{role}.variant = "{name}", a mechanism of its own'
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_refused_just_where_it_does_not_stand(name: str) -> None:
    for role in ROLES:
        if role in VARIANTS[name].roles:
            refuse(role, AttentionConfig(variant=name))
        else:
            stands = " and ".join(sorted(VARIANTS[name].roles))
            message = f"attention.{role}.variant = {name!r} serves {stands} only"
            assert told(role, variant=name) == message


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_says_only_what_settings_know(name: str) -> None:
    entry = VARIANTS[name]
    assert {*entry.settings, *entry.tunable} <= set(FIELDS)
    config = AttentionConfig(variant=name)
    for setting, value in entry.settings.items():
        assert getattr(config, setting) == value
        choices = FIELDS[setting].metadata["choices"]
        assert not choices or value in choices


def test_an_unknown_variant_is_refused_with_the_nearest() -> None:
    assert told("encoder", variant="mutli-head") == (
        "attention.encoder.variant: no attention is called 'mutli-head'; did you mean 'multi-head'?"
    )


def test_what_a_class_of_ones_own_reads_is_left_to_it() -> None:
    refuse("decoder", AttentionConfig(variant="own:Class", window=3, block=4, kernel="chunked"))
    refuse("decoder", AttentionConfig(variant="own:Class", score="additive", kernel="fused"))


def test_sections_refuse_for_their_role() -> None:
    with pytest.raises(ConfigError, match=r'attention\.cross\.positions = "alibi": source and'):
        AttentionSections(cross=AttentionConfig(positions="alibi"))
    AttentionSections(encoder=AttentionConfig(positions="alibi"))


def test_a_default_that_is_written_out_against_the_variant_is_refused() -> None:
    table = {"decoder": {"variant": "dilated", "window": 64}}
    message = (
        r'attention\.decoder\.window = 64 contradicts attention\.decoder\.variant = "dilated", '
        "which sets 32"
    )
    with pytest.raises(ConfigError, match=message):
        read_experiment({"attention": table})
    for kept in ({"window": 32}, {"window": 16}, {}):
        read_experiment({"attention": {"decoder": {"variant": "dilated", **kept}}})
    resolved = to_table(read_experiment({"attention": {"cross": {"variant": "local-m"}}}))
    assert to_table(read_experiment(resolved)) == resolved
