"""How the scores of single lines are spread, drawn as bars."""

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement

BINS = 20
TOP = 100.0  # per cent
BAR, HEIGHT, GAP = 12, 80, 2  # pixels


def counted(scores: Iterable[float]) -> list[int]:
    """Count scores in bins of equal width; those beyond 0 and 100 go into the outermost."""
    counts = [0] * BINS
    for score in scores:
        counts[min(max(int(score / TOP * BINS), 0), BINS - 1)] += 1
    return counts


def histogram(counts: Sequence[int], highest: int) -> Element:
    """Draw bars.

    Args:
        highest: The count that reaches the top, so that drawings can be compared.
    """
    drawing = Element("svg", width=str(BAR * BINS), height=str(HEIGHT), role="img")
    SubElement(drawing, "title").text = f"lines in {BINS} bins from 0 to 100: {list(counts)}"
    for number, count in enumerate(counts):
        height = round(HEIGHT * count / max(highest, 1), 1)
        bar = SubElement(drawing, "rect", x=str(number * BAR), y=f"{HEIGHT - height:g}")
        bar.attrib |= {"width": str(BAR - GAP), "height": f"{height:g}"}
        step = TOP / BINS
        name = f"{number * step:g} to {(number + 1) * step:g}: {count:,} lines"
        SubElement(bar, "title").text = name
    return drawing
