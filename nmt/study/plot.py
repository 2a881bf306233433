"""A picture of a study: BLEU of each entry, with error bars, against the baseline's band."""

import logging
import math
from pathlib import Path

from nmt.errors import ConfigError
from nmt.files import atomic_write
from nmt.study.comparison import Comparison

FORMATS = ("svg", "png")


def plot(comparison: Comparison, folder: Path) -> None:
    """Write plot.svg and plot.png; error bars are sample deviations over seeds.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError(
            "no plot: matplotlib is not installed; pip install 'nmt[plot]' and run this again"
        ) from None
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # it tells of its fonts
    rows = [row for row in comparison.rows if row.means["bleu"] is not None]
    if not rows:
        return
    figure = Figure(figsize=(6.4, 1.2 + 0.35 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    base = next((row for row in rows if row.name == comparison.baseline), None)
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
    axes.set_xlabel(f"test BLEU (line and band: {comparison.baseline})")
    # The same table draws the same picture, to the last byte.
    with rc_context({"svg.hashsalt": "nmt"}):
        for form in FORMATS:
            with atomic_write(folder / f"plot.{form}") as stream:
                metadata = {"Date": None} if form == "svg" else {}
                figure.savefig(stream, format=form, dpi=150, metadata=metadata)


def bar(deviation: float | None) -> float:
    """Give the length of an error bar: of one seed alone none, since its error is not known."""
    return math.nan if deviation is None else deviation
