"""Every variant of attention, in every role that it serves, by every kernel, keeps its promises."""

import dataclasses
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from nmt.attention.config import ROLES, AttentionConfig
from nmt.attention.refusals import refuse
from nmt.attention.variants import VARIANTS
from nmt.checks.attention import CHECKS, Check
from nmt.checks.case import Case, known, small
from nmt.errors import ConfigError

(KERNELS,) = (
    field.metadata["choices"]
    for field in dataclasses.fields(AttentionConfig)
    if field.name == "kernel"
)
WINDOW: dict[str, Any] = {"pattern": "window", "window": 2}
SPAN: dict[str, Any] = {"pattern": "span", "window": 2, "span_ramp": 2}
TOGETHER: tuple[dict[str, Any], ...] = (  # choices that could get in each other's way
    {**WINDOW, "share": "weights"},
    {**WINDOW, "share": "weights", "global_tokens": 1, "gates": True, "key_value_heads": 2},
    {**WINDOW, "share": "key-value", "positions": "rotary", "key_value_heads": 2},
    {**WINDOW, "tied": "key-value", "dilation": 2},
    {**WINDOW, "tied": "key-value", "positions": "rotary", "context_gate": True},
    {**WINDOW, "score": "additive", "key_value_heads": 2, "global_tokens": 1},
    {**WINDOW, "positions": "shaw", "max_distance": 2, "global_tokens": 2, "score": "cosine"},
    {**WINDOW, "positions": "bucketed", "buckets": 8, "max_distance": 4, "talking": True},
    {**WINDOW, "positions": "alibi", "dilation": 3, "normaliser": "sparsemax"},
    {**WINDOW, "normaliser": "top-k", "top_k": 2, "global_tokens": 1, "gates": True},
    {**SPAN, "share": "weights", "key_value_heads": 2},
    {**SPAN, "positions": "rotary", "tied": "query-key", "talking": True},
    {"share": "weights", "normaliser": "entmax", "tied": "none", "score": "additive"},
    {"share": "key-value", "tied": "key-value", "score": "general", "talking": True},
    {"share": "key-value", "positions": "shaw", "max_distance": 2, "gates": True},
    {"pattern": "sentence", "key_value_heads": 2, "normaliser": "sink", "context_gate": True},
    {"pattern": "sentence", "share": "key-value", "score": "general"},
    {"pattern": "local-p", "window": 2, "key_value_heads": 1, "normaliser": "entmax"},
    {"pattern": "local-m", "window": 2, "talking": True, "share": "key-value"},
    {"tied": "query-key", "score": "general-shared", "normaliser": "alpha"},
    {"tied": "key-value", "score": "cosine", "normaliser": "sink"},
    {"gates": True, "heads": ("2",), "positions": "alibi"},
    {"gates": True, "heads": ("0",), "score": "additive"},
)


def allowed(role: str, config: AttentionConfig) -> bool:
    try:
        refuse(role, config)
    except ConfigError:
        return False
    # "auto" is one of the others; flex attention has tests of its own, see test_flex.py
    return config.kernel not in ("auto", "flex")


def cases(configs: Iterable[AttentionConfig]) -> list[Case]:
    """List all roles and kernels in which settings can stand."""
    every = [replace(config, kernel=kernel) for config in configs for kernel in KERNELS]
    found = [known(role, config) for config in every for role in ROLES if allowed(role, config)]
    return sorted(found, key=spell)


def spell(case: Case) -> str:
    config = case.config
    chosen = [
        str(getattr(config, field.name))
        for field in dataclasses.fields(config)
        if field.name not in ("variant", "kernel") and getattr(config, field.name) != field.default
    ]
    named = [config.variant] if config.variant != "multi-head" or not chosen else chosen
    return "-".join([*named, case.role, config.kernel])


def trials(cases: list[Case]) -> pytest.MarkDecorator:
    found = [
        pytest.param(check, case, id=f"{spell(case)}: {check.name}")
        for case in cases
        for check in CHECKS
        if case.config.kernel in check.kernels and check.applies(case)
    ]
    return pytest.mark.parametrize(("check", "case"), found)


@trials(cases(small(name) for name in VARIANTS))
def test_promises_are_kept(check: Check, case: Case) -> None:
    check.run(case)


@pytest.mark.sampled(4)
@trials(cases(AttentionConfig(**settings) for settings in TOGETHER))
def test_promises_are_kept_by_choices_together(check: Check, case: Case) -> None:
    check.run(case)
