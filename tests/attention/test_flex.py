"""PyTorch's flex attention, run without its compiler, computes the definition."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.attention.flex_attention as module
from torch.testing import assert_close

from nmt.attention.flex import flex
from nmt.attention.kernels import Abilities, Request, choose
from nmt.attention.layout import Layout, Pattern
from tests.attention.composing import K, given, made


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run what would be compiled as plain Python, which also silences its warning."""
    monkeypatch.setattr(module, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)
    yield


PATTERNS: dict[str, Pattern] = {
    "full": Pattern(),
    "window": Pattern(2),
    "dilated": Pattern(2, dilation=3),
    "globals": Pattern(1, num_globals=2),
    "sentences": Pattern(sentences=True),
}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
@pytest.mark.parametrize("settings", [{}, {"key_value_heads": 2}, {"score": "cosine"}], ids=str)
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_is_the_definition(
    causal: bool, pattern: Pattern, settings: dict[str, Any]
) -> None:
    attention = made("decoder" if causal else "encoder", **settings)
    size = 9
    numbers = torch.arange(size).expand(3, -1) // 4
    _, layout = given(size, (size, 4, 0), causal=causal, query_sentences=numbers,
                      key_sentences=numbers, pattern=pattern)  # fmt: skip
    random = torch.Generator().manual_seed(5)
    groups = settings.get("key_value_heads", 4)
    query, key, value = (
        torch.randn(3, heads, size, K, generator=random).double() for heads in (4, groups, groups)
    )
    composition = attention.composition
    with torch.inference_mode():
        query = composition.score.of_query(query)
        wanted, _ = composition(query, key, value, layout)
        found = flex(composition, query, key, value, layout)
    assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    assert torch.equal(found[2], torch.zeros_like(found[2]))  # it sees nothing


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_across_is_the_definition() -> None:
    composition = made("cross").composition
    layout = Layout(num_queries=3, num_keys=6, key_lengths=torch.tensor([6, 2]))
    random = torch.Generator().manual_seed(5)
    query, key, value = (torch.randn(2, 4, n, K, generator=random).double() for n in (3, 6, 6))
    wanted, _ = composition(query, key, value, layout)
    assert_close(flex(composition, query, key, value, layout), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("reach", "kernel"), [(None, "fused"), (4, "banded")])
def test_flex_attention_gives_way_where_there_is_no_cuda(reach: int | None, kernel: str) -> None:
    request = Request(device="cpu", num_keys=500, num_queries=500, forced="flex")
    choice = choose(Abilities(reach=reach), request)
    assert choice.kernel == kernel
    assert choice.reason.startswith("flex attention needs cuda; ")


def test_flex_attention_runs_on_cuda_when_asked_for() -> None:
    request = Request(device="cuda", num_keys=50, num_queries=50, forced="flex")
    assert choose(Abilities(), request).kernel == "flex"
