"""What layers share, and what is remembered between decoding steps."""

from typing import Any

import pytest
import torch

from nmt.attention.contract import Lent
from nmt.attention.layout import Layout
from nmt.attention.multi_head import MultiHeadAttention
from tests.attention.composing import (
    HEADS,
    ROLES,
    D,
    close,
    given,
    layout_of,
    like,
    made,
)

# Sharing across layers


@pytest.mark.parametrize("role", ROLES)
def test_shared_weights_are_those_of_a_second_layer_that_scores_alike(role: str) -> None:
    first, second = made(role, share="weights"), made(role, layer=1, share="weights")
    states, layout = layout_of(role, 6, (6, 4))
    memory = torch.randn(2, 6, D).double() if role == "cross" else states
    attended = first(states, memory, layout)
    borrowed = second(states, memory, layout, lent=attended.lent)
    plain = like(first)  # its own output and values, the first layer's queries and keys
    plain.output.load_state_dict(second.output.state_dict())
    if role != "cross":  # across, the whole context is the first layer's
        own = second.query_key_value
        plain.query_key_value.weight.data[2 * D :] = own.weight.data
        plain.query_key_value.bias.data[2 * D :] = own.bias.data
    close(borrowed.output, plain(states, memory, layout).output)


@pytest.mark.parametrize("role", ROLES)
def test_shared_keys_and_values_are_those_of_a_second_layer_with_the_same(role: str) -> None:
    first, second = made(role, share="key-value"), made(role, layer=1, share="key-value")
    states, layout = layout_of(role, 6, (6, 4))
    memory = torch.randn(2, 6, D).double() if role == "cross" else states
    attended = first(states, memory, layout)
    borrowed = second(states, memory, layout, lent=attended.lent)
    plain = like(first)
    plain.output.load_state_dict(second.output.state_dict())
    queries = second.query if role == "cross" else second.query_key_value
    mine = plain.query if role == "cross" else plain.query_key_value
    mine.weight.data[:D] = queries.weight.data
    mine.bias.data[:D] = queries.bias.data
    close(borrowed.output, plain(states, memory, layout).output)


@pytest.mark.parametrize("share", ["key-value", "weights"])
def test_a_block_begins_anew_after_its_length(share: str) -> None:
    borrowers = [made("decoder", n, share=share, share_block=3).borrows for n in range(7)]
    assert borrowers == [False, True, True, False, True, True, False]
    assert not made("decoder", 1).borrows


def test_borrowed_weights_are_dropped_in_training_as_ones_own() -> None:
    second = made("encoder", layer=1, share="weights", dropout=0.5)
    states, layout = given(6)
    lent = Lent(weights=torch.full((2, HEADS, 6, 6), 1 / 6).double())
    whole = second(states, states, layout, lent=lent).output
    second.train()
    assert (second(states, states, layout, lent=lent).output - whole).abs().max() > 1e-3


def test_a_layer_that_borrows_a_context_has_no_gates_of_its_own() -> None:
    second = made("cross", layer=1, share="weights", gates=True, penalty=0.5)
    assert second.gates is None
    assert second.penalty() is None
    assert sorted(name for name, _ in second.named_parameters()) == ["output.bias", "output.weight"]


# The size of what is remembered


def after(attention: MultiHeadAttention, steps: int, beam: int = 2) -> list[int]:
    """Decode some steps; give the bytes of the cache after each."""
    cache, sizes = attention.start(3, beam, steps), []
    for step in range(steps):
        layout = Layout(num_queries=beam, num_keys=beam * (step + 1),
                        ancestry=torch.zeros(3, beam, step + 1).long())  # fmt: skip
        states = torch.zeros(3, beam, D).double()
        with torch.inference_mode():
            cache = attention(states, states, layout, cache=cache).cache
        sizes.append(cache.num_bytes())
    return sizes


UNIT = 3 * 2 * D * 8  # bytes of one vector of the model for each hypothesis


@pytest.mark.parametrize(
    ("settings", "vectors"),
    [
        ({}, lambda t: 2 * t),
        ({"key_value_heads": 1}, lambda t: 2 * t / HEADS),
        ({"key_value_heads": 2}, lambda t: 2 * t * 2 / HEADS),
        ({"tied": "key-value"}, lambda t: t),
        ({"tied": "key-value", "positions": "rotary"}, lambda t: 2 * t),
        ({"tied": "query-key"}, lambda t: 2 * t),
        ({"pattern": "window", "window": 2}, lambda t: 2 * min(t, 3)),
        ({"pattern": "window", "window": 2, "dilation": 2}, lambda t: 2 * min(t, 5)),
        ({"pattern": "window", "window": 2, "global_tokens": 1}, lambda t: 2 * min(t, 4)),
        ({"share": "weights", "pattern": "window", "window": 2}, lambda t: 2 * min(t, 3)),
    ],
    ids=lambda each: "" if callable(each) else str(each),
)
def test_a_cache_takes_what_the_table_of_variants_says(settings: Any, vectors: Any) -> None:
    sizes = after(made("decoder", **settings), 8)
    assert sizes == [UNIT * vectors(t) for t in range(1, 9)]


def test_a_span_keeps_what_it_may_still_see() -> None:
    span = made("decoder", pattern="span", window=4, span_ramp=2)
    span.composition.term.share.data.fill_(0.5)
    assert after(span, 9)[-1] == UNIT * 2 * 4  # the last key seen is 3 away


@pytest.mark.parametrize("pattern", ["full", "window"])
def test_a_layer_that_borrows_weights_keeps_values_only(pattern: str) -> None:
    window = {"window": 2} if pattern == "window" else {}
    second = made("decoder", layer=1, share="weights", pattern=pattern, **window)
    cache = second.start(3, 2, 8)
    assert cache.keys.numel() == 0
    assert cache.values.size(2) == (3 if window else 8)
    assert cache.keys.untyped_storage().nbytes() == 0


def test_a_layer_that_borrows_keys_and_values_keeps_nothing() -> None:
    assert made("decoder", layer=1, share="key-value").start(3, 2, 8).num_bytes() == 0
    memory = torch.zeros(3, 4, D).double()
    cross = made("cross", layer=1, share="key-value")
    assert cross.remember(memory, torch.tensor([4, 4, 4])).num_bytes() == 0


def test_a_source_is_remembered_once_for_all_hypotheses() -> None:
    memory = torch.zeros(3, 4, D).double()
    lengths = torch.tensor([4, 4, 4])
    assert made("cross").remember(memory, lengths).num_bytes() == 2 * 3 * 4 * D * 8
    tied = made("cross", tied="key-value").remember(memory, lengths)
    assert tied.num_bytes() == 3 * 4 * D * 8
