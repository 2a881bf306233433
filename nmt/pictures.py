"""Pictures by matplotlib, which is loaded when one is drawn and not before."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nmt.errors import ConfigError

FORMATS = ("svg", "png")
PLAIN: Any = {"text.parse_math": False, "svg.hashsalt": "nmt"}  # a dollar is a dollar; same, same


@contextmanager
def new_figure(size: tuple[float, float], without: str) -> Iterator[Any]:
    """Give an empty figure, to be filled and rendered in this context.

    Args:
        size: Width and height in inches.
        without: What a user has, or can do, without matplotlib.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # it tells of its fonts
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError(
            f"a picture needs matplotlib: pip install 'nmt[plot]'; {without}"
        ) from None
    with rc_context(PLAIN):
        yield Figure(figsize=size, layout="constrained")


def rendered(figure: Any, form: str, dots: int = 150) -> bytes:
    """Write a figure as "svg" or "png"; what is drawn the same is the same to the last byte.

    Args:
        dots: Pixels an inch.
    """
    stream = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else {}
    figure.savefig(stream, format=form, dpi=dots, metadata=metadata)
    return stream.getvalue()


def form_of(output: str, option: str, forms: tuple[str, ...] = FORMATS) -> str:
    """Read from a file's name what it is to hold.

    Raises:
        ConfigError: It ends in no known form.
    """
    form = Path(output).suffix.removeprefix(".").lower()
    if form not in forms:
        *others, last = (f".{each}" for each in forms)
        raise ConfigError(f"{option} {output}: the name must end in {', '.join(others)} or {last}")
    return form
