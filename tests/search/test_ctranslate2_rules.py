"""The rules of CTranslate2, `stop = "ctranslate2"`, against its search written out plainly."""

from collections.abc import Callable
from typing import Any

import pytest

from nmt.errors import ConfigError
from nmt.search.beam import beam_search
from nmt.search.config import SearchConfig
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.search.scorer import Source

START, END = 0, 3
ENDS = Ends(START, END)

MakeScorer = Callable[..., Any]
MakeSource = Callable[..., Source]


def theirs(scorer: Any, sentence: int, limit: int, config: SearchConfig) -> list[Hypothesis]:
    """Search as OpenNMT/CTranslate2 does, src/decoding.cc, one hypothesis at a time."""
    live, done, first_ended = [(0.0, (START,))], list[Hypothesis](), False
    for step in range(limit):
        last = step + 1 == limit
        ranked = sorted(
            (-total - log_prob, row, id_)
            for row, (total, history) in enumerate(live)
            for id_, log_prob in enumerate(scorer.after(sentence, history))
        )[: 2 * config.beam]
        for rank, (cost, row, id_) in enumerate(ranked[: config.beam]):
            if id_ == END or last:
                first_ended |= rank == 0
                ids = live[row][1][1:] + (() if id_ == END else (id_,))
                penalty = (step + 1) ** config.length_alpha
                done.append(Hypothesis(ids, -cost, -cost / penalty))
        if config.length_alpha == 0:
            over = first_ended and len(done) >= config.nbest
        else:
            over = len(done) >= config.beam
        if over or last:
            break
        live = [(-cost, (*live[row][1], id_)) for cost, row, id_ in ranked if id_ != END]
        live = live[: config.beam]
    return sorted(done, key=lambda hypothesis: -hypothesis.score)[: config.nbest]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "options",
    [
        {"beam": 1},
        {"beam": 1, "length_alpha": 0.0},
        {"beam": 2, "nbest": 2},
        {"beam": 3, "nbest": 3, "length_alpha": 0.5},
        {"beam": 4, "nbest": 2, "length_alpha": 1.6},
        {"beam": 3, "length_alpha": 0.0},
    ],
    ids=str,
)
def test_the_search_finds_what_theirs_finds(
    make_scorer: MakeScorer, sentences: MakeSource, seed: int, options: dict[str, Any]
) -> None:
    scorer, limits = make_scorer(seed, vocab_size=7), [6, 2, 9]
    config = SearchConfig(stop="ctranslate2", **options)
    found = beam_search(scorer, sentences(0, 1, 2), ENDS, limits, config)
    for sentence, limit in enumerate(limits):
        expected = theirs(scorer, sentence, limit, config)
        assert [each.ids for each in found[sentence]] == [each.ids for each in expected]
        for mine, other in zip(found[sentence], expected, strict=True):
            assert mine.log_prob == pytest.approx(other.log_prob)
            assert mine.score == pytest.approx(other.score)


def test_a_hypothesis_is_cut_off_at_the_limit_not_ended(
    make_scorer: MakeScorer, sentences: MakeSource
) -> None:
    scorer = make_scorer(1)
    scorer.table[..., END] = -50.0
    for stop, length in (("beam", 3), ("ctranslate2", 4)):
        config = SearchConfig(beam=2, stop=stop)
        (found,) = beam_search(scorer, sentences(0), ENDS, [4], config)
        assert len(found[0].ids) == length
        assert (found[0].log_prob < -50.0) == (stop == "beam")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"beam": 4, "groups": 2}, r"search.groups = 2, .* it needs 1"),
        ({"coverage_beta": 0.2}, r"search.coverage_beta = 0.2, .* it needs 0.0"),
        ({"prune": 1.0}, r"search.prune = 1.0, .* it needs 0.0"),
        ({"length_penalty": "gnmt"}, r"search.length_penalty = 'gnmt', .* it needs 'power'"),
        ({"nbest": 2, "length_alpha": 0.0}, r"search.nbest = 2, .* it needs 1"),
    ],
)
def test_what_the_library_does_otherwise_is_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=rf"search.stop = 'ctranslate2' excludes {named}"):
        SearchConfig(stop="ctranslate2", **options)
