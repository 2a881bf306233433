"""Scores of all pairs against sacreBLEU's own, one by one."""

import random
from collections.abc import Callable

import numpy as np
import pytest
from sacrebleu import sentence_bleu, sentence_chrf

from nmt.scoring.consensus import METRICS_OF_LINES, expected_utilities

SCORES: dict[str, Callable[[str, str], float]] = {
    "chrf": lambda mine, other: sentence_chrf(mine, [other]).score,
    "bleu": lambda mine, other: sentence_bleu(mine, [other]).score,
}
TEXTS = [
    "", "a", "b", "ab", "the cat sat on the mat", "the cat sat on the mat.", "The cat sat!",
    "a a a a a a", "a a a", "Größe 🙂, 3.5 %", "of  two   spaces", "x y z w v u t", "x y z",
]  # fmt: skip


@pytest.mark.parametrize("metric", METRICS_OF_LINES)
def test_pairs_score_what_sacrebleu_gives_them(metric: str) -> None:
    generator = random.Random(1)
    drawn = [" ".join(generator.choices(["ab", "abc", "b,", "x."], k=9)) for _ in range(8)]
    texts = [*TEXTS, *drawn]
    found = METRICS_OF_LINES[metric](texts)
    for row, mine in enumerate(texts):
        expected = [SCORES[metric](mine, other) for other in texts]
        np.testing.assert_allclose(found[row], expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("metric", METRICS_OF_LINES)
def test_what_is_expected_is_the_weighted_mean(metric: str) -> None:
    texts, weights = ["a cat", "the cat", "a cat", "dogs"], [1.0, 2.0, 0.5, 3.0]
    found = expected_utilities(texts, weights, metric)
    for mine, value in zip(texts, found, strict=True):
        scores = [SCORES[metric](mine, other) for other in texts]
        mean = sum(w * s for w, s in zip(weights, scores, strict=True)) / sum(weights)
        assert value == pytest.approx(mean, rel=1e-13)
    assert found[0] == found[2]


def test_one_text_agrees_with_itself() -> None:
    assert expected_utilities(["a cat sat on it"], [0.3], "chrf") == [100.0]
