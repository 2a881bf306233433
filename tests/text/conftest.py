"""Small segmenters, learnt once; examples that may take their time on a busy machine."""

import functools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from nmt.text.config import SegmentConfig
from nmt.text.learning import learn_segmenter
from nmt.text.segmenter import Segmenter

hypothesis.settings.register_profile("unhurried", deadline=None, max_examples=60)
hypothesis.settings.load_profile("unhurried")

GENERATOR = random.Random(1)
WORDS = ["".join(GENERATOR.choices("acdeghimnost", k=GENERATOR.randint(2, 6))) for _ in range(99)]
LINES = [" ".join(["the cat", *GENERATOR.choices(WORDS, k=5)]) for _ in range(120)]

Learn = Callable[..., Segmenter]


@pytest.fixture(scope="session")
def corpus() -> list[str]:
    return LINES


@pytest.fixture(scope="session")
def learn(tmp_path_factory: pytest.TempPathFactory) -> Learn:
    """Learn a segmenter of 300 pieces with the settings given, once for each."""

    @functools.cache
    def learnt(**settings: Any) -> Segmenter:
        path: Path = tmp_path_factory.mktemp("segmenter") / "small.model"
        return learn_segmenter(LINES, path, SegmentConfig(**{"vocab_size": 300, **settings}))

    return learnt
