"""Settings of the search, and how long a translation may be."""

import math
import re
from typing import Any

import pytest

from nmt.errors import ConfigError, DataError
from nmt.search.config import SearchConfig, inherited


@pytest.mark.parametrize(
    ("ratio", "extra", "length", "limit"),
    [(2.0, 10, 0, 10), (2.0, 10, 7, 24), (1.5, 1, 3, 5), (0.9, 1, 2, 2), (0.0, 4, 100, 4)],
)
def test_a_translations_limit_grows_with_its_source(
    ratio: float, extra: int, length: int, limit: int
) -> None:
    assert SearchConfig(limit_ratio=ratio, limit_extra=extra).limit(length) == limit


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beam": 0}, "search.beam must be at least 1, not 0"),
        ({"nbest": 6}, "search.nbest must lie between 1 and search.beam = 5, not 6"),
        ({"nbest": 0}, "search.nbest must lie between 1 and search.beam = 5, not 0"),
        ({"limit_ratio": -1.0}, "search.limit_ratio must be at least 0"),
        ({"limit_extra": 0}, "search.limit_extra at least 1, not 2.0 and 0"),
        ({"batch_tokens": 0}, "search.batch_tokens must be at least 1, not 0"),
        ({"no_repeat_ngram": -1}, "search.no_repeat_ngram must be at least 0, not -1"),
        ({"groups": 2}, "search.groups must be at least 1 and divide search.beam = 5, not 2"),
        ({"groups": 0}, "search.groups must be at least 1 and divide search.beam = 5, not 0"),
        (
            {"groups": 5, "diversity": -1.0},
            "search.diversity must be finite and at least 0, not -1.0",
        ),
        ({"diversity": 1.0}, "search.diversity = 1.0 needs search.groups of at least 2, not 1"),
        ({"coverage_beta": -0.1}, "search.coverage_beta must be finite and at least 0, not -0.1"),
        ({"prune": -1.0}, "search.prune must be finite and at least 0, not -1.0"),
        ({"prune": math.inf}, "search.prune must be finite and at least 0, not inf"),
        ({"prune": 1.0, "must": ("Haus",)}, "search.prune = 1.0 excludes search.must"),
        (
            {"temperature": 0.5},
            "search.temperature = 0.5 needs search.method = 'sample', not 'beam'",
        ),
        ({"top_k": 5}, "search.top_k = 5 needs search.method = 'sample', not 'beam'"),
        ({"top_p": 0.5}, "search.top_p = 0.5 needs search.method = 'sample', not 'beam'"),
        ({"epsilon": 0.5}, "search.epsilon = 0.5 needs search.method = 'sample', not 'beam'"),
    ],
)
def test_a_search_that_cannot_be_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        SearchConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beam": 5}, "search.method = 'sample' keeps no beam: search.beam must be 1, not 5"),
        ({"beam": 0}, "search.beam must be at least 1, not 0"),
        ({"nbest": 0}, "search.nbest must be at least 1, not 0"),
        ({"groups": 2}, "search.groups = 2 needs search.method = 'beam', not 'sample'"),
        ({"diversity": 1.0}, "search.diversity = 1.0 needs search.method = 'beam', not 'sample'"),
        ({"stop": "bound"}, "search.stop = 'bound' needs search.method = 'beam', not 'sample'"),
        ({"coverage_beta": 0.2}, "search.coverage_beta = 0.2 needs search.method = 'beam'"),
        ({"prune": 1.0}, "search.prune = 1.0 needs search.method = 'beam', not 'sample'"),
        ({"temperature": 0.0}, "search.temperature must be above 0, not 0.0"),
        ({"temperature": math.inf}, "search.temperature must be above 0, not inf"),
        ({"temperature": math.nan}, "search.temperature must be above 0, not nan"),
        ({"top_k": -1}, "search.top_k must be at least 0, not -1"),
        ({"top_p": 0.0}, "search.top_p must be above 0 and at most 1, not 0.0"),
        ({"top_p": 1.5}, "search.top_p must be above 0 and at most 1, not 1.5"),
        ({"epsilon": 1.0}, "search.epsilon must be at least 0 and below 1, not 1.0"),
    ],
)
def test_sampling_that_cannot_be_is_refused(settings: dict[str, Any], message: str) -> None:
    SearchConfig(method="sample", beam=1, nbest=9)
    with pytest.raises(ConfigError, match=re.escape(message)):
        SearchConfig(**{"method": "sample", "beam": 1, **settings})


@pytest.mark.parametrize("alpha", [-0.5, 0.0, 0.6, 1.0])
def test_a_score_is_a_log_probability_over_a_penalty_of_length(alpha: float) -> None:
    power = SearchConfig(length_alpha=alpha)
    gnmt = SearchConfig(length_alpha=alpha, length_penalty="gnmt")
    for length in (1, 7, 13):
        assert power.score(-3.0, length) == pytest.approx(-3.0 / length**alpha)
        assert gnmt.score(-3.0, length) == pytest.approx(power.score(-3.0, 5 + length) * 6**alpha)
    assert gnmt.score(-3.0, 1) == -3.0  # one id costs nothing
    assert gnmt.score(-3.0, 7) == pytest.approx(-3.0 / 2**alpha)


def test_what_a_model_was_trained_with_stays_unless_the_method_is_another() -> None:
    own = {"beam": 4, "nbest": 2, "groups": 2, "length_alpha": 1.4, "source_tag": ["<2es>"]}
    assert inherited(own, {}) == own
    assert inherited(own, {"beam": 7}) == own
    assert inherited({**own, "method": "beam"}, {"method": "beam"}) == {**own, "method": "beam"}
    free = {"length_alpha": 1.4, "source_tag": ["<2es>"]}
    assert inherited(own, {"method": "sample"}) == {**free, "beam": 1}
    drawn = {"method": "sample", "beam": 1, "top_p": 0.9, **free}
    assert inherited(drawn, {"top_k": 3}) == drawn
    assert inherited(drawn, {"method": "beam"}) == free


def test_phrases_that_no_translation_can_hold_are_refused_before_any_is_searched_for() -> None:
    message = "search.must and must_not: 'a' must appear and must not; leave one out"
    with pytest.raises(DataError, match=f"^{message}$"):
        SearchConfig(must=("a", "b"), must_not=("a ",))


def test_least_risk_chooses_among_all_that_is_found() -> None:
    assert SearchConfig(nbest=2).num_found == 2
    assert SearchConfig(beam=7, nbest=2, mbr="chrf").num_found == 7
    drawn = SearchConfig(method="sample", beam=1, mbr="bleu", mbr_samples=9)
    assert drawn.num_found == 9
    assert inherited({"beam": 7, "mbr": "chrf"}, {"method": "sample"}) == {"beam": 1}
