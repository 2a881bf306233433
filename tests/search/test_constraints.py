"""However it is searched, a translation holds what it must and nothing that it must not."""

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from nmt.search.config import SearchConfig
from nmt.search.constraints import Constrained, in_turn
from nmt.search.ensemble import EnsembleScorer
from nmt.search.find import Wanted, find
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.search.rules import Past
from nmt.search.scorer import Source
from nmt.text.demand import NEVER, Demand, Vocabulary
from nmt.text.phrases import Phrases

START, END = 0, 3
ENDS = Ends(START, END)
SURFACES = (None, "a", "b", None, " a", "ab")
VOCABULARY = Vocabulary(SURFACES, END)
PHRASES = ["a", "b", "ab", "ba", "a a", "aa", "b ab", "abb"]

MakeScorer = Callable[..., Any]
MakeSource = Callable[..., Source]

SEARCHES: dict[str, dict[str, Any]] = {
    "greedy": {"beam": 1},
    "narrow": {"beam": 2, "nbest": 2},
    "beam": {"beam": 6, "nbest": 6},
    "bound": {"beam": 4, "nbest": 2, "stop": "bound"},
    "groups": {"beam": 4, "nbest": 4, "groups": 2},
    "repeat": {"beam": 4, "nbest": 4, "no_repeat_ngram": 1},
    "sample": {"beam": 1, "nbest": 4, "method": "sample"},
    "cut": {"beam": 1, "nbest": 3, "method": "sample", "top_k": 1, "no_repeat_ngram": 1},
}


@pytest.fixture(params=SEARCHES)
def config(request: pytest.FixtureRequest) -> SearchConfig:
    """Each way to search."""
    return SearchConfig(**SEARCHES[request.param])


def text_of(ids: Sequence[int]) -> str:
    return "".join(SURFACES[id_] or "" for id_ in ids)


def demand(phrases: Phrases) -> Demand:
    usual = [id_ for id_, each in enumerate(SURFACES) if each and each in "".join(phrases.must)]
    return Demand(phrases, VOCABULARY, usual)


def random_phrases(generator: random.Random) -> Phrases:
    some = generator.sample(PHRASES, k=3)
    cut = generator.randint(0, 3)
    return Phrases(tuple(some[:cut]), tuple(some[cut:]), generator.random() < 0.5)


def search(
    scorer: Any, source: Source, config: SearchConfig, wanted: Wanted
) -> list[list[Hypothesis]]:
    return find(scorer, source, ENDS, wanted, config)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("extra", [0, 1, 5])
@pytest.mark.parametrize("seed", range(10))
def test_every_translation_satisfies_its_demand(
    make_scorer: MakeScorer, sentences: MakeSource, config: SearchConfig, seed: int, extra: int
) -> None:
    generator, scorer = random.Random(seed), make_scorer(seed, vocab_size=6)
    phrases = [random_phrases(generator) for _ in range(3)]
    demands = [demand(each) for each in phrases]
    possible = [n for n, each in enumerate(demands) if each.left(0) < NEVER]
    limits = [demands[number].left(0) + extra for number in possible]
    mine = [demands[number] for number in possible]
    wanted = Wanted(limits, lines=possible, demands=mine)
    found = search(scorer, sentences(*possible), config, wanted)
    for number, limit, hypotheses in zip(possible, limits, found, strict=True):
        assert hypotheses
        for each in hypotheses:
            assert len(each.ids) < limit
            assert not phrases[number].broken_by(text_of(each.ids)), (phrases[number], each)
            total = scorer.forced(number, START, each.ids, END)
            assert each.log_prob == pytest.approx(total, abs=1e-9)


def exhaustive(scorer: Any, sentence: int, limit: int, phrases: Phrases) -> list[Hypothesis]:
    """Score all translations that keep to phrases, best first."""
    words, found = [id_ for id_ in range(len(SURFACES)) if id_ != END], []
    for length in range(limit):
        for ids in itertools.product(words, repeat=length):
            if not phrases.broken_by(text_of(ids)):
                total = scorer.forced(sentence, START, ids, END)
                found.append(Hypothesis(ids, total, total / (length + 1)))
    return sorted(found, key=lambda each: -each.score)


@pytest.mark.parametrize("stop", ["beam", "bound"])
@pytest.mark.parametrize("seed", range(15))
def test_a_wide_beam_is_exhaustive_search_under_constraints(
    make_scorer: MakeScorer, sentences: MakeSource, seed: int, stop: str
) -> None:
    scorer, generator = make_scorer(seed, vocab_size=6), random.Random(seed)
    phrases = [random_phrases(generator) for _ in range(3)]
    demands = [demand(each) for each in phrases]
    possible = [n for n, each in enumerate(demands) if each.left(0) <= 4]
    wanted = Wanted([4] * len(possible), demands=[demands[number] for number in possible])
    config = SearchConfig(beam=160, nbest=156, stop=stop)  # 156 = 1 + 5 + 25 + 125
    found = search(scorer, sentences(*possible), config, wanted)
    for number, hypotheses in zip(possible, found, strict=True):
        expected = exhaustive(scorer, number, 4, phrases[number])
        assert expected
        assert [each.ids for each in hypotheses] == [each.ids for each in expected]
        for mine, theirs in zip(hypotheses, expected, strict=True):
            assert mine.score == pytest.approx(theirs.score, abs=1e-9)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("grain", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_sentences_without_demand_are_searched_as_ever(
    make_scorer: MakeScorer, sentences: MakeSource, config: SearchConfig, seed: int, grain: float
) -> None:
    scorer, limits = make_scorer(seed, vocab_size=6, grain=grain), [7, 5, 9]
    source = sentences(0, 1, 2)
    plain = search(scorer, source, config, Wanted(limits, lines=[1, 2, 3]))
    none = Wanted(limits, lines=[1, 2, 3], demands=[None, None, None])
    assert search(scorer, source, config, none) == plain
    rare = demand(Phrases(("aa",), ("ba",), whole_words=False))
    for other in (rare, demand(Phrases((), ("a a a a a b",)))):
        mixed = Wanted(limits, lines=[1, 2, 3], demands=[None, other, None])
        found = search(scorer, source, config, mixed)
        assert (found[0], found[2]) == (plain[0], plain[2])
    assert found == plain  # nothing was found that the last demand forbids


@pytest.mark.parametrize("seed", range(6))
def test_a_demand_begins_where_a_prefix_ends(
    make_scorer: MakeScorer, sentences: MakeSource, config: SearchConfig, seed: int
) -> None:
    scorer, phrases = (
        make_scorer(seed, vocab_size=6),
        Phrases(("b", "a a"), ("ba",), whole_words=False),
    )
    prefixes, mine = [[2, 4], [], [1]], demand(phrases)
    wanted = Wanted([7, 6, 8], prefixes, lines=[1, 2, 3], demands=[mine] * 3)
    for prefix, hypotheses in zip(
        prefixes, search(scorer, sentences(0, 1, 2), config, wanted), strict=True
    ):
        assert hypotheses
        for each in hypotheses:
            assert list(each.ids[: len(prefix)]) == prefix
            assert not phrases.broken_by(text_of(each.ids))


def test_ensembles_obey_too(
    make_scorer: MakeScorer, sentences: MakeSource, config: SearchConfig
) -> None:
    both = EnsembleScorer(
        [make_scorer(1, vocab_size=6), make_scorer(2, vocab_size=6)], (1, 2), "log"
    )
    phrases = Phrases(("ab", "a a"), ("ba",))
    wanted = Wanted([6, 9], lines=[1, 2], demands=[demand(phrases)] * 2)
    for hypotheses in search(both, sentences(0, 1), config, wanted):
        assert hypotheses
        assert not any(phrases.broken_by(text_of(each.ids)) for each in hypotheses)


def test_a_phrase_that_is_likely_nowhere_finds_its_best_place(
    make_scorer: MakeScorer, sentences: MakeSource
) -> None:
    """A beam that only forces at the limit, or at once, finds something worse."""
    phrases, better = Phrases(("abb",), whole_words=False), 0
    for seed in range(20):
        scorer = make_scorer(seed, vocab_size=6)
        scorer.table[..., 2] -= 2.0
        wanted = Wanted([9], demands=[demand(phrases)])
        narrow, wide = (
            search(scorer, sentences(0), SearchConfig(beam=beam), wanted)[0][0].score
            for beam in (1, 8)
        )
        better += wide > narrow
    assert better >= 10


def test_banks_take_turns_and_the_nearest_comes_first() -> None:
    scores = torch.tensor([[-1.0, -2.0, -9.0, -3.0, -8.0, -torch.inf, -2.0]])
    banks = torch.tensor([[4, 4, 2, 4, 2, 1, 3]])
    possible, index = in_turn(scores, banks, 7)
    assert index[possible].tolist() == [4, 6, 0, 2, 1, 3]
    assert possible.tolist() == [[True] * 6 + [False]]
    assert in_turn(scores, banks, 2)[1].tolist() == [[4, 6]]
    assert not bool(in_turn(torch.full_like(scores, -torch.inf), banks, 3)[0].any())


def test_only_what_leaves_time_is_allowed() -> None:
    rule = Constrained([demand(Phrases(("abb",), whole_words=False))], [5], torch.device("cpu"))
    past = Past(torch.tensor([[[5, 1], [1, 2], [5, 2]]]), torch.tensor([0]))
    banned = torch.zeros((1, 3, 6), dtype=torch.bool)
    allowed = [
        [id_ for id_, no in enumerate(row) if not no] for row in rule(banned, past)[0].tolist()
    ]
    # Three ids are left: after `aba` come b, b and the end; one more may stand in `ab`,
    # if it leaves no trace or begins anew; `abb` may end or go on.
    assert allowed == [[2, 5], [0, 2, 5], [0, 1, 2, 3, 4, 5]]
