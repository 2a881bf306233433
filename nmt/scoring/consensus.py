"""Which of several texts agrees best with all of them, by a metric of lines.

N texts, G different n-grams.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from nmt.scoring.config import ScoreConfig
from nmt.scoring.metrics import prepare

Matrix = NDArray[np.float64]
Counts = NDArray[np.int64]
CHARACTERS, WORDS = 6, 4  # the longest n-grams of chrF and of BLEU
BETA = 2  # of chrF


def expected_utilities(texts: Sequence[str], weights: Sequence[float], metric: str) -> list[float]:
    """Give for each text the weighted mean of its scores with every text, itself too, as reference.

    Args:
        weights: How probable each text is; they are scaled to sum to 1.
        metric: A name in METRICS_OF_LINES.

    Returns:
        In percent, of sacreBLEU's scores of sentences with its default settings.

    Source: Eikema and Aziz (2020), https://arxiv.org/abs/2005.10283, for samples, whose weights are
    equal; Kumar and Byrne (2004), https://aclanthology.org/N04-1022, for lists of the n best.
    """
    distinct = list(dict.fromkeys(texts))
    place = {text: number for number, text in enumerate(distinct)}
    shares = np.zeros(len(distinct))
    for text, weight in zip(texts, weights, strict=True):
        shares[place[text]] += weight
    means = METRICS_OF_LINES[metric](distinct) @ (shares / shares.sum())
    return [float(means[place[text]]) for text in texts]


def chrf_of_pairs(texts: Sequence[str]) -> Matrix:
    """Score each text, by row, with each as the reference, by column.

    Source: Popović (2015), https://aclanthology.org/W15-3049; orders that a pair is too short for
    do not count, as in sacreBLEU.
    """
    precision, recall, orders = np.zeros((3, len(texts), len(texts)))
    plain = ["".join(text.split()) for text in texts]
    for size in range(1, CHARACTERS + 1):
        grams = [[text[at : at + size] for at in range(len(text) - size + 1)] for text in plain]
        lengths = np.array([len(each) for each in grams])
        both = (lengths[:, None] > 0) & (lengths > 0)
        matches, some = matching(grams), np.maximum(lengths, 1)
        precision += np.where(both, matches / some[:, None], 0.0)
        recall += np.where(both, matches / some, 0.0)
        orders += both
    precision, recall = (each / np.maximum(orders, 1) for each in (precision, recall))
    total = BETA**2 * precision + recall
    score = (1 + BETA**2) * precision * recall / np.where(total > 0, total, 1.0)
    return 100 * score


def bleu_of_pairs(texts: Sequence[str]) -> Matrix:
    """Score each text, by row, with each as the reference, by column."""
    from sacrebleu.metrics.bleu import BLEU

    metric = prepare("bleu", ScoreConfig())
    assert isinstance(metric, BLEU)
    words = [metric.tokenizer(text.rstrip()).split() for text in texts]
    sizes = range(1, WORDS + 1)
    grams = [[[tuple(line[at : at + n]) for at in range(len(line) - n + 1)] for line in words]
             for n in sizes]  # fmt: skip
    correct = np.stack([matching(each) for each in grams], -1)  # (N, N, WORDS)
    totals = [[len(each[row]) for each in grams] for row in range(len(texts))]
    scores = [
        [
            BLEU.compute_bleu(
                matched, list(totals[row]), len(words[row]), len(words[column]),
                smooth_method="exp", effective_order=True,
            ).score
            for column, matched in enumerate(line)
        ]
        for row, line in enumerate(correct.tolist())
    ]  # fmt: skip
    return np.array(scores, np.float64)


def matching(grams: Sequence[Sequence[object]]) -> Counts:
    """Count what the n-grams of every two texts have in common, (N, N)."""
    numbers: dict[object, int] = {}
    rows = [[numbers.setdefault(each, len(numbers)) for each in line] for line in grams]
    counts = np.zeros((len(grams), len(numbers)), np.int32)
    for row, ids in zip(counts, rows, strict=True):
        np.add.at(row, ids, 1)
    return np.array([np.minimum(row, counts).sum(1, dtype=np.int64) for row in counts])


METRICS_OF_LINES: dict[str, Callable[[Sequence[str]], Matrix]] = {
    "chrf": chrf_of_pairs,
    "bleu": bleu_of_pairs,
}
