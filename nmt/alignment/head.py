"""The head of cross-attention that tells an alignment, and the file that says which it is.

`align.json` stands in a model directory. A model may come from anyone, so it is trusted in nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from nmt.errors import CheckpointError, DataError
from nmt.files import read_json, write_sealed

ALIGN = "align.json"
FORMAT = 1
MAX_BYTES = 2**16
MOST = 2**31  # of a number in it
AGAIN = "remove it and choose again with nmt align --choose"
POSITIONS = ("predicts", "reads")


@dataclass(frozen=True)
class Head:
    """Which attention of which position tells what a target piece comes from.

    Attributes:
        layer: Of the decoder, from 0.
        head: Of the layer, from 0; None for the mean of all.
        position: "predicts": what the decoder looks at where it is about to write the piece;
            "reads": one position later, where it has just read it.
    """

    layer: int
    head: int | None
    position: str

    def __str__(self) -> str:
        name = "mean of all heads" if self.head is None else f"head {self.head}"
        return f"layer {self.layer}, {name}, at the position that {self.position} a piece"


@dataclass(frozen=True)
class Choice:
    """A head, and why it is the one.

    Attributes:
        criterion: What it was best at.
        value: How good it was.
        pairs: On how many pairs.
    """

    head: Head
    criterion: str
    value: float
    pairs: int

    @property
    def told(self) -> str:
        """Say why in a few words."""
        return f"{self.criterion} {self.value:.4f} on {self.pairs:,} pairs"


def default_head(layers: Sequence[int | None]) -> Head:
    """Give the head of a model for which none was chosen: all of the last layer but one, where a
    piece is predicted.

    Args:
        layers: The number of heads of each layer, None where it gives no weights; one at least
            gives some.

    Source: Garg et al. (2019), https://arxiv.org/abs/1909.02074, section 4.1.
    """
    giving = [layer for layer, heads in enumerate(layers) if heads is not None]
    wanted = max(len(layers) - 2, 0)
    nearest = min(giving, key=lambda layer: abs(layer - wanted))
    return Head(nearest, None, "predicts")


def candidates(layers: Sequence[int | None]) -> list[Head]:
    """List all that may be chosen; equally good ones are chosen in this order."""
    found = []
    for layer, heads in enumerate(layers):
        if heads is not None:
            single = range(heads) if heads > 1 else ()
            found += [Head(layer, each, place) for place in POSITIONS for each in (None, *single)]
    return found


def save_choice(folder: Path, choice: Choice) -> None:
    """Write down in a model directory what was chosen."""
    write_sealed(folder / ALIGN, spelled(choice))


def spelled(choice: Choice) -> dict[str, Any]:
    """Put a choice into a flat table."""
    table = asdict(choice)
    return {"format": FORMAT, **table.pop("head"), **table}


def load_choice(folder: Path) -> Choice | None:
    """Read what was chosen for a model; None where nothing was.

    Raises:
        CheckpointError: The file is damaged, a link elsewhere, or of another kind.
    """
    path = folder / ALIGN
    if not path.exists() and not path.is_symlink():
        return None
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise CheckpointError(f"{path} is no plain file of its folder; {AGAIN}")
    try:
        table = read_json(path, MAX_BYTES)
    except DataError as error:
        raise CheckpointError(f"{error}; {AGAIN}") from None
    if not is_choice(table):
        raise CheckpointError(f"{path} is not of this version; {AGAIN}")
    head = Head(*(table[each.name] for each in fields(Head)))
    return Choice(head, table["criterion"], table["value"], table["pairs"])


def is_choice(table: Any) -> bool:
    """Tell whether JSON is a choice: no more, no less, and nothing of another kind."""
    if not isinstance(table, dict) or table.keys() != spelled(EXAMPLE).keys():
        return False
    numbers = [table[name] for name in ("layer", "pairs", "head") if table[name] is not None]
    return (
        table["format"] == FORMAT
        and table["layer"] is not None
        and table["pairs"] is not None
        and all(type(each) is int and 0 <= each < MOST for each in numbers)
        and table["position"] in POSITIONS
        and isinstance(table["criterion"], str)
        and type(table["value"]) is float
        and math.isfinite(table["value"])
    )


EXAMPLE = Choice(Head(0, None, POSITIONS[0]), "", 0.0, 0)
