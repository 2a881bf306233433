"""From known cells to a table and a plot."""

import csv
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.errors import ConfigError
from nmt.experiment import Experiment
from nmt.study.cells import Study, open_cells, plan_cells, request_of
from nmt.study.comparison import Comparison, Row, compare_cells
from nmt.study.plot import bar, plot
from nmt.study.running import run_cells
from nmt.study.significance import p_values
from nmt.study.table import COLUMNS, STYLES, csv_table, json_table, markdown_table, text_table

MakeStudy = Callable[..., Study]
Compare = Callable[..., Comparison]


@pytest.fixture
def compare(make_study: MakeStudy, known: Any) -> Compare:
    """Compare known cells; the baseline has two seeds, the other one."""

    def compare(failed: dict[str, str] | None = None, **changes: Any) -> Comparison:
        known.wrong = {"multi-head-seed2": 2, "narrow-seed1": 5}
        study = make_study(**({"baseline_seeds": 2} | changes))
        cells = plan_cells(study)
        open_cells({cell: request_of(cell, study) for cell in cells})
        run_cells([cell for cell in cells if cell.name not in (failed or {})], known.steps(), 1)
        return compare_cells(study, cells, failed)

    return compare


def test_rows_hold_means_and_sample_deviations(compare: Compare) -> None:
    base, narrow = compare().rows
    assert (base.name, base.seeds, narrow.name, narrow.seeds) == (
        "multi-head", (1, 2), "narrow", (1,),
    )  # fmt: skip
    assert base.means["bleu"] == (100 + 98) / 2
    assert base.deviations == {"bleu": pytest.approx(math.sqrt(2)), "chrf": pytest.approx(0.5**0.5)}
    assert (narrow.means["bleu"], narrow.deviations["bleu"]) == (95, None)
    assert (base.means["training_ratio"], narrow.means["training_ratio"]) == (None, None)
    assert (narrow.means["entropy_cross"], narrow.means["entropy_encoder"]) == (1.5, None)


def test_each_seed_is_compared_with_the_baseline_of_that_seed(compare: Compare, known: Any) -> None:
    base, narrow = compare(seeds=2).rows
    references, config = known.references, Experiment().score
    wrong = [["xyz"] * n + references[n:] for n in (0, 2, 5)]
    first = p_values(wrong[0], {"": wrong[2]}, references, config)[""]
    second = p_values(wrong[1], {"": references}, references, config)[""]
    assert narrow.p_values == (first, second)
    assert base.p_values == ()


def test_text_is_aligned_and_explained(compare: Compare) -> None:
    comparison = compare()
    lines = text_table(comparison)
    assert lines[0].split() == list(COLUMNS)
    assert len({len(line) for line in lines[:3]}) == 1
    chance = f"{comparison.rows[1].p_values[0]:.3f}"
    assert lines[1].split() == [
        "multi-head", "99.00", "±", "1.41", "51.50", "±", "0.71", "-", "1,234", "6", "1,000",
        "-", "5.0", "-", "3", "-/-/1.50", "-/-/4.0",
    ]  # fmt: skip
    assert lines[2].split() == [
        "narrow", "95.00", "51.00", chance, "1,234", "6", "1,500", "-", "5.0", "-", "3",
        "-/-/1.50", "-/-/4.0",
    ]  # fmt: skip
    notes = "\n".join(lines[3:])
    for part in ("bleu signature B; chrf signature C", "1 cells at a time", "1 threads a cell"):
        assert part in notes


def test_markdown_says_the_same(compare: Compare) -> None:
    comparison = compare()
    rows = [line.strip("| ").split(" | ") for line in markdown_table(comparison)[:4]]
    del rows[1]
    plain = [line.split() for line in text_table(comparison)[:3]]
    assert [" ".join(row).split() for row in rows] == plain


def test_csv_and_json_are_not_rounded(compare: Compare) -> None:
    comparison = compare()
    rows = list(csv.DictReader(csv_table(comparison)))
    report = json.loads("\n".join(json_table(comparison)))
    assert (report["baseline"], report["company"]["jobs"]) == ("multi-head", 1)
    for line, row in zip(rows, report["rows"], strict=True):
        assert (line["variant"], line["failed"]) == (row["name"], "")
        assert line["seeds"] == ";".join(map(str, row["seeds"]))
        assert line["p_values"] == ";".join(map(str, row["p_values"]))
        for name, mean in row["means"].items():
            assert line[name] == ("" if mean is None else str(mean))
    assert rows[0]["bleu_deviation"] == str(math.sqrt(2))


def test_what_failed_is_said(compare: Compare) -> None:
    failed = {"narrow-seed1": "training diverged; lower it"}
    comparison = compare(failed)
    assert comparison.failed == failed
    lines = text_table(comparison)
    assert lines[2].split()[:4] == ["narrow", "-", "-", "-"]
    assert "failed: narrow-seed1: training diverged; lower it" in lines
    assert list(csv.DictReader(csv_table(comparison)))[1]["failed"] == (
        "narrow-seed1: training diverged; lower it"
    )


def test_without_the_baseline_there_are_still_scores(compare: Compare) -> None:
    failed = {"multi-head-seed1": "why", "multi-head-seed2": "why"}
    _, narrow = compare(failed).rows
    assert (narrow.means["bleu"], narrow.p_values) == (95, ())


@pytest.mark.parametrize("style", STYLES)
def test_a_study_of_which_all_failed_has_a_table(compare: Compare, style: str) -> None:
    names = ("multi-head-seed1", "multi-head-seed2", "narrow-seed1")
    assert "why" in "\n".join(STYLES[style](compare(dict.fromkeys(names, "why"))))


def test_the_plot_is_the_same_each_time(compare: Compare, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    comparison = compare()
    pictures = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        plot(comparison, tmp_path / name)
        pictures.append(
            [(tmp_path / name / f"plot.{form}").read_bytes() for form in ("svg", "png")]
        )
    assert pictures[0] == pictures[1]
    assert (pictures[0][0][:5], pictures[0][1][:4]) == (b"<?xml", b"\x89PNG")


def test_nothing_to_draw_is_no_error(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    row = Row(name="a", means={"bleu": None}, deviations={}, failed={})
    plot(Comparison(baseline="a", rows=(row,), signatures={}, company={}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_plot_says_how_to_get_it(
    compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError) as refused:
        plot(compare(), tmp_path)
    assert str(refused.value) == (
        "a picture needs matplotlib: pip install 'nmt[plot]'; the tables are complete; run this "
        "again"
    )


def test_one_seed_has_no_error_bar() -> None:
    assert math.isnan(bar(None))
    assert bar(0.0) == 0.0
