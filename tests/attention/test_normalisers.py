"""Every normaliser hides what is hidden; then what each one promises.

B batch, H heads, T queries, S keys.
"""

import dataclasses

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.config import AttentionConfig
from nmt.attention.normalisers import (
    NORMALISERS,
    AdaptiveEntmax,
    Normaliser,
    Sink,
    Softmax,
    TopK,
    normalised,
)

BATCH, HEADS, QUERIES, KEYS = 3, 2, 4, 6
SEEN = torch.tensor([6, 0, 3])  # the second sentence shows nothing
VISIBLE = (torch.arange(KEYS) < SEEN.unsqueeze(-1))[:, None, None, :]  # (B, 1, 1, S)
SHAPE = (BATCH, HEADS, QUERIES, KEYS)


def draw(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(*shape, generator=generator, dtype=torch.float64)


def with_gradients(
    normaliser: Normaliser, scores: Tensor, visible: Tensor | None
) -> tuple[Tensor, ...]:
    """Weigh; give the weights and the gradients of scores and of what the normaliser learns."""
    scores = scores.clone().requires_grad_()
    weights = normaliser(scores, visible)
    slope = draw(*weights.shape, seed=2).to(weights.dtype)
    inputs = [scores, *normaliser.parameters()]
    return weights.detach(), *torch.autograd.grad(weights, inputs, slope)


@pytest.fixture(params=NORMALISERS)
def normaliser(request: pytest.FixtureRequest) -> Normaliser:
    """Each of the table, its learned values unlike each other."""
    normaliser = NORMALISERS[request.param](HEADS, AttentionConfig(top_k=3)).double()
    for parameter in normaliser.parameters():
        parameter.data += torch.tensor([0.0, 1.5])
    return normaliser


def test_weights_are_a_distribution(normaliser: Normaliser) -> None:
    weights = normaliser(draw(*SHAPE), None)
    assert weights.shape == SHAPE
    assert weights.dtype == torch.float64
    assert (weights >= 0).all()
    total = weights.sum(-1)
    if normaliser.sums_to_one:
        assert_close(total, torch.ones_like(total), rtol=0, atol=1e-12)
    else:
        assert ((total > 0) & (total < 1)).all()


def test_hidden_keys_have_exactly_no_weight_and_no_gradient(normaliser: Normaliser) -> None:
    weights, slope, *_ = with_gradients(normaliser, draw(*SHAPE), VISIBLE)
    hidden = ~VISIBLE.expand(SHAPE)
    assert (weights[hidden] == 0).all()
    assert (slope[hidden] == 0).all()


def test_a_row_that_sees_nothing_is_zero_and_teaches_nothing(normaliser: Normaliser) -> None:
    blind = torch.zeros(1, dtype=torch.bool)
    for each in with_gradients(normaliser, draw(*SHAPE), blind):
        assert torch.equal(each, torch.zeros_like(each))


def test_a_blind_row_leaves_the_others_as_they_are(normaliser: Normaliser) -> None:
    scores = draw(*SHAPE)
    seeing = SEEN > 0
    weights, slope, *learnt = with_gradients(normaliser, scores, VISIBLE)
    assert torch.equal(weights[seeing], normaliser(scores[seeing], VISIBLE[seeing]))
    for each in (slope, *learnt):
        assert each.isfinite().all()
        assert each.any()


def test_hidden_keys_change_nothing_whatever_they_score(normaliser: Normaliser) -> None:
    scores = draw(*SHAPE)
    alone = normaliser(scores[2, ..., :3].unsqueeze(0), None)
    for value in (-50.0, 0.0, 1e4, torch.inf, torch.nan):
        scores = scores.masked_fill(~VISIBLE, value)
        beside, slope, *_ = with_gradients(normaliser, scores, VISIBLE)
        assert_close(beside[2:, ..., :3], alone, rtol=0, atol=1e-12)
        assert slope.isfinite().all()


def test_a_constant_added_to_all_scores_changes_nothing(normaliser: Normaliser) -> None:
    scores = draw(*SHAPE)
    before = normaliser(scores, VISIBLE)
    if isinstance(normaliser, Sink):
        normaliser.logit.data += 100.0  # it is a score too
    assert_close(normaliser(scores + 100.0, VISIBLE), before, rtol=0, atol=1e-12)


def test_blocks_between_heads_and_queries_are_rows_like_others(normaliser: Normaliser) -> None:
    scores, visible = draw(*SHAPE), VISIBLE.expand(-1, -1, QUERIES, -1)
    cut = normaliser(scores.unflatten(2, (2, 1, 2)), visible.unflatten(2, (2, 1, 2)))
    assert cut.shape == (BATCH, HEADS, 2, 1, 2, KEYS)
    assert torch.equal(cut.flatten(2, 4), normaliser(scores, VISIBLE))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("visible", [None, VISIBLE], ids=["all", "some"])
def test_narrow_scores_are_taken_in_single_precision(
    normaliser: Normaliser, dtype: torch.dtype, visible: Tensor | None
) -> None:
    normaliser, scores = normaliser.float(), draw(*SHAPE).to(dtype)
    weights, slope, *_ = with_gradients(normaliser, scores, visible)
    wide, wide_slope, *_ = with_gradients(normaliser, scores.float(), visible)
    assert torch.equal(weights, wide)
    assert torch.equal(slope, wide_slope.to(dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_the_largest_scores_of_a_type_give_numbers(
    normaliser: Normaliser, dtype: torch.dtype
) -> None:
    edge = min(torch.finfo(dtype).max, 1e8)
    scores = torch.tensor([edge, -edge, edge, 0.0, 1.0, -edge]).to(dtype).expand(SHAPE)
    for visible in (None, VISIBLE):
        for each in with_gradients(normaliser.float(), scores, visible):
            assert each.isfinite().all()


def test_a_parameter_kept_narrow_does_not_narrow_the_work(normaliser: Normaliser) -> None:
    weights = normaliser.bfloat16()(draw(*SHAPE), VISIBLE)
    assert weights.dtype == torch.float64


def test_no_key_or_one_or_no_query_is_no_special_case(normaliser: Normaliser) -> None:
    for shape in ((BATCH, HEADS, QUERIES, 0), (BATCH, HEADS, 0, KEYS)):
        visible = torch.ones(shape[-2:], dtype=torch.bool)
        scores = draw(*shape).requires_grad_()
        weights = normaliser(scores, visible)
        assert weights.shape == shape
        assert torch.autograd.grad(weights.sum(), scores)[0].shape == shape
    weights, slope, *_ = with_gradients(normaliser, draw(BATCH, HEADS, 1, 1), None)
    if normaliser.sums_to_one:
        assert_close(weights, torch.ones_like(weights), rtol=0, atol=1e-15)
        assert torch.equal(slope, torch.zeros_like(slope))


def test_gradients_are_those_of_finite_differences(normaliser: Normaliser) -> None:
    parameters = list(normaliser.parameters())

    def weigh(scores: Tensor, *_: Tensor) -> Tensor:
        weights: Tensor = normaliser(scores, VISIBLE)
        return weights

    scores = draw(BATCH, HEADS, 1, KEYS).requires_grad_()
    assert torch.autograd.gradcheck(weigh, (scores, *parameters), eps=1e-7, atol=1e-6)


def test_softmax_is_the_definition() -> None:
    scores = draw(*SHAPE)
    assert torch.equal(Softmax()(scores, VISIBLE), normalised(scores, VISIBLE))


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_is_the_softmax_of_the_best_alone(k: int) -> None:
    scores = draw(*SHAPE)
    weights = TopK(k)(scores, VISIBLE)
    order = scores.masked_fill(~VISIBLE, -torch.inf).argsort(-1, descending=True)
    best = torch.zeros(SHAPE, dtype=torch.bool).scatter(-1, order[..., :k], value=True)
    assert torch.equal(weights, normalised(scores, best & VISIBLE))
    assert torch.equal((weights > 0).sum(-1)[:, 0, 0], SEEN.clamp(max=k))


@pytest.mark.parametrize("visible", [None, VISIBLE], ids=["all", "some"])
@pytest.mark.parametrize("k", [KEYS, KEYS + 1, 1000])
def test_as_many_as_there_are_is_softmax_bit_for_bit(k: int, visible: Tensor | None) -> None:
    for mine, expected in zip(
        with_gradients(TopK(k), draw(*SHAPE), visible),
        with_gradients(Softmax(), draw(*SHAPE), visible),
        strict=True,
    ):
        assert torch.equal(mine, expected)


def test_more_than_may_be_seen_is_softmax_bit_for_bit() -> None:
    scores, visible = draw(*SHAPE), torch.arange(KEYS) < 3
    assert torch.equal(TopK(4)(scores, visible), Softmax()(scores, visible))


def test_keys_that_tie_with_the_last_of_the_best_all_stay() -> None:
    scores = torch.tensor([1.0, 3.0, 1.0, 0.0, 1.0])
    weights = TopK(2)(scores, None)
    assert torch.equal(weights > 0, torch.tensor([True, True, True, False, True]))
    assert torch.equal(weights[[0, 2]], weights[[2, 4]])


def test_a_hidden_key_takes_no_place_among_the_best() -> None:
    scores, visible = torch.tensor([9.0, 1.0, 2.0, 3.0]), torch.arange(4) > 0
    weights = TopK(2)(scores, visible)
    assert torch.equal(weights > 0, torch.tensor([False, False, True, True]))


def test_keeping_no_key_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        TopK(0)


@pytest.mark.parametrize("logit", [-1e4, -torch.inf])
def test_a_sink_too_low_to_take_anything_is_softmax(logit: float) -> None:
    scores = draw(*SHAPE)
    sink = Sink(HEADS, logit).double()
    assert_close(sink(scores, VISIBLE), normalised(scores, VISIBLE), rtol=0, atol=1e-15)


def test_a_sink_is_one_more_key_whose_value_is_zero() -> None:
    sink = Sink(HEADS).double()
    sink.logit.data = torch.tensor([-1.0, 2.0]).double()
    scores, values = draw(*SHAPE), draw(BATCH, HEADS, KEYS, 5, seed=3)
    extra = sink.logit.view(1, HEADS, 1, 1).expand(BATCH, -1, QUERIES, -1)
    seen = torch.cat([VISIBLE, torch.ones(BATCH, 1, 1, 1, dtype=torch.bool)], -1)
    longer = normalised(torch.cat([scores, extra], -1), seen)
    expected = longer @ torch.cat([values, torch.zeros(BATCH, HEADS, 1, 5)], -2)
    assert_close(sink(scores, VISIBLE) @ values, expected, rtol=0, atol=1e-12)


def test_a_sink_is_the_formula() -> None:
    sink, scores = Sink(HEADS).double(), draw(*SHAPE)
    above = scores.exp()
    expected = above / (sink.logit.exp().view(HEADS, 1, 1) + above.sum(-1, keepdim=True))
    assert_close(sink(scores, None), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("keys", "share"), [(1, 0.05), (25, 0.002)])
def test_a_sink_takes_little_at_first(keys: int, share: float) -> None:
    weights = Sink(HEADS)(torch.zeros(1, HEADS, 1, keys), None)
    assert 1 - weights.sum(-1).mean().item() == pytest.approx(share, rel=0.1)


def test_learned_alpha_starts_near_softmax_with_no_key_left_out() -> None:
    scores = draw(*SHAPE)
    weights = AdaptiveEntmax(HEADS).double()(scores, None)
    assert (weights > 0).all()
    assert_close(weights, scores.softmax(-1), rtol=0, atol=0.1)


def test_each_head_has_an_alpha_of_its_own_that_it_can_learn() -> None:
    normaliser = AdaptiveEntmax(HEADS).double()
    normaliser.logit.data = torch.tensor([-20.0, 20.0]).double()
    scores = draw(*SHAPE)
    soft, sparse = normaliser(scores, None).unbind(1)
    assert_close(soft, scores[:, 0].softmax(-1), rtol=0, atol=1e-3)
    assert_close(sparse, NORMALISERS["sparsemax"](HEADS, AttentionConfig())(scores, None)[:, 1])
    (parameter,) = normaliser.regulators()
    assert parameter is normaliser.logit


def test_only_learned_alpha_has_something_to_report(normaliser: Normaliser) -> None:
    if not isinstance(normaliser, AdaptiveEntmax):
        assert normaliser.statistics() == {}
        assert list(normaliser.regulators()) == []
        return
    normaliser.logit.data = torch.tensor([0.0, 20.0]).double()
    assert normaliser.statistics() == {"alpha": pytest.approx(1.75)}


def test_the_table_and_the_settings_name_the_same() -> None:
    (choices,) = (
        field.metadata["choices"]
        for field in dataclasses.fields(AttentionConfig)
        if field.name == "normaliser"
    )
    assert tuple(NORMALISERS) == choices
