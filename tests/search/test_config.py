"""Settings of the search, and how long a translation may be."""

import re

import pytest

from nmt.errors import ConfigError
from nmt.search.config import SearchConfig


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
    ],
)
def test_a_search_that_cannot_be_is_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        SearchConfig(**settings)
