"""A picture of a study: BLEU of each entry, with error bars, against the baseline's band."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nmt.files import atomic_write
from nmt.pictures import FORMATS, new_figure, rendered
from nmt.study.comparison import Comparison, Row


def plot(comparison: Comparison, folder: Path) -> None:
    """Write plot.svg and plot.png; error bars are sample deviations over seeds.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    rows = [row for row in comparison.rows if row.means["bleu"] is not None]
    if not rows:
        return
    size = 6.4, 1.2 + 0.35 * len(rows)
    with new_figure(size, "the tables are complete; run this again") as figure:
        draw(figure.add_subplot(), rows, comparison.baseline)
        for form in FORMATS:
            with atomic_write(folder / f"plot.{form}") as stream:
                stream.write(rendered(figure, form))


def draw(axes: Any, rows: Sequence[Row], baseline: str) -> None:
    """Draw a point and its error bar for each row, before the band of the baseline."""
    base = next((row for row in rows if row.name == baseline), None)
    if base is not None:
        mean, deviation = base.means["bleu"] or 0.0, base.deviations["bleu"] or 0.0
        axes.axvspan(mean - deviation, mean + deviation, color="0.9")
        axes.axvline(mean, color="0.6", linewidth=1)
    axes.errorbar(
        [row.means["bleu"] or 0.0 for row in rows],
        range(len(rows)),
        xerr=[bar(row.deviations["bleu"]) for row in rows],
        fmt="o",
        color="black",
        capsize=3,
    )
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.margins(y=0.2)
    axes.invert_yaxis()
    axes.set_xlabel(f"test BLEU (line and band: {baseline})")


def bar(deviation: float | None) -> float:
    """Give the length of an error bar: of one seed alone none, since its error is not known."""
    return math.nan if deviation is None else deviation
