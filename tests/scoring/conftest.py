"""Systems that are wrong more or less often, and what is known of them."""

import random
from collections.abc import Callable

import pytest

from nmt.scoring.buckets import by_length as lengths
from nmt.scoring.checks import Material
from nmt.scoring.config import ScoreConfig
from nmt.scoring.evaluation import Evaluation, evaluate
from nmt.scoring.measure import measure
from nmt.scoring.resampling import Resampling
from nmt.scoring.texts import Text

WORDS = ["the", "a", "cat", "dog", "sees", "hears", "finds", "not", "old", "house", "tree"]


@pytest.fixture(scope="session")
def texts() -> dict[str, list[str]]:
    """Make references, other references, and three translations."""
    chance = random.Random(1)
    references = [" ".join(chance.choices(WORDS, k=chance.randint(4, 12))) for _ in range(40)]
    texts = {"ref": [f"{line}." for line in references]}
    for name, share in (("other", 0.1), ("base", 0.2), ("near", 0.22), ("far", 0.5)):
        texts[name] = [
            " ".join(chance.choice(WORDS) if chance.random() < share else word for word in words)
            + "."
            for words in map(str.split, references)
        ]
    return texts


@pytest.fixture
def evaluated(texts: dict[str, list[str]]) -> Callable[..., Evaluation]:
    """Evaluate some of the systems."""

    def make(
        *names: str,
        metrics: tuple[str, ...] = ("bleu", "chrf"),
        resampling: Resampling | None = None,
        by_length: bool = False,
    ) -> Evaluation:
        systems = [Text(name, texts[name]) for name in names]
        material = Material(systems, [Text("ref", texts["ref"])])
        measures = {name: measure(name, ScoreConfig(), [texts["ref"]]) for name in metrics}
        parts = [lengths(texts["ref"])] if by_length else []
        return evaluate(material, measures, resampling or Resampling(), parts)

    return make
