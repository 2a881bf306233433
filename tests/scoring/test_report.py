"""Reports say what was computed: rounded for people, whole for programs."""

import json
from dataclasses import asdict

import pytest

from nmt.scoring.metrics import Score
from nmt.scoring.report import json_report, number_report, text_report
from nmt.scoring.texts import Text

SCORES = {
    "bleu": Score("BLEU", 27.30512345678901, "nrefs:1|tok:13a", "58.9/33.1 BP 0.980"),
    "chrf": Score("chrF2", 100.0, "nrefs:1|nc:6", ""),
}


def test_text_is_one_line_to_quote_for_each_metric() -> None:
    assert text_report(SCORES.values(), 2) == [
        "BLEU 27.31  nrefs:1|tok:13a  (58.9/33.1 BP 0.980)",
        "chrF2 100.00  nrefs:1|nc:6",
    ]


@pytest.mark.parametrize("width", [0, 1, 6])
def test_numbers_are_those_of_the_text(width: int) -> None:
    lines = text_report(SCORES.values(), width)
    assert number_report(SCORES.values(), width) == [line.split()[1] for line in lines]
    assert number_report(SCORES.values(), width) == [
        f"{s.value:.{width}f}" for s in SCORES.values()
    ]


def test_json_reads_back_to_equal_scores() -> None:
    hypothesis, references = Text("hyp.fr", ["é", "b"]), [Text("r1", ["é", "c"])]
    report = json.loads("\n".join(json_report(SCORES, hypothesis, references)))
    back = {entry.pop("metric"): Score(**entry) for entry in report.pop("scores")}
    assert {name: asdict(score) for name, score in back.items()} == {
        name: asdict(score) for name, score in SCORES.items()
    }
    assert report == {"hypothesis": "hyp.fr", "references": ["r1"], "lines": 2}
