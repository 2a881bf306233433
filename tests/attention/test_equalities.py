"""What scores, positions, heads and normalisers are equal to where they make no difference."""

import math
from typing import Any

import pytest
import torch

from nmt.attention.caches import FixedKeyValues, GrowingKeyValues
from nmt.attention.distance import BucketedBias, ShawRelative
from nmt.attention.layout import Layout
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

# Scores


@pytest.mark.parametrize("role", ROLES)
def test_dot_of_a_divided_query_is_scaled_dot(role: str) -> None:
    plain = made(role)
    dot = like(plain, score="dot")
    projection = dot.query if role == "cross" else dot.query_key_value
    projection.weight.data[:D] /= K**0.5
    projection.bias.data[:D] /= K**0.5
    same(plain, dot)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("score", ["general", "general-shared"])
def test_general_with_the_identity_is_dot(role: str, score: str) -> None:
    dot = made(role, score="dot")
    general = like(dot, score=score)
    matrix = general.composition.score.matrix.data
    same(general, like(dot))  # as it starts: the scaled product
    matrix.copy_(torch.eye(K).expand_as(matrix))
    same(general, dot)


def test_general_is_dot_with_keys_projected_once_more() -> None:
    general = made("cross", score="general")
    dot = like(general, score="dot")
    rows = dot.key_value.weight.data[:D].view(HEADS, K, D)
    matrix = general.composition.score.matrix.data
    rows.copy_(matrix @ rows)
    biases = dot.key_value.bias.data[:D].view(HEADS, K, 1)
    biases.copy_(matrix @ biases)
    same(general, dot)


@pytest.mark.parametrize("role", ROLES)
def test_additive_in_blocks_is_additive(role: str) -> None:
    whole = made(role, score="additive", kernel="dense")
    same(like(whole, score="additive", kernel="blocked", chunk=3), whole, size=10)


def test_additive_scores_are_those_of_the_paper() -> None:
    attention = made("encoder", score="additive")
    states, layout = given(5)
    weights = attention(states, states, layout, need_weights=True).weights
    made_of = attention.query_key_value.heads(states)
    vector = attention.composition.score.vector
    for head in range(HEADS):
        query, key = made_of["query"][:, head], made_of["key"][:, head]
        scores = torch.tanh(query[:, :, None] + key[:, None]) @ vector[head, 0]
        close(weights[:, head], scores.softmax(-1))


def test_cosine_scores_do_not_depend_on_lengths_of_keys() -> None:
    attention = made("cross", score="cosine")
    longer = like(attention, score="cosine")
    longer.key_value.weight.data[:D] *= 3.0
    longer.key_value.bias.data[:D] *= 3.0
    same(attention, longer)


# Positions


@pytest.mark.parametrize("role", SELF)
@pytest.mark.parametrize("positions", ["bucketed", "shaw"])
def test_tables_of_zeros_are_no_positions(role: str, positions: str) -> None:
    plain = made(role)
    relative = like(plain, positions=positions, max_distance=3)
    for weight in relative.composition.term.parameters():
        weight.data.zero_()
    same(plain, relative)
    for weight in relative.composition.term.parameters():
        weight.data.normal_()
    differ(plain, relative)


def test_the_gradient_of_a_bucket_counts_all_of_its_pairs_in_bfloat16() -> None:
    term = BucketedBias(1, buckets=4, furthest=2)
    query = torch.zeros(1, 1, 40, K, dtype=torch.bfloat16)
    bias, _ = term(query, Layout(num_queries=40, num_keys=40), None)
    bias.sum().backward()
    assert term.table.grad is not None
    assert term.table.grad.sum() == 40 * 40
    assert term.table.grad.max() > 256  # where a sum of ones in bfloat16 stops


def test_shaw_keeps_the_type_of_values_and_scores_in_float32() -> None:
    term = ShawRelative(K, furthest=1)
    query = torch.zeros(1, 1, 40, K, dtype=torch.bfloat16)
    layout = Layout(num_queries=40, num_keys=40)
    assert term(query, layout, None)[0].dtype == torch.float32
    weights = torch.full((1, 1, 40, 40), 1 / 40, dtype=torch.bfloat16)
    assert term.of_values(weights, layout, None).dtype == torch.bfloat16


def test_shaw_is_the_formula_of_the_paper() -> None:
    attention = made("decoder", positions="shaw", max_distance=2)
    states, layout = given(6, causal=True)
    made_of = attention.query_key_value.heads(states)
    term = attention.composition.term
    context = torch.zeros(2, HEADS, 6, K).double()
    for b, head, i in torch.cartesian_prod(*map(torch.arange, (2, HEADS, 6))).tolist():
        index = (torch.arange(i + 1) - i).clamp(-2, 2) + 2
        key = made_of["key"][b, head, : i + 1] + term.keys[index]
        value = made_of["value"][b, head, : i + 1] + term.values[index]
        weights = (key @ made_of["query"][b, head, i] / K**0.5).softmax(-1)
        context[b, head, i] = weights @ value
    close(run(attention, states, layout), attention.output(context.transpose(1, 2).flatten(2)))


def test_alibi_lowers_scores_by_slope_and_distance() -> None:
    attention = made("encoder", positions="alibi")
    states, layout = given(6)
    weights = attention(states, states, layout, need_weights=True).weights
    made_of = attention.query_key_value.heads(states)
    away = (torch.arange(6)[:, None] - torch.arange(6)).abs()
    slopes = torch.tensor([2.0 ** (-2 * (head + 1)) for head in range(HEADS)]).double()
    scores = made_of["query"] @ made_of["key"].mT / K**0.5 - slopes.view(-1, 1, 1) * away
    close(weights, scores.softmax(-1))


def test_alibi_without_slopes_is_no_positions() -> None:
    plain = made("decoder")
    alibi = like(plain, positions="alibi")
    differ(plain, alibi)
    alibi.composition.term.slopes.zero_()
    same(plain, alibi)


def test_rotary_at_position_zero_is_no_position() -> None:
    plain = made("decoder")
    rotary = like(plain, positions="rotary")
    states, layout = given(1, causal=True)
    close(run(rotary, states, layout), run(plain, states, layout))
    differ(plain, rotary)


def test_rotary_scores_depend_on_distance_only() -> None:
    rotary = made("decoder", positions="rotary", pattern="window", window=2)
    states, _ = given(9)
    shifted = torch.cat([torch.randn(2, 4, D).double(), states], 1)
    near = run(rotary, states, given(9, causal=True)[1])
    far = run(rotary, shifted, given(13, causal=True)[1])
    close(far[:, 6:], near[:, 2:])


def test_rotary_encoder_knows_order_and_plain_does_not() -> None:
    states, layout = given(6)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    plain, rotary = made(), made(positions="rotary")
    close(run(plain, states[:, order], layout), run(plain, states, layout)[:, order])
    moved = run(rotary, states[:, order], layout) - run(rotary, states, layout)[:, order]
    assert moved.abs().max() > 1e-3


# Heads


@pytest.mark.parametrize("role", ROLES)
def test_as_many_groups_as_heads_are_multi_head(role: str) -> None:
    plain = made(role)
    same(plain, like(plain, key_value_heads=HEADS))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kernel", ["dense", "fused", "blocked"])
def test_groups_are_heads_with_repeated_weights(role: str, groups: int, kernel: str) -> None:
    few = made(role, key_value_heads=groups, kernel=kernel)
    many = made(role)
    start = 0 if role == "cross" else D
    source = few.key_value if role == "cross" else few.query_key_value
    target = many.key_value if role == "cross" else many.query_key_value
    if role == "cross":
        many.query.load_state_dict(few.query.state_dict())
    many.output.load_state_dict(few.output.state_dict())
    for mine, theirs in ((source.weight, target.weight), (source.bias, target.bias)):
        theirs.data[:start] = mine.data[:start]
        pair = mine.data[start:].unflatten(0, (2, groups, K))
        theirs.data[start:] = pair.repeat_interleave(HEADS // groups, 1).flatten(0, 2)
    same(few, many)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_cache_holds_exactly_the_groups(groups: int) -> None:
    own = made("decoder", key_value_heads=groups).start(3, 2, 5)
    assert isinstance(own, GrowingKeyValues)
    assert own.keys.shape == own.values.shape == (3, groups, 5, 2, K)
    cross = made("cross", key_value_heads=groups)
    fixed = cross.remember(torch.zeros(3, 6, D).double(), torch.tensor([6, 6, 6]))
    assert isinstance(fixed, FixedKeyValues)
    assert fixed.keys.shape == fixed.values.shape == (3, groups, 6, K)
    assert fixed.num_bytes() == 2 * 3 * groups * 6 * K * 8


@pytest.mark.parametrize("role", ROLES)
def test_talking_heads_with_identities_are_multi_head(role: str) -> None:
    plain = made(role)
    talking = like(plain, talking=True)  # starts so
    same(plain, talking)
    talking.composition.mixing.scores.data += 0.3
    differ(plain, talking)


def test_talking_heads_mix_before_and_after() -> None:
    attention = made("encoder", talking=True)
    states, layout = given(5)
    weights = attention(states, states, layout, need_weights=True).weights
    made_of = attention.query_key_value.heads(states)
    mixing = attention.composition.mixing
    scores = made_of["query"] @ made_of["key"].mT / K**0.5
    for head in range(HEADS):
        mixed = [
            sum(mixing.scores[a, b] * scores[:, b] for b in range(HEADS)) for a in range(HEADS)
        ]
        wanted = sum(mixing.weights[head, a] * mixed[a].softmax(-1) for a in range(HEADS))
        close(weights[:, head], wanted)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("tied", ["query-key", "key-value"])
@pytest.mark.parametrize("positions", ["none", "rotary"])
def test_tied_projections_are_copied_weights(role: str, tied: str, positions: str) -> None:
    if role == "cross" and positions == "rotary":
        return  # refused
    one, two = made(role, tied=tied, positions=positions), made(role, positions=positions)
    two.output.load_state_dict(one.output.state_dict())
    parts = [one.query, one.key_value] if role == "cross" else [one.query_key_value]
    found = {}
    for packed in parts:
        sizes = [heads * K for heads in packed.parts.values()]
        rows = zip(packed.weight.split(sizes), packed.bias.split(sizes), strict=True)
        found |= dict(zip(packed.parts, rows, strict=True))
    found.setdefault("key", found["query"])
    found.setdefault("value", found["key"])
    packs = [two.query, two.key_value] if role == "cross" else [two.query_key_value]
    for packed in packs:
        packed.weight.data = torch.cat([found[name][0].data for name in packed.parts])
        packed.bias.data = torch.cat([found[name][1].data for name in packed.parts])
    same(one, two)


@pytest.mark.parametrize("role", ROLES)
def test_open_gates_are_multi_head(role: str) -> None:
    plain = made(role)
    gated = like(plain, gates=True)  # they start open
    same(plain, gated)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"positions": "alibi"},
        {"score": "general"},
        {"score": "cosine"},
        {"normaliser": "sink"},
    ],
    ids=str,
)
@pytest.mark.parametrize("left", [[1, 3], [], [0, 1, 2, 3]], ids=str)
def test_closed_gates_are_heads_removed(
    role: str, settings: dict[str, Any], left: list[int]
) -> None:
    if role == "cross" and "positions" in settings:
        return  # refused
    whole = made(role, gates=True, **settings)
    logits = [9.0 if head in left else -9.0 for head in range(HEADS)]
    whole.gates.logit.data = torch.tensor(logits).double()
    pruned = made(role, gates=True, heads=(str(len(left)),), **settings)
    heads = torch.tensor(left, dtype=torch.long)
    state = {}
    for name, weight in whole.state_dict().items():
        wanted = pruned.state_dict()[name].shape
        if weight.shape == wanted:
            state[name] = weight
        elif name == "output.weight":
            state[name] = weight.view(D, HEADS, K)[:, heads].flatten(1)
        elif weight.size(0) % D == 0:  # projections, part by part
            state[name] = weight.view(-1, HEADS, K, *weight.shape[1:])[:, heads].flatten(0, 2)
        else:
            state[name] = weight[heads]
    pruned.load_state_dict(state)
    assert sum(weight.numel() for weight in pruned.parameters()) <= sum(
        weight.numel() for weight in whole.parameters()
    )
    same(whole, pruned)
    assert whole.statistics()["open_heads"] == len(left)


def test_a_context_gate_that_heeds_all_is_the_identity() -> None:
    plain = made("cross")
    gated = like(plain, context_gate=True)
    gated.context_gate.alternative.data.normal_()
    gated.context_gate.bias.data.fill_(50.0)  # a sigmoid of 1
    same(plain, gated)
    gated.context_gate.bias.data.fill_(-50.0)
    states, layout = given(4)
    alternative = gated.context_gate.alternative.data.flatten()
    close(run(gated, states, layout), gated.output(alternative).expand(2, 4, D))


# Normalisers


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("top_k", [7, 99])
def test_as_many_top_keys_as_keys_are_softmax_bit_for_bit(role: str, top_k: int) -> None:
    plain = made(role, kernel="dense")
    top = like(plain, normaliser="top-k", top_k=top_k)
    states, layout = layout_of(role, 7, (7, 4))
    assert torch.equal(run(top, states, layout), run(plain, states, layout))
    differ(plain, like(plain, normaliser="top-k", top_k=2))


def test_alpha_towards_one_is_softmax() -> None:
    plain = made()
    learned = like(plain, normaliser="alpha")
    states, layout = given(7)
    wanted = run(plain, states, layout)
    differences = []
    for beta in (1e-2, 1e-3):
        learned.composition.normaliser.logit.data.fill_(math.log(beta / (1 - beta)))
        differences.append((run(learned, states, layout) - wanted).abs().max().item())
    assert 0 < differences[1] < differences[0] < 0.1
    assert differences[0] / differences[1] == pytest.approx(10, rel=0.2)  # it shrinks linearly


@pytest.mark.parametrize("role", ROLES)
def test_a_sink_that_nothing_sinks_into_is_softmax(role: str) -> None:
    plain = made(role)
    sink = like(plain, normaliser="sink")
    sink.composition.normaliser.logit.data.fill_(-80.0)
    same(plain, sink)
    sink.composition.normaliser.logit.data.fill_(0.0)
    differ(plain, sink)
