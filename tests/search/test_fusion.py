"""Two scorers fused are one whose log-probabilities are their weighted sum."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
import torch
from torch.testing import assert_close

from nmt.errors import ConfigError
from nmt.model.language import LanguageModel
from nmt.search.config import SearchConfig
from nmt.search.find import Wanted, find
from nmt.search.fusion import FusedScorer, LanguagePrior
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.search.scorer import Scorer, Source
from tests.search.conftest import TableScorer

MakeScorer = Callable[..., TableScorer]
Sentences = Callable[..., Source]

ENDS = Ends(start=1, end=2)
SEARCHES: dict[str, dict[str, Any]] = {
    "greedy": {"beam": 1},
    "beam": {"beam": 4, "nbest": 4},
    "wide beam": {"beam": 40, "nbest": 3},
    "bound": {"beam": 3, "stop": "bound"},
    "diverse": {"beam": 4, "nbest": 4, "groups": 2},
    "sample": {"method": "sample", "beam": 1, "nbest": 3},
    "truncated": {"method": "sample", "beam": 1, "top_k": 3, "top_p": 0.8, "epsilon": 0.1},
    "no repeat": {"beam": 3, "nbest": 2, "no_repeat_ngram": 2},
}


def found(
    scorer: Scorer[Any], source: Source, settings: dict[str, Any], prefixes: Sequence[list[int]]
) -> list[list[Hypothesis]]:
    config, size = SearchConfig(**settings), len(source.ids)
    wanted = Wanted([6, 3, 7][:size], prefixes, range(1, size + 1), seed=3)
    return find(scorer, source, ENDS, wanted, config)


@pytest.mark.parametrize("settings", SEARCHES.values(), ids=SEARCHES.keys())
@pytest.mark.parametrize("prefixes", [(), ([3], [], [4, 0])], ids=["free", "begun"])
@pytest.mark.parametrize("weight", [0.0, 0.3, 2.0])
def test_every_search_finds_what_it_finds_by_the_sum(
    make_scorer: MakeScorer,
    sentences: Sentences,
    settings: dict[str, Any],
    prefixes: Sequence[list[int]],
    weight: float,
) -> None:
    first, second = make_scorer(1), make_scorer(2)
    summed = TableScorer(first.table + weight * second.table)
    source = sentences(0, 1, 2)
    expected = found(summed, source, settings, prefixes)
    assert found(FusedScorer(first, second, weight), source, settings, prefixes) == expected
    if weight == 0:
        assert expected == found(first, source, settings, prefixes)
    elif "method" not in settings and weight == 2:
        assert expected != found(first, source, settings, prefixes)


def test_scorers_may_be_fused_again(make_scorer: MakeScorer, sentences: Sentences) -> None:
    first, second, third = (make_scorer(seed) for seed in (1, 2, 3))
    summed = TableScorer(first.table + 0.5 * second.table + 0.25 * third.table)
    fused = FusedScorer(FusedScorer(first, second, 0.5), third, 0.25)
    settings, source = SEARCHES["beam"], sentences(0, 1, 2)
    assert found(fused, source, settings, ()) == found(summed, source, settings, ())


def test_what_a_score_gains_at_the_end_is_the_first_scorers(
    make_scorer: MakeScorer, sentences: Sentences
) -> None:
    first, second = make_scorer(1), make_scorer(2)
    first.ending = -torch.rand(first.table.shape[:2], dtype=torch.double)
    summed = TableScorer(first.table + 0.3 * second.table)
    summed.ending = first.ending
    settings, source = SEARCHES["beam"], sentences(0, 1, 2)
    expected = found(summed, source, settings, ())
    assert found(FusedScorer(first, second, 0.3), source, settings, ()) == expected
    assert any(each.score != each.log_prob / (len(each.ids) + 1) for each in expected[0])


def test_equally_good_ids_stand_in_their_order(
    make_scorer: MakeScorer, sentences: Sentences
) -> None:
    first, second = make_scorer(1, grain=0.5), make_scorer(2, grain=0.5)
    scorer, source = FusedScorer(first, second, 1.0), sentences(0, 1, 2)
    start = torch.full((3, 2), ENDS.start)
    candidates, _ = scorer.step(scorer.start(source, 2, 4), start, torch.zeros_like(start))
    best, ids = candidates.top(4)
    expected, order = candidates.log_probs().sort(dim=-1, descending=True, stable=True)
    assert_close(best, expected[..., :4])
    assert torch.equal(ids, order[..., :4])


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_a_weight_that_makes_no_sense_is_refused(weight: float) -> None:
    with pytest.raises(ConfigError, match=f"^--lm-weight must be at least 0, not {weight}$"):
        LanguagePrior(cast(LanguageModel, None), weight)
