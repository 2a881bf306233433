"""The best in order, against a stable sort of all; and the real model under the search.

Three sentences of 6, 2 and 4 ids; a vocabulary of 11.
"""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.config import AttentionSections
from nmt.model.build import build_model
from nmt.model.compute import Compute
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder, Memory
from nmt.search.beam import beam_search
from nmt.search.config import SearchConfig
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.search.scorer import (
    ModelScorer,
    ScoreCandidates,
    Source,
    first_of_equals,
    top_in_order,
)

VOCAB = 11
ENDS = Ends(1, 2)
COMPUTE = Compute(torch.device("cpu"), torch.float32)
LENGTHS = torch.tensor([6, 2, 4])
LIMITS = [7, 4, 9]


@pytest.mark.parametrize("distinct", [1, 2, 5, 1000])
@pytest.mark.parametrize("width", [1, 2, 7, 20, 30])
def test_the_best_in_order_are_those_of_a_stable_sort(distinct: int, width: int) -> None:
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        scores = torch.randint(distinct, (3, 2, 30), generator=generator).float()
        scores[scores == 0] = -torch.inf
        best, ids = top_in_order(scores, width)
        all_best, all_ids = scores.sort(dim=-1, descending=True, stable=True)
        assert torch.equal(best, all_best[..., :width])
        assert torch.equal(ids, all_ids[..., :width])


@pytest.mark.parametrize("size", [4 * 256, 5 * 256 + 1, 6 * 256 - 1])
@pytest.mark.parametrize("distinct", [3, 50, 10**6])
def test_the_best_of_many_are_those_of_a_stable_sort(
    size: int, distinct: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where maxima of columns are looked at first."""
    monkeypatch.setattr("nmt.search.scorer.MANY", 0)
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        scores = torch.randint(distinct, (3, 2, size), generator=generator).float()
        scores[scores == 0] = -torch.inf
        all_best, all_ids = scores.sort(dim=-1, descending=True, stable=True)
        for width in (1, 10, 60, 70):
            best, ids = top_in_order(scores, width)
            assert torch.equal(best, all_best[..., :width])
            assert torch.equal(ids, all_ids[..., :width])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_the_first_of_equals_are_those_of_a_stable_sort(dtype: torch.dtype) -> None:
    """Rounded coarsely, so that most are equal; with both infinities."""
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        scores = (torch.randn(4, 5, 50, generator=generator) * (1 + seed % 4)).round().to(dtype)
        scores[torch.rand(scores.shape, generator=generator) < 0.2] = -torch.inf
        scores[torch.rand(scores.shape, generator=generator) < 0.1] = torch.inf
        scores[0, 0], scores[0, 1], scores[0, 2] = -torch.inf, torch.inf, 0
        all_best, all_ids = scores.sort(dim=-1, descending=True, stable=True)
        for width in (1, 4, 10, 49, 50, 60):
            best, ids = top_in_order(scores, width)
            assert torch.equal(best, all_best[..., :width])
            assert torch.equal(ids, all_ids[..., :width])
            last = all_best[..., :width][..., -1:].flatten(0, 1)
            first = first_of_equals(scores.flatten(0, 1), last, min(width, 50)).sort()[0]
            assert torch.equal(first, all_ids[..., :width].flatten(0, 1).sort()[0])


def test_the_best_are_normalised_as_all_are() -> None:
    scores = torch.randn(2, 3, VOCAB, generator=torch.Generator().manual_seed(1)).double()
    candidates = ScoreCandidates(scores)
    assert_close(candidates.log_probs().exp().sum(-1), torch.ones(2, 3).double())
    best, ids = candidates.top(4)
    assert_close(best, candidates.log_probs().gather(-1, ids))
    assert_close(best, candidates.log_probs().sort(dim=-1, descending=True)[0][..., :4])
    assert candidates.top(99)[1].shape == (2, 3, VOCAB)


@pytest.mark.parametrize("spread", [1.0, 30.0, 300.0])
def test_the_best_are_normalised_exactly_however_unlikely_they_are(spread: float) -> None:
    scores = spread * torch.randn(4, 5, 60, generator=torch.Generator().manual_seed(1))
    scores[..., ::7] = -torch.inf
    best, ids = ScoreCandidates(scores).top(60)
    expected = scores.double().log_softmax(-1).gather(-1, ids).float()
    assert_close(best, expected, rtol=2e-6, atol=2e-6)
    assert spread < 300.0 or (expected[expected.isfinite()] < -104).any()  # exp of it is 0


@pytest.fixture(params=range(3), ids=lambda seed: f"seed {seed}")
def model(request: pytest.FixtureRequest) -> EncoderDecoder:
    """A model whose scores are far enough apart to rank alike after rounding."""
    config = ModelConfig(
        encoder_layers=2, decoder_layers=2, model_size=8, ffn_size=12, num_heads=2, max_length=12
    )
    torch.manual_seed(request.param)
    built = build_model(config, AttentionSections(), VOCAB, VOCAB)
    for weight in built.parameters():
        weight.data += 0.4 * torch.randn_like(weight)
    return built.eval()


@pytest.fixture
def source() -> Source:
    ids = torch.randint(VOCAB, (3, 6), generator=torch.Generator().manual_seed(2))
    return Source(ids, LENGTHS)


def one(source: Source, row: int) -> Source:
    """Take one sentence out of a batch, without its padding."""
    length = source.lengths[row : row + 1]
    return Source(source.ids[row : row + 1, : int(length)], length)


def next_log_probs(model: EncoderDecoder, memory: Memory, history: list[int]) -> Tensor:
    """Score what follows each of a history's ids by a full pass, (T, V)."""
    states = model.decode(memory, torch.tensor([history]), torch.tensor([len(history)]))
    return (states @ model.output_weight().mT).log_softmax(-1)[0]


def rescored(model: EncoderDecoder, memory: Memory, hypothesis: Hypothesis) -> float:
    """Sum the log-probabilities of a hypothesis and of its end by one full pass."""
    following = torch.tensor([*hypothesis.ids, ENDS.end])
    log_probs = next_log_probs(model, memory, [ENDS.start, *hypothesis.ids])
    return float(log_probs.gather(-1, following.unsqueeze(-1)).sum())


@pytest.mark.parametrize("stop", ["beam", "bound", "ctranslate2"])
def test_sentences_that_are_done_and_stay_change_nothing(
    model: EncoderDecoder, source: Source, stop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, limits, found = SearchConfig(beam=2, nbest=2, stop=stop), [11, 12, 12], []
    for pays_from in (10**6, 1):  # they leave at once, or only with the last
        monkeypatch.setattr("nmt.search.beam.PAYS_FROM", pays_from)
        found.append(beam_search(ModelScorer(model, COMPUTE), source, ENDS, limits, config))
    for soon, late in zip(*found, strict=True):
        assert [each.ids for each in soon] == [each.ids for each in late]
        scores = [torch.tensor([each.score for each in one]) for one in (soon, late)]
        assert_close(*scores)


@torch.inference_mode()
def test_what_search_says_of_a_hypothesis_a_full_pass_says_too(
    model: EncoderDecoder, source: Source
) -> None:
    config = SearchConfig(beam=4, nbest=4)
    found = beam_search(ModelScorer(model, COMPUTE), source, ENDS, LIMITS, config)
    for row, hypotheses in enumerate(found):
        alone = one(source, row)
        memory = model.encode(alone.ids, alone.lengths)
        assert len(hypotheses) == 4
        for each in hypotheses:
            assert each.log_prob == pytest.approx(rescored(model, memory, each), abs=1e-4)
            assert len(each.ids) < LIMITS[row]


@torch.inference_mode()
def test_a_beam_of_one_is_a_greedy_loop_of_full_passes(
    model: EncoderDecoder, source: Source
) -> None:
    config = SearchConfig(beam=1)
    found = beam_search(ModelScorer(model, COMPUTE), source, ENDS, LIMITS, config)
    for row, ((best,), limit) in enumerate(zip(found, LIMITS, strict=True)):
        alone, history = one(source, row), [ENDS.start]
        memory = model.encode(alone.ids, alone.lengths)
        while len(history) < limit:
            id_ = int(next_log_probs(model, memory, history)[-1].argmax())
            if id_ == ENDS.end:
                break
            history.append(id_)
        assert best.ids == tuple(history[1:])


@pytest.mark.parametrize("beam", [1, 4])
def test_a_batch_is_translated_as_its_sentences_are_alone(
    model: EncoderDecoder, source: Source, beam: int
) -> None:
    scorer, config = ModelScorer(model, COMPUTE), SearchConfig(beam=beam, nbest=beam)
    together = beam_search(scorer, source, ENDS, LIMITS, config)
    for row, limit in enumerate(LIMITS):
        (alone,) = beam_search(scorer, one(source, row), ENDS, [limit], config)
        assert [each.ids for each in together[row]] == [each.ids for each in alone]
        for mine, expected in zip(together[row], alone, strict=True):
            assert mine.score == pytest.approx(expected.score, abs=1e-4)


def test_search_in_bfloat16_scores_in_float32_and_nearly_the_same(
    model: EncoderDecoder, source: Source
) -> None:
    scorer = ModelScorer(model, Compute(torch.device("cpu"), torch.bfloat16))
    with torch.inference_mode():
        state = scorer.start(source, 1, 2)
        ids, parents = torch.full((3, 1), ENDS.start), torch.zeros(3, 1, dtype=torch.long)
        candidates, _ = scorer.step(state, ids, parents)
        memory = model.encode(source.ids, source.lengths)
        exact = model.decode(memory, ids, torch.ones(3)) @ model.output_weight().mT
    assert candidates.log_probs().dtype == torch.float32
    assert_close(candidates.log_probs(), exact.log_softmax(-1), rtol=0.1, atol=0.25)


def test_search_makes_no_gradient_and_draws_no_random_number(
    model: EncoderDecoder, source: Source
) -> None:
    before = torch.get_rng_state()
    beam_search(ModelScorer(model, COMPUTE), source, ENDS, LIMITS, SearchConfig(beam=2))
    assert all(weight.grad is None for weight in model.parameters())
    assert torch.equal(torch.get_rng_state(), before)
