"""What rules forbid does not happen, and what they force does, in every search."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from nmt.search.config import SearchConfig
from nmt.search.find import Wanted, find
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.search.rules import NoRepeat, Past, Prefix, RuledScorer
from nmt.search.scorer import Source

START, END = 0, 3
ENDS = Ends(START, END)
LIMITS = [9, 2, 12]

MakeScorer = Callable[..., Any]
MakeSource = Callable[..., Source]

SEARCHES = {
    "greedy": {"beam": 1},
    "beam": {"beam": 4, "nbest": 4},
    "bound": {"beam": 4, "nbest": 2, "stop": "bound"},
    "groups": {"beam": 4, "nbest": 4, "groups": 2},
    "sample": {"beam": 1, "nbest": 4, "method": "sample"},
}


@pytest.fixture(params=SEARCHES)
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each way to search."""
    return SEARCHES[request.param]


def wanted(prefixes: Sequence[Sequence[int]] = ()) -> Wanted:
    return Wanted(LIMITS, prefixes, lines=[1, 2, 3])


def grams(ids: Sequence[int], size: int) -> list[tuple[int, ...]]:
    return [tuple(ids[place : place + size]) for place in range(len(ids) - size + 1)]


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_no_ids_in_a_row_stand_twice(
    make_scorer: MakeScorer, sentences: MakeSource, settings: dict[str, Any], size: int, seed: int
) -> None:
    scorer = make_scorer(seed, vocab_size=4)
    scorer.table[..., END] -= 3.0
    source, config = sentences(0, 1, 2), SearchConfig(no_repeat_ngram=size, **settings)
    found = find(scorer, source, ENDS, wanted(), config)
    if size < 3:  # without the rule, what is found repeats
        assert find(scorer, source, ENDS, wanted(), SearchConfig(**settings)) != found
    for sentence, hypotheses in enumerate(found):
        assert hypotheses
        for each in hypotheses:
            assert len(set(grams(each.ids, size))) == len(grams(each.ids, size))
            total = scorer.forced(sentence, START, each.ids, END)
            assert each.log_prob == pytest.approx(total, abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_rows_too_long_to_repeat_change_nothing(
    make_scorer: MakeScorer, sentences: MakeSource, settings: dict[str, Any], seed: int
) -> None:
    scorer, source = make_scorer(seed, grain=0.5), sentences(0, 1, 2)
    rare = SearchConfig(no_repeat_ngram=max(LIMITS), **settings)
    plain = SearchConfig(**settings)
    expected = find(scorer, source, ENDS, wanted(), plain)
    assert find(scorer, source, ENDS, wanted(), rare) == expected


def test_what_would_repeat_is_banned_and_nothing_else() -> None:
    ids = torch.tensor([[[1, 2, 1], [1, 1, 1], [4, 2, 4]]])
    past = Past(ids, torch.tensor([0]))
    for size, expected in (
        (1, [{1, 2}, {1}, {2, 4}]),
        (2, [{2}, {1}, {2}]),
        (3, [set(), {1}, set()]),
    ):
        banned = NoRepeat(size)(torch.zeros(1, 3, 5, dtype=torch.bool), past)
        assert [set(row.nonzero().flatten().tolist()) for row in banned[0]] == expected
    before = torch.zeros(1, 3, 5, dtype=torch.bool)
    before[..., 0] = True
    assert NoRepeat(1)(before, past)[..., 0].all(), "what is banned already stays so"


@pytest.mark.parametrize("prefixes", [[[2], [1], [4, 4, 1]], [[], [1], [2, 2]], [[1], [], []]])
@pytest.mark.parametrize("seed", range(4))
def test_translations_begin_with_their_prefix(
    make_scorer: MakeScorer,
    sentences: MakeSource,
    settings: dict[str, Any],
    prefixes: list[list[int]],
    seed: int,
) -> None:
    scorer = make_scorer(seed)
    found = find(scorer, sentences(0, 1, 2), ENDS, wanted(prefixes), SearchConfig(**settings))
    for sentence, (prefix, hypotheses) in enumerate(zip(prefixes, found, strict=True)):
        assert hypotheses
        for each in hypotheses:
            assert each.ids[: len(prefix)] == tuple(prefix)
            total = scorer.forced(sentence, START, each.ids, END)
            assert each.log_prob == pytest.approx(total, abs=1e-5)


@pytest.mark.parametrize("method", [name for name in SEARCHES if name != "sample"])
@pytest.mark.parametrize("seed", range(4))
def test_after_its_prefix_a_search_is_one_that_begins_there(
    make_scorer: MakeScorer, sentences: MakeSource, method: str, seed: int
) -> None:
    """The table is shifted along by the prefix, and the search started in its middle."""
    scorer, prefix, limit = make_scorer(seed), [2, 4, 1], 6
    config = SearchConfig(length_alpha=0.0, **SEARCHES[method])
    (found,) = find(scorer, sentences(1), ENDS, Wanted([3 + limit], [prefix]), config)

    class Later(type(scorer)):  # type: ignore[misc]
        """Begins with the code of a prefix in place of the start's."""

        def start(self, source: Source, beam: int, limit: int) -> Any:
            state = super().start(source, beam, limit)
            for id_ in (START, *prefix[:-1]):
                state.codes.copy_((state.codes * self.table.size(-1) + id_ + 1) % 61)
            return state

    later = Later(scorer.table)
    ends = Ends(prefix[-1], END)
    (rest,) = find(later, sentences(1), ends, Wanted([limit]), config)
    lead = sum(scorer.after(1, [START, *prefix[:n]])[id_] for n, id_ in enumerate(prefix))
    assert [each.ids for each in found] == [(*prefix, *each.ids) for each in rest]
    for mine, theirs in zip(found, rest, strict=True):
        assert mine.log_prob == pytest.approx(theirs.log_prob + lead, abs=1e-9)


def test_a_prefix_has_the_last_word(make_scorer: MakeScorer, sentences: MakeSource) -> None:
    config = SearchConfig(no_repeat_ngram=1, beam=2)
    ((best,),) = find(make_scorer(1), sentences(0), ENDS, Wanted([9], [[2, 2, 2]]), config)
    assert best.ids[:3] == (2, 2, 2)
    assert 2 not in best.ids[3:]
    assert len(set(best.ids[3:])) == len(best.ids[3:])


@pytest.mark.parametrize("seed", range(4))
def test_with_rules_a_sentence_is_translated_alike_alone(
    make_scorer: MakeScorer, sentences: MakeSource, settings: dict[str, Any], seed: int
) -> None:
    scorer = make_scorer(seed, grain=0.5)
    scorer.table.clamp_(min=-9.0)
    config = SearchConfig(no_repeat_ngram=2, **settings)
    order, limits = [2, 0, 1, 0, 2], [5, 2, 8, 6, 3]
    prefixes, lines = [[1, 2], [], [4], [2, 2, 2], [1]], [11, 12, 13, 14, 15]
    together = find(scorer, sentences(*order), ENDS, Wanted(limits, prefixes, lines), config)
    for place, found in enumerate(together):
        alone = Wanted(limits[place : place + 1], prefixes[place : place + 1], [lines[place]])
        assert [found] == find(scorer, sentences(order[place]), ENDS, alone, config)
        assert found


def test_the_best_that_may_follow_are_those_of_all_log_probabilities(
    make_scorer: MakeScorer, sentences: MakeSource
) -> None:
    scorer = RuledScorer(make_scorer(1, grain=0.5), [Prefix([[1], [], [2]], torch.device("cpu"))])
    state = scorer.start(sentences(0, 1, 2), 1, 3)
    zeros = torch.zeros(3, 1, dtype=torch.long)
    candidates, _ = scorer.step(state, zeros, zeros)
    best, ids = candidates.top(3)
    expected, order = candidates.log_probs().sort(dim=-1, descending=True, stable=True)
    assert torch.equal(best, expected[..., :3])
    assert torch.equal(ids, order[..., :3])
    assert ids[0, 0, 0] == 1
    assert candidates.top(99)[1].shape == (3, 1, 5)


def test_hypotheses_of_no_sentences(make_scorer: MakeScorer, sentences: MakeSource) -> None:
    config = SearchConfig(method="sample", beam=1)
    assert find(make_scorer(1), sentences(), ENDS, Wanted([]), config) == list[list[Hypothesis]]()
