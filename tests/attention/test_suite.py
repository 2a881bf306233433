"""Every variant of attention, in every role that it serves, by every kernel, keeps its promises."""

import dataclasses
import importlib.util

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
MISSING = {  # TO BE REMOVED once all mechanisms are merged
    name for name, entry in VARIANTS.items()
    if entry.mechanism and importlib.util.find_spec(entry.mechanism.partition(":")[0]) is None
}  # fmt: skip


def allowed(role: str, config: AttentionConfig) -> bool:
    try:
        refuse(role, config)
    except ConfigError:
        return False
    # "auto" is one of the others; flex attention has tests of its own, see test_flex.py
    return config.kernel not in ("auto", "flex")


def cases() -> list[Case]:
    """List all variants, roles and kernels that settings allow."""
    found = []
    for name in VARIANTS.keys() - MISSING:
        for role in ROLES:
            configs = [small(name, kernel=kernel) for kernel in KERNELS]
            found += [known(role, config) for config in configs if allowed(role, config)]
    return sorted(found, key=spell)


def spell(case: Case) -> str:
    return f"{case.config.variant}-{case.role}-{case.config.kernel}"


def trials() -> list[tuple[Check, Case]]:
    return [
        (check, case)
        for case in cases()
        for check in CHECKS
        if (check.every_kernel or case.config.kernel == "dense") and check.applies(case)
    ]


@pytest.mark.parametrize(
    ("check", "case"),
    [pytest.param(*each, id=f"{spell(each[1])}: {each[0].name}") for each in trials()],
)
def test_promises_are_kept(check: Check, case: Case) -> None:
    check.run(case)
