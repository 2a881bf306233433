"""Learning curves as a picture."""

from collections.abc import Sequence
from typing import Any

from nmt.pictures import new_figure, rendered
from nmt.watch.curves import TRAINING, Panel

INCHES = 5.6, 4.0  # of a panel


def picture(panels: Sequence[Panel], form: str) -> bytes:
    """Draw panels side by side, as "svg" or "png".

    Raises:
        ConfigError: matplotlib is not installed.
    """
    size = INCHES[0] * len(panels), INCHES[1]
    with new_figure(size, "without --plot curves are drawn in the terminal") as figure:
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels,
                               strict=True):  # fmt: skip
            draw(axes, panel)
        return rendered(figure, form)


def draw(axes: Any, panel: Panel) -> None:
    """Draw curves: a run has a colour, training a thin line and development a marked one."""
    runs = list(dict.fromkeys(curve.run for curve in panel.curves))
    for curve in panel.curves:
        updates, values = zip(*curve.points, strict=True)
        thin = curve.kind == TRAINING
        axes.plot(
            updates,
            values,
            label=curve.name,
            color=f"C{runs.index(curve.run)}",
            alpha=0.5 if thin else 1.0,
            linewidth=1.0 if thin else 1.5,
            marker="" if thin and len(values) > 1 else ".",
        )
    axes.set(xlabel="updates", ylabel=panel.title)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
