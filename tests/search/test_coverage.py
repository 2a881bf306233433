"""The coverage penalty of a model's search, against one pass over what was found."""

from dataclasses import replace
from itertools import chain

import pytest
import torch

from nmt.attention.config import AttentionConfig, AttentionSections
from nmt.errors import ConfigError
from nmt.model.build import build_model
from nmt.model.compute import Compute
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder
from nmt.model.weights import attention_weights, listening
from nmt.native.compiler import lacks_bytes
from nmt.search.beam import beam_search
from nmt.search.config import SearchConfig
from nmt.search.coverage import CoverageScorer, whole_penalty
from nmt.search.forced import force
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.search.scorer import ModelScorer, Source

VOCAB = 11
ENDS = Ends(1, 2)
LIMITS = [7, 4, 9]
COMPUTE = Compute(torch.device("cpu"), torch.float32)
CONFIG = SearchConfig(beam=4, nbest=4, length_alpha=0.6)

SMALL = ModelConfig(
    encoder_layers=1, decoder_layers=2, model_size=8, ffn_size=12, num_heads=2, max_length=12
)
MODELS = {
    "transformer": SMALL,
    "shared layers": replace(SMALL, decoder_distinct=1),
    "recurrent": ModelConfig(
        arch="rnn", encoder_layers=1, decoder_layers=2, model_size=8, num_heads=1, max_length=12
    ),
}


def make(config: ModelConfig, cross: str = "multi-head") -> EncoderDecoder:
    torch.manual_seed(1)
    sections = AttentionSections(cross=AttentionConfig(variant=cross))
    built = build_model(config, sections, VOCAB, VOCAB)
    for weight in built.parameters():
        weight.data += 0.4 * torch.randn_like(weight)
    return built.eval()


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> EncoderDecoder:
    return make(MODELS[request.param])


@pytest.fixture
def source() -> Source:
    ids = torch.randint(VOCAB, (3, 6), generator=torch.Generator().manual_seed(2))
    return Source(ids, torch.tensor([6, 2, 4]))


def one(source: Source, row: int) -> Source:
    """Take one sentence out of a batch, without its padding."""
    length = source.lengths[row : row + 1]
    return Source(source.ids[row : row + 1, : int(length)], length)


def penalty(model: EncoderDecoder, alone: Source, hypothesis: Hypothesis) -> float:
    """Compute by a full pass what equation 14 of the paper says, with a weight of 1."""
    ids = torch.tensor([[ENDS.start, *hypothesis.ids]])
    target = ids, torch.tensor([ids.size(1)])
    heard = attention_weights(model, (alone.ids, alone.lengths), target).values()
    weights = [each.weights for each in heard if each.role == "cross"]
    mean = torch.stack([each for each in weights if each is not None]).mean((0, 2))  # (1, T, S)
    return float(mean.sum(1).clamp(1e-6, 1.0).log().sum())


def test_a_score_holds_the_penalty_of_what_was_not_looked_at(
    model: EncoderDecoder, source: Source
) -> None:
    scorer = CoverageScorer(ModelScorer(model, COMPUTE), 0.3)
    sizes = set()
    for row, found in enumerate(beam_search(scorer, source, ENDS, LIMITS, CONFIG)):
        assert len(found) == 4
        for each in found:
            lost = penalty(model, one(source, row), each)
            base = CONFIG.score(each.log_prob, len(each.ids) + 1)
            assert each.score == pytest.approx(base + 0.3 * lost, abs=1e-4)
            sizes.add(lost)
        assert [each.score for each in found] == sorted((e.score for e in found), reverse=True)
    assert min(sizes) < -0.1, "something was not looked at"


def test_a_whole_target_is_penalised_as_it_was_step_by_step(
    model: EncoderDecoder, source: Source
) -> None:
    scorer = ModelScorer(model, COMPUTE)
    covering = CoverageScorer(scorer, 0.3)
    for row, found in enumerate(beam_search(covering, source, ENDS, LIMITS, CONFIG)):
        for each in found:
            (read,) = force(scorer, one(source, row), [each.ids], ENDS, need_weights=True)
            base = CONFIG.score(each.log_prob, len(each.ids) + 1)
            assert each.score == pytest.approx(base + whole_penalty(read.weights, 0.3), abs=1e-4)
    with pytest.raises(ConfigError, match=r"^search.coverage_beta = 0.3 needs weights of"):
        whole_penalty((None, None), 0.3)


def test_without_weight_coverage_changes_nothing(model: EncoderDecoder, source: Source) -> None:
    scorer = ModelScorer(model, COMPUTE)
    expected = beam_search(scorer, source, ENDS, LIMITS, CONFIG)
    found = beam_search(CoverageScorer(scorer, 0.0), source, ENDS, LIMITS, CONFIG)
    for mine, theirs in zip(chain(*found), chain(*expected), strict=True):
        assert mine.ids == theirs.ids
        assert mine.score == pytest.approx(theirs.score, abs=1e-4)


@pytest.mark.parametrize("stop", ["beam", "bound"])
def test_a_batch_is_covered_as_its_sentences_are_alone(
    model: EncoderDecoder, source: Source, stop: str
) -> None:
    scorer = CoverageScorer(ModelScorer(model, COMPUTE), 0.3)
    config = replace(CONFIG, stop=stop)
    together = beam_search(scorer, source, ENDS, LIMITS, config)
    for row, limit in enumerate(LIMITS):
        (alone,) = beam_search(scorer, one(source, row), ENDS, [limit], config)
        assert [each.ids for each in together[row]] == [each.ids for each in alone]
        for mine, expected in zip(together[row], alone, strict=True):
            assert mine.score == pytest.approx(expected.score, abs=1e-4)


@pytest.mark.skipif(bool(lacks_bytes()), reason=lacks_bytes())
def test_what_is_rounded_is_listened_to(source: Source) -> None:
    compute = replace(COMPUTE, int8=True)
    found, expected = (
        beam_search(
            CoverageScorer(ModelScorer(make(SMALL), each), 0.3), source, ENDS, LIMITS, CONFIG
        )
        for each in (compute, COMPUTE)
    )
    best = [[each[0].score for each in one] for one in (found, expected)]
    assert best[0] == pytest.approx(best[1], abs=0.2)
    assert best[0] != best[1]


def test_nothing_listens_when_a_step_is_over(source: Source) -> None:
    model = make(SMALL)
    scorer = CoverageScorer(ModelScorer(model, COMPUTE), 0.3)
    beam_search(scorer, source, ENDS, LIMITS, CONFIG)
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in model.modules())
    with listening(model) as heard:
        beam_search(ModelScorer(model, COMPUTE).of_modules(), source, ENDS, [1, 1, 1], CONFIG)
    assert [each.shape for each in heard] == [(3, 4, 6), (3, 4, 6)]  # one step, two layers


def test_a_model_without_weights_of_attention_cannot_be_covered(source: Source) -> None:
    scorer = CoverageScorer(ModelScorer(make(SMALL, cross="linear"), COMPUTE), 0.3)
    with pytest.raises(ConfigError, match=r"^search.coverage_beta = 0.3 needs weights of .*none$"):
        beam_search(scorer, source, ENDS, LIMITS, CONFIG)
