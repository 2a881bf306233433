"""Scores as lines to quote and as JSON to keep."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from nmt.scoring.metrics import Score
from nmt.scoring.texts import Text


def text_report(scores: Iterable[Score], width: int) -> list[str]:
    """Write one line for each score: name, value, signature, details.

    Args:
        width: Decimals of the value.
    """
    return [
        f"{score.name} {score.value:.{width}f}  {score.signature}"
        + (f"  ({score.details})" if score.details else "")
        for score in scores
    ]


def number_report(scores: Iterable[Score], width: int) -> list[str]:
    """Write the values alone, one a line."""
    return [f"{score.value:.{width}f}" for score in scores]


def json_report(
    scores: Mapping[str, Score], hypothesis: Text, references: Sequence[Text]
) -> list[str]:
    """Write the lines of a JSON object with unrounded values and what was compared."""
    report = {
        "hypothesis": hypothesis.name,
        "references": [reference.name for reference in references],
        "lines": len(hypothesis.lines),
        "scores": [{"metric": metric, **asdict(score)} for metric, score in scores.items()],
    }
    return json.dumps(report, indent=2, ensure_ascii=False).split("\n")
