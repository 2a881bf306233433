"""The sentences worth reading first: where systems differ most, or one is furthest off."""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt.scoring.evaluation import Evaluation

BEST_FOR_LINES = "chrf"  # BLEU of single lines is mostly chance
LOWER_IS_BETTER = ("ter",)


@dataclass(frozen=True)
class Sentence:
    """One line of the test set.

    Attributes:
        number: Of the line, from 1.
        scores: Of each system.
        difference: The largest from the first system, with its sign; 0 with one system.
    """

    number: int
    scores: tuple[float, ...]
    difference: float


def line_metric(evaluation: Evaluation) -> str:
    """Choose the metric that lines are ranked by."""
    measures = evaluation.measures
    return BEST_FOR_LINES if BEST_FOR_LINES in measures else next(iter(measures))


def worth_reading(evaluation: Evaluation, limit: int) -> list[Sentence]:
    """List the sentences on which a system differs most from the first; of one, its worst."""
    metric = line_metric(evaluation)
    measure = evaluation.measures[metric]
    columns = [measure.line_scores(system) for system in evaluation.systems]
    sentences = [
        Sentence(number, row, largest(row))
        for number, row in enumerate(zip(*columns, strict=True), start=1)
    ]
    if len(columns) > 1:
        sentences = [each for each in sentences if each.difference]
        return sorted(sentences, key=lambda each: (-abs(each.difference), each.number))[:limit]
    sign = -1 if metric in LOWER_IS_BETTER else 1
    return sorted(sentences, key=lambda each: (sign * each.scores[0], each.number))[:limit]


def largest(scores: Sequence[float]) -> float:
    """Find the largest difference from the first."""
    return max((score - scores[0] for score in scores), key=abs)
