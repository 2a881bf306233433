"""Beam search against searches that are obvious, over tables instead of models."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from nmt.search.beam import Ends, Hypothesis, beam_search
from nmt.search.config import SearchConfig
from nmt.search.scorer import Source

START, END = 0, 3
ENDS = Ends(START, END)

MakeScorer = Callable[..., Any]
MakeSource = Callable[..., Source]


def greedy(scorer: Any, sentence: int, limit: int) -> tuple[int, ...]:
    """Take the best id, again and again."""
    history = [START]
    while len(history) < limit:
        following = scorer.after(sentence, history)
        best = following.index(max(following))
        if best == END:
            break
        history.append(best)
    return tuple(history[1:])


def exhaustive(scorer: Any, sentence: int, limit: int, alpha: float) -> list[Hypothesis]:
    """Score every translation that the limit allows, best first."""
    words = [id_ for id_ in range(scorer.table.size(-1)) if id_ != END]
    found = []
    for length in range(limit):
        for ids in itertools.product(words, repeat=length):
            total = scorer.forced(sentence, START, ids, END)
            found.append(Hypothesis(ids, total, total / (length + 1) ** alpha))
    return sorted(found, key=lambda hypothesis: -hypothesis.score)


def slow(scorer: Any, sentence: int, limit: int, config: SearchConfig) -> list[Hypothesis]:
    """Search by a beam, one hypothesis at a time."""
    live, done = [(0.0, (START,))], list[Hypothesis]()
    for length in range(1, limit + 1):
        ranked = sorted(
            (-total - log_prob, row, id_)
            for row, (total, history) in enumerate(live)
            for id_, log_prob in enumerate(scorer.after(sentence, history))
            if log_prob > -float("inf") and (id_ == END or length < limit)
        )[: 2 * config.beam]
        for cost, row, id_ in ranked[: config.beam]:
            if id_ == END and len(done) < config.beam:
                score = -cost / length**config.length_alpha
                done.append(Hypothesis(live[row][1][1:], -cost, score))
        live = [(-cost, (*live[row][1], id_)) for cost, row, id_ in ranked if id_ != END]
        live = live[: config.beam]
        if len(done) >= config.beam:
            break
    return sorted(done, key=lambda hypothesis: -hypothesis.score)[: config.nbest]


def check_same(found: Sequence[Hypothesis], expected: Sequence[Hypothesis]) -> None:
    assert [each.ids for each in found] == [each.ids for each in expected]
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.log_prob == pytest.approx(theirs.log_prob, abs=1e-9)
        assert mine.score == pytest.approx(theirs.score, abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_a_beam_of_one_is_a_greedy_loop(
    make_scorer: MakeScorer, sentences: MakeSource, seed: int
) -> None:
    scorer, limits = make_scorer(seed), [6, 3, 9]
    found = beam_search(scorer, sentences(0, 1, 2), ENDS, limits, SearchConfig(beam=1))
    for sentence, limit in enumerate(limits):
        ((best,),) = (found[sentence],)
        assert best.ids == greedy(scorer, sentence, limit)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_is_exhaustive_search(
    make_scorer: MakeScorer, sentences: MakeSource, seed: int, alpha: float
) -> None:
    scorer = make_scorer(seed, vocab_size=4)
    config = SearchConfig(beam=40, nbest=40, length_alpha=alpha)  # 40 = 1 + 3 + 9 + 27
    (found,) = beam_search(scorer, sentences(1), ENDS, [4], config)
    check_same(found, exhaustive(scorer, 1, 4, alpha))


@pytest.mark.parametrize("beam", [1, 2, 3, 5])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("grain", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_beam_is_a_slow_beam_with_ties_to_the_lower_row_then_the_lower_id(
    make_scorer: MakeScorer,
    sentences: MakeSource,
    beam: int,
    alpha: float,
    grain: float,
    seed: int,
) -> None:
    scorer, limits = make_scorer(seed, grain=grain), [7, 1, 4]
    config = SearchConfig(beam=beam, nbest=beam, length_alpha=alpha)
    found = beam_search(scorer, sentences(0, 1, 2), ENDS, limits, config)
    for sentence, limit in enumerate(limits):
        check_same(found[sentence], slow(scorer, sentence, limit, config))


def test_ties_in_a_flat_table_go_to_the_lower_row_then_the_lower_id(
    make_scorer: MakeScorer, sentences: MakeSource
) -> None:
    scorer = make_scorer(1, vocab_size=4)
    scorer.table.fill_(-1.0)
    config = SearchConfig(beam=3, nbest=3, length_alpha=0.0)
    (found,) = beam_search(scorer, sentences(0), ENDS, [3], config)
    # Of ids 0, 1, 2, 3 and a beam of 3, the end ranks fourth until the limit forces it.
    assert [each.ids for each in found] == [(0, 0), (0, 1), (0, 2)]
    (found,) = beam_search(scorer, sentences(0), Ends(3, 0), [3], config)
    assert [each.ids for each in found] == [(), (1,), (1, 1)]


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("seed", range(4))
def test_a_sentence_is_translated_alike_whatever_stands_beside_it(
    make_scorer: MakeScorer, sentences: MakeSource, beam: int, seed: int
) -> None:
    scorer = make_scorer(seed, grain=0.5)
    config = SearchConfig(beam=beam, nbest=beam)
    order, limits = [2, 0, 1, 0, 2], [5, 2, 8, 6, 1]
    together = beam_search(scorer, sentences(*order), ENDS, limits, config)
    for sentence, limit, found in zip(order, limits, together, strict=True):
        assert [found] == beam_search(scorer, sentences(sentence), ENDS, [limit], config)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_hypothesis_says_what_forced_scoring_says(
    make_scorer: MakeScorer, sentences: MakeSource, seed: int, alpha: float
) -> None:
    scorer, limits = make_scorer(seed), [6, 3, 9]
    config = SearchConfig(beam=4, nbest=4, length_alpha=alpha)
    for sentence, found in enumerate(beam_search(scorer, sentences(0, 1, 2), ENDS, limits, config)):
        for each in found:
            total = scorer.forced(sentence, START, each.ids, END)
            assert each.log_prob == pytest.approx(total, abs=1e-9)
            assert each.score == pytest.approx(total / (len(each.ids) + 1) ** alpha, abs=1e-9)
            assert END not in each.ids
            assert len(each.ids) + 1 <= limits[sentence]


@pytest.mark.parametrize("seed", range(4))
def test_the_n_best_are_sorted_distinct_and_begin_alike(
    make_scorer: MakeScorer, sentences: MakeSource, seed: int
) -> None:
    scorer = make_scorer(seed)
    everything = {}
    for nbest in (1, 3, 6):
        config = SearchConfig(beam=6, nbest=nbest)
        (found,) = beam_search(scorer, sentences(2), ENDS, [7], config)
        assert len(found) == nbest
        assert len({each.ids for each in found}) == nbest
        assert [each.score for each in found] == sorted((e.score for e in found), reverse=True)
        everything[nbest] = found
    assert everything[1] == everything[6][:1]
    assert everything[3] == everything[6][:3]


def test_a_limit_of_one_leaves_room_for_the_end_alone(
    make_scorer: MakeScorer, sentences: MakeSource
) -> None:
    scorer = make_scorer(1)
    (found,) = beam_search(scorer, sentences(0), ENDS, [1], SearchConfig(beam=3, nbest=3))
    assert [each.ids for each in found] == [()]
    assert found[0].log_prob == pytest.approx(scorer.after(0, [START])[END])


def test_sentences_leave_the_batch_when_they_are_done(
    make_scorer: MakeScorer, sentences: MakeSource
) -> None:
    scorer = make_scorer(1)
    scorer.table[..., END] = -50.0
    beam_search(scorer, sentences(0, 1, 2), ENDS, [2, 5, 3], SearchConfig(beam=2))
    assert scorer.batch_sizes == [3, 3, 2, 1, 1]


def test_a_sentence_is_done_when_a_beam_of_hypotheses_has_ended(
    make_scorer: MakeScorer, sentences: MakeSource
) -> None:
    scorer = make_scorer(1)
    scorer.table[..., END] = 0.0
    beam_search(scorer, sentences(0), ENDS, [50], SearchConfig(beam=1))
    assert scorer.batch_sizes == [1]
    scorer.table[0, :, END] = -50.0
    beam_search(scorer, sentences(0, 1), ENDS, [6, 50], SearchConfig(beam=2))
    assert scorer.batch_sizes == [2, 2, 1, 1, 1, 1]


def test_a_sentence_that_cannot_go_on_has_what_it_has(
    make_scorer: MakeScorer, sentences: MakeSource
) -> None:
    scorer = make_scorer(1)
    scorer.table[0] = -float("inf")
    scorer.table[1, :, [1, 2, 4, START]] = -float("inf")
    none, one, _ = beam_search(scorer, sentences(0, 1, 2), ENDS, [5, 5, 5], SearchConfig(beam=2))
    assert scorer.batch_sizes[1] == 1
    assert none == []
    assert [each.ids for each in one] == [()]


def test_no_sentences_have_no_translations(make_scorer: MakeScorer, sentences: MakeSource) -> None:
    assert beam_search(make_scorer(1), sentences(), ENDS, [], SearchConfig()) == []
