"""Attention as a picture: a heat map for each layer and head."""

import warnings
from typing import Any

from nmt.errors import ConfigError
from nmt.model.weights import Weighed
from nmt.pictures import new_figure, rendered
from nmt.study.sight import Sight

INCHES = 0.22  # of a cell
DOTS = 120  # an inch
MOST_DOTS = 2**16 - 1  # that the library can draw


def heat_maps(sight: Sight, form: str, first_head: int = 0) -> bytes:
    """Draw heat maps, a layer a row and a head a column.

    Args:
        form: "png" or "svg".
        first_head: Number of the first head shown.

    Raises:
        ConfigError: matplotlib is not installed, or the picture would be too large for it.
    """
    if max(size_of(sight)) * DOTS > MOST_DOTS:
        raise ConfigError(
            "this would make too large a picture; choose by --roles, --layer and --head, or write "
            "--output FILE.html"
        )
    drawing = new_figure(size_of(sight), "--output FILE.html needs nothing")
    with drawing as figure, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # not every script is in its font
        grid = figure.subplots(len(sight.layers), most_heads(sight), squeeze=False)
        for axes, each in zip(grid, sight.layers, strict=True):
            draw_layer(axes, sight, each, first_head)
        return rendered(figure, form, DOTS)


def most_heads(sight: Sight) -> int:
    """Count the heads of the layer that has most."""
    return max(1 if each.weights is None else each.weights.size(1) for each in sight.layers)


def size_of(sight: Sight) -> tuple[float, float]:
    """Give each cell as much room as its piece needs, in inches."""
    wide = max(len(sight.columns(each.role)) for each in sight.layers)
    high = sum(len(sight.rows(each.role)) for each in sight.layers)
    margins = 1.2 * most_heads(sight), 1.4 * len(sight.layers)
    return INCHES * wide * most_heads(sight) + margins[0], INCHES * high + margins[1]


def draw_layer(axes: Any, sight: Sight, each: Weighed, first_head: int) -> None:
    """Draw the heads of a layer side by side."""
    heads = [] if each.weights is None else list(each.weights[0].double().cpu().numpy())
    columns, rows = sight.columns(each.role), sight.rows(each.role)
    name = f"{each.role} {each.layer}"
    for number, axis in enumerate(axes):
        if number >= len(heads):
            axis.set_axis_off()
            continue
        axis.imshow(heads[number], vmin=0.0, vmax=1.0, cmap="Blues", aspect="auto")
        axis.set_xticks(range(len(columns)), columns, rotation=90, fontsize="small")
        axis.set_yticks(range(len(rows)), rows, fontsize="small")
        axis.set_title(f"{name}, head {first_head + number}", fontsize="small")
    if not heads:
        axes[0].set_title(f"{name} gives no weights", fontsize="small")
