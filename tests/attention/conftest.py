"""Every variant of attention, in every role that it serves, by every kernel."""

import dataclasses

import pytest
import torch

from nmt.attention.config import ROLES, AttentionConfig
from nmt.attention.contract import Attention
from nmt.attention.variants import VARIANTS, build_attention

(KERNELS,) = (
    field.metadata["choices"]
    for field in dataclasses.fields(AttentionConfig)
    if field.name == "kernel"
)
CASES = [
    (variant, role, kernel)
    for variant, entry in VARIANTS.items()
    for role in ROLES
    if role in entry.roles
    for kernel in KERNELS
]


def spell(case: tuple[str, str, str]) -> str:
    """Name a case in a test's report."""
    return "-".join(case)


def make(variant: str, role: str, kernel: str) -> Attention:
    """Build a mechanism of width 8 with two heads, every weight and bias away from zero."""
    config = AttentionConfig(variant=variant, kernel=kernel)
    torch.manual_seed(1)
    attention = build_attention(role, config, 8, 2).double().eval()
    for weight in attention.parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    return attention


@pytest.fixture(params=CASES, ids=spell)
def case(request: pytest.FixtureRequest) -> tuple[str, str, str]:
    """A variant, a role and a kernel."""
    chosen: tuple[str, str, str] = request.param
    return chosen


@pytest.fixture
def role(case: tuple[str, str, str]) -> str:
    return case[1]


@pytest.fixture
def attention(case: tuple[str, str, str]) -> Attention:
    """The mechanism of a case in float64."""
    return make(*case)


@pytest.fixture(params=[case for case in CASES if case[1] == "decoder"], ids=spell)
def decoder_attention(request: pytest.FixtureRequest) -> Attention:
    """A mechanism in a decoder's self-attention."""
    return make(*request.param)


@pytest.fixture(params=[case for case in CASES if case[1] == "cross"], ids=spell)
def cross_attention(request: pytest.FixtureRequest) -> Attention:
    """A mechanism in attention from a decoder to a source."""
    return make(*request.param)
