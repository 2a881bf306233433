"""Settings of what is suspect."""

import dataclasses
from typing import Any

import pytest

from nmt.errors import ConfigError
from nmt.experiment import read_experiment
from nmt.suspect.config import KINDS, SuspectConfig
from nmt.suspect.detectors import DETECTORS


def test_each_kind_has_its_detector_and_its_settings() -> None:
    assert tuple(DETECTORS) == KINDS == SuspectConfig().kinds
    docs = [field.metadata["doc"] for field in dataclasses.fields(SuspectConfig)]
    for kind in set(KINDS) - {"number", "url"}:  # these need none
        assert any(kind in doc.split(": ")[0] for doc in docs), kind


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kinds": ["numbers"]}, "suspect.kinds: no kind is called 'numbers'; did you mean 'numbe"),
        ({"repeated_words": 0}, "suspect.repeated_words must be at least 1, not 0"),
        ({"copied_words": 0}, "suspect.copied_words must be at least 1, not 0"),
        ({"length_ratio": 0.0}, "suspect.length_ratio must be above 0, not 0.0"),
        ({"short_limit": -1.0}, "suspect.short_limit must be above 0, not -1.0"),
        ({"long_limit": 0.0}, "suspect.long_limit must be above 0, not 0.0"),
        ({"copied_share": 0.0}, "suspect.copied_share must be above 0 and at most 1, not 0.0; sus"),
        ({"min_script_share": 2.0}, "suspect.min_script_share must be above 0 and at most 1, not"),
        ({"min_probability": float("nan")}, "suspect.min_probability must be above 0 and at most"),
        ({"target_script": ["latin1"]}, "suspect.target_script: 'latin1' is no Unicode script"),
        ({"on_suspect": "stop"}, "suspect.on_suspect must be one of off, warn, retry, source, f"),
        ({"min_probabilty": 0.1}, "unknown setting suspect.min_probabilty; did you mean 'min_prob"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_experiment({"suspect": settings})
    assert str(refused.value).startswith(message)
