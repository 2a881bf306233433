"""An ensemble against its members, and against averages computed anew for every history."""

import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import pytest
import torch

from nmt.attention.config import AttentionConfig, AttentionSections
from nmt.model.build import build_model
from nmt.model.compute import Compute
from nmt.model.config import ModelConfig
from nmt.search.config import SPACES, SearchConfig
from nmt.search.coverage import CoverageScorer
from nmt.search.ensemble import EnsembleScorer, Readings
from nmt.search.find import Wanted, find
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.search.scorer import ModelScorer, Source

START, END = 0, 3
ENDS = Ends(START, END)
LIMITS = [7, 3, 9]
COMPUTE = Compute(torch.device("cpu"), torch.float32)
SIZE = 11

MakeScorer = Callable[..., Any]
MakeSource = Callable[..., Source]

SEARCHES = {
    "greedy": {"beam": 1},
    "beam": {"beam": 4, "nbest": 4},
    "bound": {"beam": 4, "nbest": 2, "stop": "bound"},
    "groups": {"beam": 4, "nbest": 4, "groups": 2},
    "rules": {"beam": 3, "nbest": 3, "no_repeat_ngram": 2},
    "sample": {"beam": 1, "nbest": 4, "method": "sample"},
}
KINDS: dict[str, dict[str, Any]] = {
    "small": {"model_size": 8, "num_heads": 2, "ffn_size": 12},
    "wide": {"model_size": 16, "num_heads": 4, "ffn_size": 12, "decoder_layers": 2},
    "recurrent": {"arch": "rnn", "model_size": 8},
}


@pytest.fixture(params=SEARCHES)
def config(request: pytest.FixtureRequest) -> SearchConfig:
    """Each way to search."""
    return SearchConfig(**SEARCHES[request.param])


def model_scorer(kind: str, seed: int, source_size: int = SIZE) -> ModelScorer:
    """Make a model that is far from uniform."""
    shape = {"encoder_layers": 1, "decoder_layers": 1, "max_length": 16}
    config = ModelConfig(**{**shape, **KINDS[kind], "tie": "none"})
    attention = AttentionSections()
    if kind == "wide":
        alibi = AttentionConfig(variant="alibi")
        attention = AttentionSections(encoder=alibi, decoder=alibi)
    torch.manual_seed(seed)
    model = build_model(config, attention, source_size, SIZE).eval()
    for weight in model.parameters():
        weight.data += 0.7 * torch.randn_like(weight)
    return ModelScorer(model, COMPUTE)


def sources(size: int = SIZE) -> Source:
    ids = torch.randint(0, size, (3, 6), generator=torch.Generator().manual_seed(3))
    return Source(ids, torch.tensor([6, 2, 4]))


def search(scorer: Any, source: Source, config: SearchConfig, **more: Any) -> Any:
    return find(scorer, source, ENDS, Wanted(LIMITS, lines=[1, 2, 3], **more), config)


def same(found: Sequence[Sequence[Hypothesis]], expected: Sequence[Sequence[Hypothesis]]) -> None:
    assert [[each.ids for each in one] for one in found] == [
        [each.ids for each in one] for one in expected
    ]
    for mine, theirs in zip(chain(*found), chain(*expected), strict=True):
        assert mine.log_prob == pytest.approx(theirs.log_prob, abs=1e-5)
        assert mine.score == pytest.approx(theirs.score, abs=1e-5)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_with_itself_is_that_model_bit_for_bit(
    config: SearchConfig, kind: str, space: str
) -> None:
    alone, source = model_scorer(kind, 1), sources()
    expected = search(alone, source, config)
    for weights in ((0.5, 0.5), (3.0, 1.0), (0.1, 0.2, 0.7)):
        many = EnsembleScorer([alone] * len(weights), weights, space)
        assert search(many, source, config) == expected


@pytest.mark.parametrize("space", SPACES)
def test_what_has_no_weight_has_no_say_and_is_not_asked(config: SearchConfig, space: str) -> None:
    first, second, source = model_scorer("small", 1), model_scorer("wide", 2), sources()
    one, two = search(first, source, config), search(second, source, config)
    assert one != two
    assert search(EnsembleScorer([first, second], (1, 0), space), source, config) == one
    assert search(EnsembleScorer([first, second], (0, 5), space), source, config) == two
    none: Any = object()
    assert search(EnsembleScorer([none, second], (0.0, 1.0), space), source, config) == two


@pytest.mark.sampled(3)
@pytest.mark.parametrize("space", SPACES)
def test_the_order_of_models_does_not_matter(config: SearchConfig, space: str) -> None:
    three = [model_scorer(kind, seed) for seed, kind in enumerate(KINDS)]
    source, weights = sources(), [0.5, 0.2, 0.3]
    found = search(EnsembleScorer(three, weights, space), source, config)
    same(search(EnsembleScorer(three[::-1], weights[::-1], space), source, config), found)
    assert all(found != search(each, source, config) for each in three)


class Averaged:
    """The slow way: every history is looked up in all tables, whatever came before."""

    def __init__(self, tables: Sequence[Any], weights: Sequence[float], space: str) -> None:
        self.tables, self.weights, self.space = tables, weights, space

    def after(self, sentence: int, history: Sequence[int]) -> list[float]:
        rows = [each.after(sentence, history) for each in self.tables]
        columns = list(zip(*rows, strict=True))
        pairs = [list(zip(self.weights, column, strict=True)) for column in columns]
        if self.space == "log":
            return [sum(w * p for w, p in each) for each in pairs]
        return [math.log(sum(w * math.exp(p) for w, p in each)) for each in pairs]

    def forced(self, sentence: int, ids: Sequence[int]) -> float:
        history, following = [START, *ids], [*ids, END]
        return sum(
            self.after(sentence, history[: place + 1])[id_] for place, id_ in enumerate(following)
        )


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("seed", range(4))
def test_a_hypothesis_scores_what_full_recomputation_gives(
    make_scorer: MakeScorer, sentences: MakeSource, config: SearchConfig, space: str, seed: int
) -> None:
    tables, weights = [make_scorer(3 * seed + number) for number in range(3)], [0.5, 0.2, 0.3]
    slow = Averaged(tables, weights, space)
    found = search(EnsembleScorer(tables, weights, space), sentences(0, 1, 2), config)
    for sentence, hypotheses in enumerate(found):
        assert hypotheses
        for each in hypotheses:
            assert each.log_prob == pytest.approx(slow.forced(sentence, each.ids), abs=1e-9)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("seed", range(4))
def test_a_beam_of_one_is_a_greedy_loop_over_averages(
    make_scorer: MakeScorer, sentences: MakeSource, space: str, seed: int
) -> None:
    tables, weights = [make_scorer(2 * seed), make_scorer(2 * seed + 1)], [0.4, 0.6]
    slow = Averaged(tables, weights, space)
    ensemble = EnsembleScorer(tables, weights, space)
    found = search(ensemble, sentences(0, 1, 2), SearchConfig(beam=1))
    for sentence, limit in enumerate(LIMITS):
        history = [START]
        while len(history) < limit:
            following = slow.after(sentence, history)
            if (best := following.index(max(following))) == END:
                break
            history.append(best)
        assert found[sentence][0].ids == tuple(history[1:])


@pytest.mark.parametrize("space", SPACES)
def test_ensembles_begin_as_they_must(config: SearchConfig, space: str) -> None:
    both = EnsembleScorer([model_scorer("small", 1), model_scorer("recurrent", 2)], (1, 1), space)
    found = search(both, sources(), config, prefixes=[[5, 6], [], [7]])
    assert all(each.ids[:2] == (5, 6) for each in found[0])
    assert all(each.ids[:1] == (7,) for each in found[2])


@pytest.mark.parametrize("space", SPACES)
def test_each_model_reads_the_source_in_its_own_way(config: SearchConfig, space: str) -> None:
    first, second = model_scorer("small", 1), model_scorer("recurrent", 2, source_size=5)
    mine, theirs = sources(), sources(5)
    readings = Readings(mine.ids, mine.lengths, (mine, theirs))
    pair = [first, second]
    for weights, expected in (((1, 0), (first, mine)), ((0, 1), (second, theirs))):
        found = search(EnsembleScorer(pair, weights, space), readings, config)
        assert found == search(*expected, config)
    both = search(EnsembleScorer(pair, (1, 1), space), readings, config)
    turned = Readings(theirs.ids, theirs.lengths, (theirs, mine))
    same(search(EnsembleScorer(pair[::-1], (1, 1), space), turned, config), both)


@pytest.mark.parametrize("space", SPACES)
def test_coverage_is_the_mean_of_the_models(space: str) -> None:
    config, source = SearchConfig(beam=3, nbest=3, coverage_beta=0.3), sources()
    alone = CoverageScorer(model_scorer("small", 1), 0.3)
    same(search(EnsembleScorer([alone, alone], (1, 1), space), source, config),
         search(alone, source, config))  # fmt: skip
    other = CoverageScorer(model_scorer("wide", 2), 0.3)
    both = search(EnsembleScorer([alone, other], (1, 3), space), source, config)
    for each in chain(*both):
        assert each.score <= config.score(each.log_prob, len(each.ids) + 1)


def test_probabilities_average_to_probabilities() -> None:
    pair = [model_scorer("small", 1), model_scorer("wide", 2)]
    for space, most in (("prob", 1 + 1e-5), ("log", 0.999)):
        scorer = EnsembleScorer(pair, (1, 1), space)
        state = scorer.start(sources(), 2, 5)
        ids = torch.zeros((3, 2), dtype=torch.long)
        candidates, _ = scorer.step(state, ids, ids)
        log_probs = candidates.log_probs()
        assert log_probs.dtype == torch.float32
        assert bool((log_probs.exp().sum(-1) <= most).all())
        best, order = candidates.top(SIZE + 5)
        assert torch.equal(log_probs.gather(-1, order), best)
