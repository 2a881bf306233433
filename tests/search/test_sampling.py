"""Samples: greedy at their boldest, spread as probabilities say, and kept by seed and line."""

from collections import Counter
from collections.abc import Callable
from itertools import chain, product
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from nmt.search.beam import beam_search
from nmt.search.config import SearchConfig
from nmt.search.find import Wanted, find
from nmt.search.hypothesis import Ends
from nmt.search.sampling import Dice, draw, truncated
from nmt.search.scorer import Source

START, END = 0, 3
ENDS = Ends(START, END)

MakeScorer = Callable[..., Any]
MakeSource = Callable[..., Source]


def sampling(**settings: Any) -> SearchConfig:
    return SearchConfig(**{"method": "sample", "beam": 1, **settings})


BOLDEST = [{"top_k": 1}, {"top_p": 1e-9}, {"epsilon": 0.999}, {"temperature": 1e-4}]


@pytest.mark.parametrize("settings", BOLDEST, ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_to_sample_the_most_probable_is_greedy_search(
    make_scorer: MakeScorer, sentences: MakeSource, settings: dict[str, Any], seed: int
) -> None:
    scorer, limits, source = make_scorer(seed), [6, 3, 9], sentences(0, 1, 2)
    expected = beam_search(scorer, source, ENDS, limits, SearchConfig(beam=1))
    wanted = Wanted(limits, lines=[1, 2, 3])
    found = find(scorer, source, ENDS, wanted, sampling(**settings))
    assert [[each.ids for each in one] for one in found] == [[e.ids for e in o] for o in expected]
    for (mine,), (theirs,) in zip(found, expected, strict=True):
        assert mine.log_prob == pytest.approx(theirs.log_prob, abs=1e-9)
        assert mine.score == pytest.approx(theirs.score, abs=1e-9)


def test_with_ties_the_boldest_sample_is_the_lower_id() -> None:
    log_probs = torch.tensor([[[-2.0, -1.0, -1.0, -1.0]]])
    chances = torch.tensor([[[0.1, 0.9, 0.1, 0.1]]]).double()
    for settings in BOLDEST[:2]:
        assert draw(log_probs, chances, sampling(**settings)).tolist() == [[1]]


def test_samples_are_spread_as_probabilities_say(
    make_scorer: MakeScorer, sentences: MakeSource
) -> None:
    scorer, count = make_scorer(4, vocab_size=4), 4000
    (found,) = find(scorer, sentences(0), ENDS, Wanted([3], lines=[1]), sampling(nbest=count))
    assert len(found) == count
    frequencies = Counter(each.ids for each in found)
    words = [id_ for id_ in range(4) if id_ != END]
    for ids in chain.from_iterable(product(words, repeat=length) for length in range(3)):
        frequency, end_is_forced = frequencies[ids], len(ids) == 2
        log_prob = scorer.forced(0, START, ids, END)
        if end_is_forced:
            log_prob -= scorer.after(0, [START, *ids])[END]
        share = float(torch.tensor(log_prob).exp())
        deviation = (share * (1 - share) / count) ** 0.5
        assert abs(frequency / count - share) < 4 * deviation


def test_a_sample_says_what_forced_scoring_says_whatever_it_was_drawn_from(
    make_scorer: MakeScorer, sentences: MakeSource
) -> None:
    scorer, limits = make_scorer(3), [6, 3, 9]
    config = sampling(nbest=5, temperature=2.0, top_k=4, top_p=0.9, length_alpha=0.6)
    found = find(scorer, sentences(0, 1, 2), ENDS, Wanted(limits, lines=[1, 2, 3]), config)
    for sentence, samples in enumerate(found):
        for each in samples:
            total = scorer.forced(sentence, START, each.ids, END)
            assert each.log_prob == pytest.approx(total, abs=1e-9)
            assert each.score == pytest.approx(total / (len(each.ids) + 1) ** 0.6, abs=1e-9)
            assert len(each.ids) < limits[sentence]


def test_a_sample_depends_on_seed_and_line_and_on_no_neighbour(
    make_scorer: MakeScorer, sentences: MakeSource
) -> None:
    scorer, config = make_scorer(1), sampling(nbest=3)
    order, limits, lines = [2, 0, 1, 0, 2], [5, 2, 8, 6, 9], [7, 8, 9, 10, 11]
    together = find(scorer, sentences(*order), ENDS, Wanted(limits, lines=lines), config)
    for sentence, limit, line, found in zip(order, limits, lines, together, strict=True):
        wanted = Wanted([limit], lines=[line])
        assert [found] == find(scorer, sentences(sentence), ENDS, wanted, config)
        more = find(scorer, sentences(sentence), ENDS, wanted, sampling(nbest=5))
        assert more[0][:3] == found, "more samples begin with the same"
    for wanted in (Wanted(limits, lines=lines, seed=2), Wanted(limits, lines=lines[::-1])):
        assert find(scorer, sentences(*order), ENDS, wanted, config) != together


def test_numbers_that_draw_depend_on_seed_line_and_sample() -> None:
    dice = Dice(1, [3, 4], 2)
    first, second = dice.throw([0, 1], 5), dice.throw([1], 5)
    assert (first.shape, second.shape) == ((2, 2, 5), (1, 2, 5))
    assert torch.equal(Dice(1, [4], 1).throw([0], 5)[0, 0], first[1, 0])
    assert torch.equal(Dice(1, [4], 9).throw([0], 10)[0, :2, 5:], second[0])
    assert len(torch.cat([first.flatten(), second.flatten()]).unique()) == 30
    assert not torch.equal(Dice(2, [3, 4], 2).throw([0, 1], 5), first)
    assert ((first >= 0) & (first < 1)).all()


PROBS = torch.tensor([0.1, 0.4, 0.2, 0.05, 0.25])


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, {0, 1, 2, 3, 4}), ({"top_k": 2}, {1, 4}), ({"top_k": 99}, {0, 1, 2, 3, 4}),
        ({"top_p": 0.64}, {1, 4}), ({"top_p": 0.66}, {1, 4, 2}), ({"top_p": 0.01}, {1}),
        ({"epsilon": 0.09}, {0, 1, 2, 4}), ({"epsilon": 0.21}, {1, 4}), ({"epsilon": 0.9}, {1}),
        # Of 0.4, 0.25, 0.2, scaled to 1, the best two are 0.76 together.
        ({"top_k": 3, "top_p": 0.75}, {1, 4}), ({"top_k": 3, "epsilon": 0.24}, {1, 4}),
    ],
)  # fmt: skip
def test_what_is_kept_keeps_its_proportions(settings: dict[str, Any], kept: set[int]) -> None:
    found = truncated(PROBS.log().view(1, 1, -1), sampling(**settings))[0, 0]
    assert set(found.nonzero().flatten().tolist()) == kept
    mask = torch.tensor([place in kept for place in range(5)])
    expected = PROBS.double() * mask
    assert_close(found, expected / expected.sum(), rtol=1e-5, atol=1e-7)


def test_temperature_is_an_exponent() -> None:
    for temperature in (0.5, 1.0, 3.0):
        found = truncated(PROBS.log().view(1, 1, -1), sampling(temperature=temperature))[0, 0]
        expected = PROBS.double() ** (1 / temperature)
        assert_close(found, expected / expected.sum(), rtol=1e-5, atol=1e-7)


def test_what_is_drawn_is_the_first_to_arrive() -> None:
    chances = torch.rand(1, 50, 5, generator=torch.Generator().manual_seed(1)).double()
    rows = PROBS.log().expand(1, 50, -1)
    expected = (torch.log1p(-chances) / -PROBS).argmin(-1)
    assert torch.equal(draw(rows, chances, sampling()), expected)
    noise = 1e-6 * torch.randn(rows.shape, generator=torch.Generator().manual_seed(2))
    assert torch.equal(draw(rows + noise, chances, sampling()), expected)


def test_what_is_impossible_is_not_drawn() -> None:
    log_probs = torch.tensor([[[-torch.inf, 0.0, -torch.inf]]])
    for chance in (0.0, 0.5, 1 - 2**-53):
        chances = torch.full((1, 1, 3), chance, dtype=torch.float64)
        assert draw(log_probs, chances, sampling()).tolist() == [[1]]
        chances[..., 0] = 0.0
        assert draw(log_probs, chances, sampling()).tolist() == [[1]]


def test_sentences_leave_when_all_their_samples_have_ended(
    make_scorer: MakeScorer, sentences: MakeSource
) -> None:
    scorer = make_scorer(1)
    scorer.table[..., END] = -50.0
    wanted = Wanted([2, 5, 3], lines=[1, 2, 3])
    find(scorer, sentences(0, 1, 2), ENDS, wanted, sampling(nbest=2))
    assert scorer.batch_sizes == [3, 3, 2, 1, 1]


@pytest.mark.parametrize("settings", [{}, *BOLDEST], ids=str)
def test_a_model_of_no_numbers_has_no_samples(
    make_scorer: MakeScorer, sentences: MakeSource, settings: dict[str, Any]
) -> None:
    scorer = make_scorer(1)
    scorer.table[0] = torch.nan
    wanted = Wanted([5, 5], lines=[1, 2])
    none, some = find(scorer, sentences(0, 1), ENDS, wanted, sampling(**settings))
    assert none == []
    assert len(some) == 1
