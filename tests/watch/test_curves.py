"""Learning curves show what metrics.jsonl says, each point where it belongs."""

import math
from typing import Any

import pytest

from nmt.watch import terminal
from nmt.watch.curves import DEVELOPMENT, TRAINING, Curve, Panel, panels
from nmt.watch.picture import picture
from nmt.watch.terminal import HEIGHT, WIDTH, drawn, grid

REPORT = {
    "metric": "bleu",
    "logged": [{"update": 1, "nll": 9.0}, {"update": 2, "nll": 7.0}],
    "validations": [{"update": 2, "loss": 8.0, "bleu": 1.5}],
}


def panel(*values: float, kind: str = TRAINING) -> Panel:
    """Draw values, one an update."""
    return Panel("t", (Curve("", kind, tuple(enumerate(values))),))


def marks(of: Panel) -> dict[tuple[int, int], str]:
    """Read rows (from above) and columns of marks."""
    rows = enumerate(grid(of))
    return {(y, x): mark for y, row in rows for x, mark in enumerate(row) if mark != " "}


def test_losses_stand_beside_each_other_and_apart_from_scores() -> None:
    losses, scores = panels({"": REPORT})
    assert [(curve.name, curve.points) for curve in losses.curves] == [
        (TRAINING, ((1, 9.0), (2, 7.0))),
        (DEVELOPMENT, ((2, 8.0),)),
    ]
    assert [(curve.name, curve.points) for curve in scores.curves] == [(DEVELOPMENT, ((2, 1.5),))]
    assert scores.title == "bleu"


@pytest.mark.parametrize("metric", ["loss", "perplexity", None])
def test_a_run_chosen_by_its_loss_has_one_panel(metric: str | None) -> None:
    assert len(panels({"": REPORT | {"metric": metric}})) == 1


def test_curves_of_several_runs_have_their_names() -> None:
    other = REPORT | {"metric": "chrf", "validations": [{"update": 5, "chrf": 20.0}]}
    assert [(each.title, [curve.name for curve in each.curves]) for each in panels(
        {"a": REPORT, "b": other}
    )] == [
        ("loss, nats a token", ["a training", "a development", "b training"]),
        ("bleu", ["a development"]),
        ("chrf", ["b development"]),
    ]  # fmt: skip


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_what_is_no_number_has_no_point(value: Any) -> None:
    report = REPORT | {"logged": [{"update": 1, "nll": value}, {"loss": 3.0}], "validations": []}
    assert panels({"": report}) == []


def test_the_corners_of_the_frame_are_the_extremes() -> None:
    found = marks(panel(*range(100)))
    assert {(HEIGHT - 1, 0), (0, WIDTH - 1)} <= found.keys()
    assert set(found.values()) == {"·"}


def test_what_rises_is_drawn_rising() -> None:
    rows = {x: y for (y, x) in marks(panel(*(x**2 for x in range(WIDTH))))}
    assert sorted(rows) == list(range(WIDTH))
    assert [rows[x] for x in range(WIDTH)] == sorted(rows.values(), reverse=True)


def test_one_point_and_one_value_stand_in_the_middle() -> None:
    middle = (HEIGHT - 1 - (HEIGHT - 1) // 2, (WIDTH - 1) // 2)
    assert list(marks(panel(3.0))) == [middle]
    assert {y for y, _ in marks(panel(3.0, 3.0))} == {middle[0]}


def test_the_frame_is_labelled_at_its_ends() -> None:
    curve = Curve("", DEVELOPMENT, ((50, 2.5), (1000, 12.5)))
    title, *rows, last = drawn(Panel("bleu", (curve,)))
    assert title == "bleu: o development"
    assert (rows[0].split()[0], rows[-2].split()[0]) == ("12.50", "2.500")
    assert last.split() == ["50", "1,000", "updates"]
    assert len(rows) == HEIGHT + 1
    assert len(last) == len(rows[-1]) == len("12.50 │") + WIDTH


def test_every_kind_has_a_mark() -> None:
    assert terminal.MARKS.keys() == {TRAINING, DEVELOPMENT}


@pytest.mark.parametrize(("form", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_picture_is_the_same_each_time(form: str, start: bytes) -> None:
    pytest.importorskip("matplotlib")
    pictures = [picture(panels({"a": REPORT, "b": REPORT}), form) for _ in range(2)]
    assert pictures[0] == pictures[1]
    assert pictures[0].startswith(start)
