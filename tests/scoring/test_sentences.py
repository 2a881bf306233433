"""The sentences to read first, and the spread of all."""

from collections.abc import Callable

from nmt.scoring.evaluation import Evaluation
from nmt.scoring.histogram import BINS, counted, histogram
from nmt.scoring.sentences import line_metric, worth_reading

Evaluate = Callable[..., Evaluation]


def test_sentences_are_sorted_by_the_difference(evaluated: Evaluate) -> None:
    evaluation = evaluated("base", "near", "far")
    found = worth_reading(evaluation, 40)
    sizes = [abs(each.difference) for each in found]
    assert sizes == sorted(sizes, reverse=True)
    assert all(sizes)
    columns = [evaluation.measures["chrf"].line_scores(each) for each in evaluation.systems]
    for each in found:
        row = tuple(column[each.number - 1] for column in columns)
        assert each.scores == row
        assert abs(each.difference) == max(abs(score - row[0]) for score in row)


def test_the_worst_sentences_of_one_system_come_first(evaluated: Evaluate) -> None:
    for metric, sign in (("chrf", 1), ("bleu", 1), ("ter", -1)):
        found = worth_reading(evaluated("far", metrics=(metric,)), 5)
        scores = [sign * each.scores[0] for each in found]
        assert scores == sorted(scores)
        assert len(scores) == 5


def test_identical_systems_have_nothing_to_read(evaluated: Evaluate) -> None:
    assert worth_reading(evaluated("base", "base"), 5) == []


def test_lines_are_ranked_by_chrf_where_it_is_reported(evaluated: Evaluate) -> None:
    assert line_metric(evaluated("base", metrics=("bleu", "ter", "chrf"))) == "chrf"
    assert line_metric(evaluated("base", metrics=("ter", "bleu"))) == "ter"


def test_every_score_is_in_one_bin() -> None:
    counts = counted([-3, 0, 4.99, 5, 99.9, 100, 250])
    assert (counts[0], counts[1], counts[-1], sum(counts)) == (3, 1, 3, 7)


def test_bars_are_as_high_as_counts() -> None:
    bars = histogram([0, 1, 2], highest=4).findall("rect")
    assert [float(bar.get("height", "")) for bar in bars] == [0, 20, 40]
    assert len(histogram(counted([]), highest=0).findall("rect")) == BINS
