"""What patterns and learned spans are equal to, and who has influence on whom."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from tests.attention.composing import (
    HEADS,
    ROLES,
    SELF,
    D,
    K,
    close,
    differ,
    given,
    layout_of,
    like,
    made,
    run,
    same,
)

# Patterns


@pytest.mark.parametrize("role", SELF)
@pytest.mark.parametrize("kernel", ["dense", "banded", "blocked", "fused"])
def test_a_window_as_long_as_the_line_is_full(role: str, kernel: str) -> None:
    plain = made(role)
    for window in (6, 50):
        same(plain, like(plain, pattern="window", window=window, kernel=kernel))
    differ(plain, like(plain, pattern="window", window=1, kernel=kernel))


@pytest.mark.parametrize("role", SELF)
@pytest.mark.parametrize("window", [1, 3, 16, 40])
@pytest.mark.parametrize("dilation", [1, 2, 5])
@pytest.mark.parametrize("num_globals", [0, 2])
def test_a_band_is_the_definition(role: str, window: int, dilation: int, num_globals: int) -> None:
    band = made(role, pattern="window", window=window, dilation=dilation,
                global_tokens=num_globals, kernel="banded")  # fmt: skip
    dense = like(band, pattern="window", window=window, dilation=dilation,
                 global_tokens=num_globals, kernel="dense")  # fmt: skip
    for size in (1, 15, 33, 70):
        states, layout = given(size, (size, size // 2, 1), causal=role == "decoder")
        close(run(band, states, layout), run(dense, states, layout))


@pytest.mark.parametrize("role", SELF)
def test_a_dilated_window_is_a_window_over_every_other_key(role: str) -> None:
    plain = made(role, pattern="window", window=2)
    dilated = like(plain, pattern="window", window=2, dilation=3)
    states, layout = given(12, causal=role == "decoder")
    whole = run(dilated, states, layout)
    for residue in range(3):
        part = states[:, residue::3]
        wanted = run(plain, part, given(4, causal=role == "decoder")[1])
        close(whole[:, residue::3], wanted)


@pytest.mark.parametrize("role", SELF)
@pytest.mark.parametrize("kernel", ["dense", "banded"])
def test_globals_everywhere_are_full(role: str, kernel: str) -> None:
    plain = made(role)
    same(plain, like(plain, pattern="window", window=1, global_tokens=7, kernel=kernel))


@pytest.mark.parametrize("role", SELF)
@pytest.mark.parametrize(
    "settings",
    [{"window": 2}, {"window": 1, "dilation": 3}, {"window": 1, "global_tokens": 2}],
    ids=str,
)
def test_influence_is_that_of_the_pattern(role: str, settings: dict[str, int]) -> None:
    attention = made(role, pattern="window", **settings)
    states, layout = given(9, causal=role == "decoder")
    before = run(attention, states, layout)[0]
    for key in range(9):
        changed = states.clone()
        changed[:, key] += 1.0
        differs = (run(attention, changed, layout)[0] != before).any(-1)
        assert differs.tolist() == [may_see(role, query, key, **settings) for query in range(9)]


def may_see(
    role: str, query: int, key: int, window: int, dilation: int = 1, global_tokens: int = 0
) -> bool:
    """Decide for one pair."""
    if role == "decoder" and key > query:
        return False
    if query < global_tokens or key < global_tokens:
        return True
    distance = abs(query - key)
    return distance <= window * dilation and distance % dilation == 0


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kernel", ["dense", "banded", "blocked", "fused"])
def test_one_sentence_is_full_and_two_are_two_calls(role: str, kernel: str) -> None:
    plain = made(role, kernel="dense")
    local = like(plain, pattern="sentence", kernel=kernel)
    same(plain, local)
    states, layout = layout_of(role, 7)
    one = torch.zeros(2, 7, dtype=torch.long)
    marked = replace(layout, query_sentences=one, key_sentences=one)
    close(run(local, states, marked), run(plain, states, layout))
    memory = torch.randn(2, 7, D).double() if role == "cross" else states
    two = torch.tensor([[0, 0, 0, 1, 1, 1, 1]] * 2)
    marked = replace(layout, query_sentences=two, key_sentences=two)
    joined = local(states, memory, marked).output
    for part in (slice(0, 3), slice(3, 7)):
        size = part.stop - part.start
        short = replace(layout, num_queries=size, num_keys=size)
        query = states[:, part]
        alone = plain(query, memory[:, part] if role == "cross" else query, short).output
        close(joined[:, part], alone)


def test_the_sentence_number_of_padding_does_not_matter() -> None:
    local = made(pattern="sentence", kernel="banded")
    states, layout = given(7, (5, 7))
    for last in (0, 1, 2):
        numbers = torch.tensor([[0, 0, 1, 1, 1, last, last], [0, 1, 1, 1, 2, 2, 2]])
        marked = replace(layout, query_sentences=numbers, key_sentences=numbers)
        wanted = run(like(local, pattern="sentence", kernel="dense"), states, marked)
        found = run(local, states, marked)
        close(found, wanted)


@pytest.mark.parametrize("kernel", ["dense", "fused", "blocked"])
def test_a_monotonic_window_as_long_as_the_source_is_global(kernel: str) -> None:
    plain = made("cross")
    same(plain, like(plain, pattern="local-m", window=7, kernel=kernel))
    differ(plain, like(plain, pattern="local-m", window=1, kernel=kernel))


def test_a_predicted_window_without_an_end_is_global() -> None:
    plain = made("cross")
    local = like(plain, pattern="local-p", window=2)
    differ(plain, local)
    local.composition.term.window = 10**9  # the deviation is half of it
    same(plain, local)


def test_a_predicted_position_lies_within_the_source() -> None:
    local = made("cross", pattern="local-p", window=1)
    states, layout = layout_of("cross", 7, (7, 4, 1))
    query = local.query.heads(states)["query"]
    centre = local.composition.term.centre(query * 50, layout).squeeze(-1)
    assert (centre >= 0).all()
    assert (centre.amax((1, 2)) <= torch.tensor([6, 3, 0])).all()


# Spans


@pytest.mark.parametrize("role", SELF)
@pytest.mark.parametrize("kernel", ["dense", "banded", "blocked"])
def test_a_span_beyond_the_line_is_full(role: str, kernel: str) -> None:
    plain = made(role)
    span = like(plain, pattern="span", window=8, span_ramp=2, kernel=kernel)  # starts at most
    same(plain, span)
    span.composition.term.share.data.fill_(0.2)
    differ(plain, span)


@pytest.mark.parametrize("role", SELF)
@pytest.mark.parametrize("kernel", ["dense", "banded"])
def test_no_span_attends_to_oneself(role: str, kernel: str) -> None:
    span = made(role, pattern="span", window=8, span_ramp=1, kernel=kernel)
    span.composition.term.share.data.zero_()
    states, layout = given(7, causal=role == "decoder")
    value = span.query_key_value.heads(states)["value"]
    close(run(span, states, layout), span.output(value.transpose(1, 2).flatten(2)))


@pytest.mark.parametrize("role", SELF)
@pytest.mark.parametrize("kernel", ["dense", "banded"])
def test_trimming_to_the_live_span_changes_nothing(
    role: str, kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    span = made(role, pattern="span", window=9, span_ramp=3, kernel=kernel)
    span.composition.term.share.data = torch.tensor([0.0, 0.1, 0.34, 0.2]).double()
    states, layout = given(20, (20, 11), causal=role == "decoder")
    assert span.composition.term.reach() == 6  # 9 * 0.34 + 3 rounded up, less one
    trimmed = run(span, states, layout)
    monkeypatch.setattr(span.composition.term, "reach", lambda: 100)
    close(run(span, states, layout), trimmed)


def test_the_span_is_the_formula_of_the_paper() -> None:
    span = made("encoder", pattern="span", window=5, span_ramp=2)
    states, layout = given(9)
    weights = span(states, states, layout, need_weights=True).weights
    made_of = span.query_key_value.heads(states)
    scores = made_of["query"] @ made_of["key"].mT / K**0.5
    away = (torch.arange(9)[:, None] - torch.arange(9)).abs()
    spans = span.composition.term.share.clamp(0, 1).view(-1, 1, 1) * 5
    factor = ((2 + spans - away) / 2).clamp(0, 1)
    wanted = factor * scores.exp()
    close(weights, wanted / wanted.sum(-1, keepdim=True))


@pytest.mark.parametrize("start", [-0.5, 0.5, 1.5])
def test_spans_stay_between_nothing_and_the_furthest(start: float) -> None:
    span = made("encoder", pattern="span", window=8, span_ramp=2)
    term = span.composition.term
    term.share.data.fill_(start)
    inside = min(max(start, 0.0), 1.0)
    states, layout = given(6)
    before = run(span, states, layout)
    assert term.reach() == 8 * inside + 1
    assert span.statistics() == {"span": 8 * inside}
    span.train()
    assert torch.equal(run(span, states, layout), before)
    assert torch.equal(term.share.data, torch.full((HEADS,), inside).double())


def test_a_span_at_two_places_of_a_stack_gets_the_gradient_of_both() -> None:
    attention = made(pattern="span", window=3, span_ramp=2).train()
    states, layout = given(6)
    once = attention(states, states, layout).output
    attention(once, once, layout).output.square().sum().backward()
    assert attention.composition.term.share.grad.any()


def test_the_gradient_pushes_spans_down_where_attention_is_local() -> None:
    span = made("encoder", pattern="span", window=6, span_ramp=6)
    term = span.composition.term
    states, layout = given(8)
    term.share.data.fill_(0.5)
    weights = span(states, states, layout, need_weights=True).weights
    away = (torch.arange(8)[:, None] - torch.arange(8)).abs()
    (weights * away).sum().backward()  # to look far away is bad
    assert (term.share.grad > 0).all()  # a step against it makes all spans shorter


def test_the_penalty_is_the_mean_span_and_the_number_of_open_gates() -> None:
    span = made("encoder", pattern="span", window=8, span_ramp=2, penalty=0.5)
    span.composition.term.share.data.fill_(0.25)
    assert span.penalty().item() == pytest.approx(0.125)
    gated = made("encoder", gates=True, penalty=0.5)
    gated.gates.logit.data.fill_(30.0)
    assert gated.penalty().item() == pytest.approx(0.5 * HEADS)
    gated.gates.logit.data.fill_(-30.0)
    assert gated.penalty().item() == pytest.approx(0.0, abs=1e-9)
    assert made("encoder", gates=True).penalty() is None
    assert made("encoder").penalty() is None
    both = made("encoder", pattern="span", window=8, span_ramp=2, gates=True, penalty=0.5)
    parts = [both.composition.penalty(), both.gates.penalty()]
    assert both.penalty().item() == pytest.approx(sum(parts).item())
    assert len(list(both.regulators())) == 2


# The choice of a kernel when nobody names one


@pytest.mark.parametrize("role", SELF)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"pattern": "window", "window": 4},
        {"pattern": "window", "window": 2, "global_tokens": 1, "normaliser": "entmax"},
        {"pattern": "span", "window": 4, "span_ramp": 2},
        {"pattern": "sentence"},
    ],
    ids=str,
)
def test_long_lines_are_as_the_definition(role: str, settings: dict[str, Any]) -> None:
    auto = made(role, **settings)
    dense = like(auto, kernel="dense", **settings)
    states, layout = given(270, (270, 100), causal=role == "decoder")
    numbers = (torch.arange(270) // 11).expand(2, -1)
    layout = replace(layout, query_sentences=numbers, key_sentences=numbers)
    found, wanted = run(auto, states, layout), run(dense, states, layout)
    assert_close(found[0], wanted[0], rtol=1e-10, atol=1e-10)
    assert_close(found[1, :100], wanted[1, :100], rtol=1e-10, atol=1e-10)
