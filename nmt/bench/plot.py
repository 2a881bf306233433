"""What was measured of attention, drawn against the length."""

from collections.abc import Iterable
from typing import Any

from nmt.bench.cells import PASS, Measured
from nmt.bench.growth import curve
from nmt.pictures import new_figure, rendered

TIME = ("seconds", "milliseconds for a sentence and layer", 1e3)
MEMORY = {
    True: ("peak_bytes", "most MiB at once for a sentence and layer", 2.0**-20),
    False: ("cache_bytes", "MiB of cache for a layer", 2.0**-20),
}
STYLES = ("-", "--", "-.", ":")  # with ten colours, enough for forty variants
HUES = 10
DOTS = 100  # an inch


def draw(measured: Measured, title: str, formats: Iterable[str]) -> dict[str, bytes]:
    """Draw time and memory on logarithmic scales, as files by format.

    Raises:
        ConfigError: Matplotlib is not installed.
    """
    places = list(dict.fromkeys((cell.work, cell.role) for cell in measured))
    size = 15.0, 5.0 * len(places)
    with new_figure(size, "the tables are complete without it") as figure:
        axes = figure.subplots(len(places), 2, squeeze=False)
        for (work, role), pair in zip(places, axes, strict=True):
            for axis, panel in zip(pair, (TIME, MEMORY[work == PASS]), strict=True):
                draw_panel(axis, measured, (work, role), panel)
            pair[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="x-small")
        figure.suptitle(title, fontsize="small")
        return {each: rendered(figure, each, DOTS) for each in formats}


def draw_panel(
    axis: Any, measured: Measured, place: tuple[str, str], panel: tuple[str, str, float]
) -> None:
    """Draw one quantity of all variants."""
    from matplotlib.ticker import LogLocator, NullLocator

    quantity, label, unit = panel
    lengths = sorted({cell.length for cell in measured if (cell.work, cell.role) == place})
    variants = dict.fromkeys(cell.variant for cell in measured if (cell.work, cell.role) == place)
    for number, variant in enumerate(variants):
        points = curve(measured, (*place, variant), quantity)
        axis.plot(
            list(points),
            [unit * each for each in points.values()],
            label=variant,
            color=f"C{number % HUES}",
            linestyle=STYLES[number // HUES % len(STYLES)],
            marker=".",
        )
    axis.set(xscale="log", yscale="log", xlabel="length", ylabel=label)
    axis.set_xticks(lengths, labels=[f"{length:,}" for length in lengths])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_title(", ".join(reversed(place)))
    axis.grid(visible=True, alpha=0.3)
