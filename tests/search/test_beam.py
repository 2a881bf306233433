"""Beam search against searches that are obvious, over tables instead of models."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.model.contract import Rows
from nmt.search.beam import beam_search
from nmt.search.config import SearchConfig
from nmt.search.hypothesis import Ends, Hypothesis
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
    """Search by a beam, one hypothesis at a time; `stop = "bound"` goes on to the limit."""
    live, done = [(0.0, (START,))], list[Hypothesis]()
    for length in range(1, limit + 1):
        ranked = sorted(
            (-total - log_prob, row, id_)
            for row, (total, history) in enumerate(live)
            for id_, log_prob in enumerate(scorer.after(sentence, history))
            if log_prob > -float("inf") and (id_ == END or length < limit)
        )[: 2 * config.beam]
        for cost, row, id_ in ranked[: config.beam]:
            if id_ == END and (len(done) < config.beam or config.stop == "bound"):
                score = config.score(-cost, length) + scorer.gain(sentence, live[row][1])
                done.append(Hypothesis(live[row][1][1:], -cost, score))
        live = [(-cost, (*live[row][1], id_)) for cost, row, id_ in ranked if id_ != END]
        live = hopeful(live[: config.beam], done, config)
        if len(done) >= config.beam and config.stop == "beam":
            break
    return sorted(done, key=lambda hypothesis: -hypothesis.score)[: config.nbest]


def hopeful(
    live: list[tuple[float, tuple[int, ...]]], done: list[Hypothesis], config: SearchConfig
) -> list[tuple[float, tuple[int, ...]]]:
    """Keep what lies no further below the best than pruning allows."""
    totals = [total for total, _ in live] + [each.log_prob for each in done]
    best = max(totals, default=0.0)
    return [each for each in live if not config.prune or each[0] >= best - config.prune]


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


@pytest.mark.parametrize(("groups", "stop"), [(1, "beam"), (1, "bound"), (2, "beam")])
@pytest.mark.parametrize("prune", [0.1, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_a_pruned_beam_is_a_slow_one(
    make_scorer: MakeScorer,
    sentences: MakeSource,
    groups: int,
    stop: str,
    prune: float,
    seed: int,
) -> None:
    scorer, limits = make_scorer(seed), [7, 1, 4]
    config = SearchConfig(beam=6, nbest=6, groups=groups, stop=stop, prune=prune)
    found = beam_search(scorer, sentences(0, 1, 2), ENDS, limits, config)
    whole = beam_search(scorer, sentences(0, 1, 2), ENDS, limits, replace(config, prune=1000.0))
    assert whole == beam_search(
        scorer, sentences(0, 1, 2), ENDS, limits, replace(config, prune=0.0)
    )
    assert found != whole
    for sentence, limit in enumerate(limits):
        by_hand = (
            slow(scorer, sentence, limit, config)
            if groups == 1
            else slow_groups(scorer, sentence, limit, config)
        )
        check_same(found[sentence], by_hand)


@pytest.mark.parametrize("prune", [0.0, 0.2])
def test_what_does_not_go_on_is_not_computed(
    make_scorer: MakeScorer,
    sentences: MakeSource,
    monkeypatch: pytest.MonkeyPatch,
    prune: float,
) -> None:
    scorer, asked = make_scorer(1), list[tuple[int, int]]()
    step = scorer.step

    def watched(state: Any, ids: Tensor, parents: Tensor, rows: Rows | None = None) -> Any:
        asked.append((ids.numel(), ids.numel() if rows is None else rows.count))
        return step(state, ids, parents)

    monkeypatch.setattr(scorer, "step", watched)
    config = SearchConfig(beam=5, prune=prune)
    beam_search(scorer, sentences(0, 1, 2), ENDS, [7, 7, 7], config)
    assert asked[0] == (15, 3)
    assert len(asked) > 2
    assert all((count < size) == bool(prune) for size, count in asked[1:])


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


@pytest.mark.parametrize("settings", [{}, {"length_penalty": "gnmt"}, {"length_alpha": -0.5}])
@pytest.mark.parametrize("stop", ["beam", "bound"])
@pytest.mark.parametrize("nbest", [1, 2, 4])
@pytest.mark.parametrize("seed", range(4))
def test_with_a_bonus_for_ending_both_stopping_rules_are_those_of_the_slow_beam(
    make_scorer: MakeScorer,
    sentences: MakeSource,
    settings: dict[str, Any],
    stop: str,
    nbest: int,
    seed: int,
) -> None:
    """To stop at the bound gives what never stopping before the limit gives."""
    scorer, limits = make_scorer(seed), [8, 1, 5]
    generator = torch.Generator().manual_seed(seed)
    scorer.ending = -torch.rand(scorer.table.shape[:2], generator=generator).double()
    config = SearchConfig(beam=4, nbest=nbest, stop=stop, **settings)
    found = beam_search(scorer, sentences(0, 1, 2), ENDS, limits, config)
    for sentence, limit in enumerate(limits):
        check_same(found[sentence], slow(scorer, sentence, limit, config))


def test_at_the_bound_a_search_stops_before_its_limit(
    make_scorer: MakeScorer, sentences: MakeSource
) -> None:
    scorer = make_scorer(1)
    scorer.table[..., END] = -0.1
    scorer.table[..., :END] = scorer.table[..., END + 1 :] = -5.5
    config = SearchConfig(beam=3, stop="bound", length_alpha=0.0)
    beam_search(scorer, sentences(0), ENDS, [50], config)
    assert scorer.batch_sizes == [1]
    # Log-probabilities only fall, so that what goes on can hope for -5.5 over 50, below -0.1.
    beam_search(scorer, sentences(0), ENDS, [50], replace(config, length_alpha=1.0))
    assert scorer.batch_sizes == [1]
    scorer.table[..., :END] = scorer.table[..., END + 1 :] = -1.0  # -1 over 50 is above -0.1
    beam_search(scorer, sentences(0), ENDS, [50], replace(config, length_alpha=1.0))
    assert 1 < len(scorer.batch_sizes) < 50


@pytest.mark.parametrize("stop", ["beam", "bound"])
@pytest.mark.parametrize("grain", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_groups_that_do_not_mind_each_other_are_one_narrow_beam(
    make_scorer: MakeScorer, sentences: MakeSource, stop: str, grain: float, seed: int
) -> None:
    scorer, limits, source = make_scorer(seed, grain=grain), [7, 1, 4], sentences(0, 1, 2)
    narrow = SearchConfig(beam=2, nbest=2, stop=stop)
    wide = SearchConfig(beam=6, nbest=2, groups=3, diversity=0.0, stop=stop)
    expected = beam_search(scorer, source, ENDS, limits, narrow)
    assert beam_search(scorer, source, ENDS, limits, wide) == expected


def slow_groups(scorer: Any, sentence: int, limit: int, config: SearchConfig) -> list[Hypothesis]:
    """Search by groups, one hypothesis at a time."""
    width = config.beam // config.groups
    live = [[(0.0, (START,))] for _ in range(config.groups)]
    done: list[list[Hypothesis]] = [[] for _ in live]
    for length in range(1, limit + 1):
        taken: dict[int, int] = {}
        for group in range(config.groups):
            if len(done[group]) >= width:
                live[group] = []
            ranked = sorted(
                (-(total + log_prob) + config.diversity * taken.get(id_, 0), row, id_,
                 total + log_prob)
                for row, (total, history) in enumerate(live[group])
                for id_, log_prob in enumerate(scorer.after(sentence, history))
                if id_ == END or length < limit
            )[: 2 * width]  # fmt: skip
            if length == limit:
                ranked.sort(key=lambda each: (-each[3], each[1]))
            for _, row, id_, total in ranked[:width]:
                if id_ == END and len(done[group]) < width:
                    ids = live[group][row][1][1:]
                    done[group].append(Hypothesis(ids, total, config.score(total, length)))
            kept = [each for each in ranked if each[2] != END][:width]
            grown = [(total, (*live[group][row][1], id_)) for _, row, id_, total in kept]
            live[group] = hopeful(grown, done[group], config)
            for each in kept:
                taken[each[2]] = taken.get(each[2], 0) + 1
    found = {each.ids: each for group in reversed(done) for each in group}
    return sorted(found.values(), key=lambda hypothesis: -hypothesis.score)[: config.nbest]


@pytest.mark.parametrize(("beam", "groups"), [(2, 2), (4, 2), (6, 3), (6, 1)])
@pytest.mark.parametrize("diversity", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_beam_of_groups_is_a_slow_one(
    make_scorer: MakeScorer,
    sentences: MakeSource,
    beam: int,
    groups: int,
    diversity: float,
    seed: int,
) -> None:
    scorer, limits = make_scorer(seed, vocab_size=7), [7, 1, 4]
    config = SearchConfig(
        beam=beam, nbest=beam, groups=groups, diversity=diversity if groups > 1 else 0.5
    )
    found = beam_search(scorer, sentences(0, 1, 2), ENDS, limits, config)
    for sentence, limit in enumerate(limits):
        check_same(found[sentence], slow_groups(scorer, sentence, limit, config))
        for each in found[sentence]:  # what is paid for an id is not kept
            total = scorer.forced(sentence, START, each.ids, END)
            assert each.log_prob == pytest.approx(total, abs=1e-9)


def test_groups_begin_apart_when_that_is_worth_enough(
    make_scorer: MakeScorer, sentences: MakeSource
) -> None:
    scorer = make_scorer(2, vocab_size=9)
    scorer.table[..., END] = -50.0
    config = SearchConfig(beam=4, nbest=4, groups=4, diversity=100.0)
    (found,) = beam_search(scorer, sentences(0), ENDS, [5], config)
    for place in range(4):
        assert len({each.ids[place] for each in found}) == 4


@pytest.mark.parametrize("settings", [{"groups": 2}, {"stop": "bound"}, {"prune": 0.7}])
@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_search_a_sentence_is_translated_alike_alone(
    make_scorer: MakeScorer, sentences: MakeSource, settings: dict[str, Any], seed: int
) -> None:
    scorer = make_scorer(seed, grain=0.5)
    config = SearchConfig(beam=4, nbest=4, **settings)
    order, limits = [2, 0, 1, 0, 2], [5, 2, 8, 6, 1]
    together = beam_search(scorer, sentences(*order), ENDS, limits, config)
    for sentence, limit, found in zip(order, limits, together, strict=True):
        assert [found] == beam_search(scorer, sentences(sentence), ENDS, [limit], config)
