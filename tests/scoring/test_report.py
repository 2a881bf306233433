"""Reports say what was computed: rounded for people, whole for programs."""

import json
from collections.abc import Callable

import pytest

from nmt.scoring.config import ScoreConfig
from nmt.scoring.evaluation import Evaluation
from nmt.scoring.metrics import Score, corpus_scores
from nmt.scoring.report import (
    aligned,
    full_numbers,
    full_text,
    json_report,
    line_json,
    line_report,
    number_report,
    text_report,
)  # fmt: skip
from nmt.scoring.resampling import Interval, Resampling

Evaluate = Callable[..., Evaluation]

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


def test_an_interval_stands_behind_its_score() -> None:
    lines = text_report(SCORES.values(), 1, [Interval(27.25, 1.06), None])
    assert lines[0].startswith("BLEU 27.3 (μ = 27.2 ± 1.1)  nrefs:1|")
    assert lines[1] == text_report(SCORES.values(), 1)[1]


def test_one_system_reads_as_its_scores(evaluated: Evaluate) -> None:
    evaluation = evaluated("base")
    scores = [each.score for each in evaluation.of_system(0).values()]
    assert full_text(evaluation, 2) == text_report(scores, 2)
    assert full_numbers(evaluation, 3) == number_report(scores, 3)


def test_several_systems_stand_side_by_side(evaluated: Evaluate) -> None:
    evaluation = evaluated("base", "near", "far", resampling=Resampling(paired="bootstrap"))
    head, *rows = full_text(evaluation, 2)[:4]
    assert head.split("  ")[0] == "system"
    assert [row.split()[0] for row in rows] == ["base", "near", "far"]
    for row, found in zip(rows, evaluation.results["bleu"], strict=True):
        assert row.split()[1] == f"{found.score.value:.2f}"
    assert len({len(row) for row in [head, *rows[1:]]}) == 1
    notes = full_text(evaluation, 2)[4:]
    assert notes[1].startswith("BLEU  nrefs:1|bs:1000|seed:12345|")
    assert notes[-1] == "p  paired bootstrap against base, 1,000 samples"


def test_without_a_test_there_is_no_p(evaluated: Evaluate) -> None:
    evaluation = evaluated("base", "near")
    assert full_text(evaluation, 2)[0].split() == ["system", "BLEU", "chrF2"]
    assert json.loads("\n".join(json_report(evaluation)))["test"] is None


def test_numbers_alone_are_a_line_for_each_metric(evaluated: Evaluate) -> None:
    evaluation = evaluated("base", "near")
    assert full_numbers(evaluation, 4) == [
        "\t".join(f"{each.score.value:.4f}" for each in results)
        for results in evaluation.results.values()
    ]


def test_parts_are_a_row_for_each_system(evaluated: Evaluate) -> None:
    evaluation = evaluated("base", "near", by_length=True)
    lines = full_text(evaluation, 2)
    head = lines.index("by length: words of the first reference") + 1
    assert lines[head].split() == ["length", "lines", "system", "BLEU", "chrF2"]
    buckets = evaluation.parts[0].buckets
    assert len(lines[head + 1 :]) == 2 * len(buckets)
    report = json.loads("\n".join(json_report(evaluation)))
    assert sum(each["lines"] for each in report["buckets"]) == 2 * 40
    first = report["buckets"][0]
    assert first["scores"] == evaluation.in_bucket(evaluation.systems[0], buckets[0])


def test_json_reads_back_to_equal_scores(evaluated: Evaluate) -> None:
    evaluation = evaluated("base")
    report = json.loads("\n".join(json_report(evaluation)))
    back = {entry.pop("metric"): Score(**entry) for entry in report.pop("scores")}
    material = evaluation.material
    assert back == corpus_scores(
        material.systems[0].lines, [material.references[0].lines], ScoreConfig()
    )
    assert report == {"hypothesis": "base", "references": ["ref"], "lines": 40}


def test_json_of_several_holds_what_was_resampled(evaluated: Evaluate) -> None:
    asked = Resampling(paired="randomisation", confidence=True, samples=20)
    evaluation = evaluated("base", "far", resampling=asked)
    report = json.loads("\n".join(json_report(evaluation)))
    first, second = (system["scores"][0] for system in report["systems"])
    assert "p_value" not in first
    assert second["p_value"] == evaluation.results["bleu"][1].p_value
    assert second["margin"] > 0
    assert report["test"] == "approximate randomisation against base, 20 samples"


def test_lines_are_a_row_for_each_line_and_system(evaluated: Evaluate) -> None:
    evaluation = evaluated("base", "near")
    head, *rows = line_report(evaluation, 2)
    assert head.split("\t") == ["line", "system", "BLEU", "chrF2"]
    assert len(rows) == 80
    assert rows[1].split("\t")[:2] == ["1", "near"]
    assert [row.split("\t")[2:] for row in rows] == [
        row.split("\t") for row in line_report(evaluation, 2, bare=True)
    ]
    objects = [json.loads(line) for line in line_json(evaluation)]
    assert [f"{each['scores']['chrf']:.2f}" for each in objects] == [
        row.split("\t")[3] for row in rows
    ]
    assert objects[3] | {"scores": {}} == {"line": 2, "hypothesis": "near", "scores": {}}


def test_columns_are_aligned() -> None:
    assert aligned([["system", "n"], ["a", "10"], ["long-name", "7"]]) == [
        "system      n",
        "a          10",
        "long-name   7",
    ]
