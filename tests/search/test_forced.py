"""Forced decoding against search, against steps, and alone against in a batch."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from nmt.attention.config import AttentionConfig, AttentionSections
from nmt.attention.variants import VARIANTS
from nmt.model.build import build_model
from nmt.model.compute import Compute
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder
from nmt.model.weights import attention_weights
from nmt.native.compiler import lacks_bytes
from nmt.search import forced
from nmt.search.config import SearchConfig
from nmt.search.find import Wanted, find
from nmt.search.forced import force, force_by_steps
from nmt.search.hypothesis import Ends
from nmt.search.scorer import ModelScorer, Source

VOCAB = 11
ENDS = Ends(1, 2)
COMPUTE = Compute(torch.device("cpu"), torch.float32)
CONFIG = SearchConfig(beam=2, nbest=2)
TUNED = {"window": {"window": 2}, "block-hierarchical": {"block": 2}, "dilated": {"window": 2}}
CASES = [  # the encoder is run by the same code in both
    (name, role)
    for name, variant in VARIANTS.items()
    for role in ("decoder", "cross")
    if role in variant.roles
]
RECURRENT = [(feeding, cell) for feeding in ("luong", "bahdanau") for cell in ("lstm", "gru")]


def make(sections: AttentionSections | None = None, **settings: Any) -> ModelScorer:
    small = {"encoder_layers": 2, "decoder_layers": 2, "model_size": 8, "num_heads": 2}
    if settings.get("arch") != "rnn":
        small["ffn_size"] = 12
    torch.manual_seed(1)
    config = ModelConfig(**{**small, "max_length": 12, **settings})
    model = build_model(config, sections or AttentionSections(), VOCAB, VOCAB)
    for weight in model.parameters():
        weight.data += 0.4 * torch.randn_like(weight)
    return ModelScorer(model.eval(), COMPUTE)


@pytest.fixture
def source() -> Source:
    ids = torch.randint(3, VOCAB, (3, 6), generator=torch.Generator().manual_seed(2))
    return Source(ids, torch.tensor([6, 2, 4]))


def one(source: Source, row: int) -> Source:
    length = source.lengths[row : row + 1]
    return Source(source.ids[row : row + 1, : int(length)], length)


def check_search(scorer: ModelScorer, source: Source) -> None:
    """Read by force what search finds, all of it at once and each alone."""
    found = find(scorer, source, ENDS, Wanted([5, 3, 6]), CONFIG)
    rows = [row for row, hypotheses in enumerate(found) for _ in hypotheses]
    flat = [each for hypotheses in found for each in hypotheses]
    assert len(flat) > 3
    alone = force(scorer, one(source, rows[-1]), [flat[-1].ids], ENDS)
    together = force(
        scorer, Source(source.ids[rows], source.lengths[rows]), [each.ids for each in flat], ENDS
    )
    assert alone[0].log_probs == pytest.approx(together[-1].log_probs, abs=2e-4)
    for hypothesis, result in zip(flat, together, strict=True):
        assert len(result.log_probs) == len(hypothesis.ids) + 1
        assert sum(result.log_probs) == pytest.approx(hypothesis.log_prob, abs=2e-4)
        assert result.weights == ()


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("name", "role"), CASES, ids=["-".join(case) for case in CASES])
def test_the_sum_is_the_log_probability_of_search(name: str, role: str, source: Source) -> None:
    settings = {role: AttentionConfig(variant=name, **TUNED.get(name, {}))}
    check_search(make(AttentionSections(**settings)), source)


@pytest.mark.parametrize(("feeding", "cell"), RECURRENT)
def test_a_recurrent_model_is_forced_alike(feeding: str, cell: str, source: Source) -> None:
    check_search(make(arch="rnn", feeding=feeding, cell=cell), source)


@pytest.mark.parametrize("arch", ["transformer", "rnn"])
def test_one_pass_is_many_steps(arch: str, source: Source) -> None:
    scorer, targets = make(arch=arch), [[4, 5], [], [9, 3, 3, 7, 6]]
    at_once = [each.log_probs for each in force(scorer, source, targets, ENDS)]
    for mine, expected in zip(at_once, force_by_steps(scorer, source, targets, ENDS), strict=True):
        assert mine == pytest.approx(expected, abs=1e-4)


@pytest.mark.skipif(bool(lacks_bytes()), reason=lacks_bytes())
def test_in_whole_numbers_it_is_what_steps_give_but_for_rounding(source: Source) -> None:
    exact = make()
    scorer = ModelScorer(exact.model, replace(COMPUTE, int8=True))
    targets = [[4, 5], [], [9, 3, 3, 7, 6]]
    at_once, steps, exactly = (
        [log_prob for row in rows for log_prob in row]
        for rows in (
            [each.log_probs for each in force(scorer, source, targets, ENDS)],
            force_by_steps(scorer, source, targets, ENDS),
            force_by_steps(exact, source, targets, ENDS),
        )
    )
    away = [abs(one - other) for one, other in zip(at_once, steps, strict=True)]
    rounded = [abs(one - other) for one, other in zip(exactly, steps, strict=True)]
    assert sum(away) < 0.2 * sum(rounded)
    assert sum(rounded) > 0


def test_any_scorer_can_be_forced(
    make_scorer: Callable[..., Any], sentences: Callable[..., Source]
) -> None:
    scorer, targets = make_scorer(5), [[2, 3, 3], [], [4]]
    found = force_by_steps(scorer, sentences(0, 1, 2), targets, Ends(0, 1))
    for number, (ids, log_probs) in enumerate(zip(targets, found, strict=True)):
        assert sum(log_probs) == pytest.approx(scorer.forced(number, 0, ids, 1))
        assert len(log_probs) == len(ids) + 1


def test_scores_in_parts_are_those_at_once(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer, targets = make(), [[4, 5], [], [9, 3, 3, 7, 6]]
    whole = force(scorer, source, targets, ENDS)
    monkeypatch.setattr(forced, "SCORES_AT_ONCE", 2 * VOCAB + 1)
    for mine, expected in zip(force(scorer, source, targets, ENDS), whole, strict=True):
        assert mine.log_probs == pytest.approx(expected.log_probs, abs=1e-5)


def test_probabilities_of_all_that_may_follow_sum_to_one(source: Source) -> None:
    scorer = make()
    alone = one(source, 0)
    firsts = [force(scorer, alone, [[id_]], ENDS)[0].log_probs[0] for id_ in range(VOCAB)]
    assert sum(map(math.exp, firsts)) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    "settings",
    [{}, {"decoder_layers": 3}, {"decoder_distinct": 1}, {"arch": "rnn", "num_heads": 1}],
    ids=str,
)
def test_weights_are_those_of_a_pass_of_each_pair_alone(
    settings: dict[str, Any], source: Source
) -> None:
    scorer, targets = make(**settings), [[4, 5], [], [9, 3, 3, 7, 6]]
    results = force(scorer, source, targets, ENDS, need_weights=True)
    for row, (result, ids) in enumerate(zip(results, targets, strict=True)):
        expected = cross(scorer.model, one(source, row), ids)
        assert len(result.weights) == len(expected)
        for mine, theirs in zip(result.weights, expected, strict=True):
            assert mine is not None
            assert mine.shape[1:] == (len(ids) + 1, int(source.lengths[row]))
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
        plain = force(scorer, source, targets, ENDS)[row]
        assert plain.log_probs == pytest.approx(result.log_probs, abs=1e-4)


def cross(model: EncoderDecoder, alone: Source, ids: list[int]) -> list[torch.Tensor]:
    target = torch.tensor([[ENDS.start, *ids]]), torch.tensor([len(ids) + 1])
    heard = attention_weights(model, (alone.ids, alone.lengths), target).values()
    return [each.weights[0] for each in heard if each.role == "cross" and each.weights is not None]


def test_layers_without_weights_give_none_and_nothing_listens_after(source: Source) -> None:
    scorer = make(AttentionSections(cross=AttentionConfig(variant="linear")))
    results = force(scorer, source, [[4]] * 3, ENDS, need_weights=True)
    assert [each.weights for each in results] == [(None, None)] * 3
    modules = list(scorer.model.modules())
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in modules)
