"""Learning curves in a terminal: a mark for each point, in a frame of lines."""

from collections.abc import Iterator

from nmt.tables import spelled
from nmt.watch.curves import DEVELOPMENT, TRAINING, Panel

WIDTH, HEIGHT = 64, 12  # characters, within the frame
MARKS = {TRAINING: "·", DEVELOPMENT: "o"}


def drawn(panel: Panel) -> Iterator[str]:
    """Draw a panel of one run: its title with what each mark means, and a frame with its ends.

    Where marks meet, that of the later curve is seen.
    """
    legend = "  ".join(f"{MARKS[curve.kind]} {curve.kind}" for curve in panel.curves)
    across, upwards = ranges(panel)
    labels = {row_of(each, upwards): spelled("", float(each)) for each in upwards}
    margin = max(map(len, labels.values()))
    yield f"{panel.title}: {legend}"
    for number, row in enumerate(grid(panel)):
        yield f"{labels.get(number, ''):>{margin}} │{row}".rstrip()
    yield f"{'':{margin}} └{'─' * WIDTH}"
    first, last = (f"{each:,.0f}" for each in across)
    yield f"{'':{margin}}  {first}{f'{last} updates':>{WIDTH - len(first)}}"


def grid(panel: Panel) -> list[str]:
    """Mark the points, in rows from above."""
    across, upwards = ranges(panel)
    cells = [[" "] * WIDTH for _ in range(HEIGHT)]
    for curve in panel.curves:
        for update, value in curve.points:
            cells[row_of(value, upwards)][place(update, across, WIDTH)] = MARKS[curve.kind]
    return ["".join(row) for row in cells]


def ranges(panel: Panel) -> list[tuple[float, float]]:
    """Give the least and the most of updates, and of values."""
    points = [point for curve in panel.curves for point in curve.points]
    return [(min(each), max(each)) for each in zip(*points, strict=True)]


def row_of(value: float, between: tuple[float, float]) -> int:
    """Give the row of a value, from above."""
    return HEIGHT - 1 - place(value, between, HEIGHT)


def place(value: float, between: tuple[float, float], size: int) -> int:
    """Give the cell of a value: the first is the lowest's; the middle where there is one value."""
    low, high = between
    return round((value - low) / (high - low) * (size - 1)) if high > low else (size - 1) // 2
