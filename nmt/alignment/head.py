"""The head of cross-attention that tells an alignment, and the file that says which it is.

`align.json` stands in a model directory. A model may come from anyone, so it is trusted in nothing.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nmt.errors import CheckpointError, DataError
from nmt.files import read_json, write_sealed

ALIGN = "align.json"
FORMAT = 1
MAX_BYTES = 2**20
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
    table = {"format": FORMAT, **asdict(choice.head)}
    facts = {"criterion": choice.criterion, "value": choice.value, "pairs": choice.pairs}
    write_sealed(folder / ALIGN, {**table, **facts})


def load_choice(folder: Path) -> Choice | None:
    """Read what was chosen for a model; None where nothing was.

    Raises:
        CheckpointError: The file is damaged, a link elsewhere, or of another kind.
    """
    path = folder / ALIGN
    if not path.exists() and not path.is_symlink():
        return None
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise CheckpointError(f"{path} is no plain file of its folder; remove it and choose again")
    try:
        table = read_json(path, MAX_BYTES)
    except DataError as error:
        raise CheckpointError(
            f"{error}; remove it and choose again with nmt align --choose"
        ) from None
    return choice_of(table, path)


def choice_of(table: Any, path: Path) -> Choice:
    """Take a choice from JSON."""
    known = table if isinstance(table, dict) else {}
    layer, head, position = (known.get(name) for name in ("layer", "head", "position"))
    facts = (known.get(name) for name in ("criterion", "value", "pairs"))
    criterion, value, pairs = facts
    numbers = [layer, pairs, *([] if head is None else [head])]
    if (
        known.get("format") != FORMAT
        or not all(type(each) is int and 0 <= each < 2**31 for each in numbers)
        or position not in POSITIONS
        or not isinstance(criterion, str)
        or not isinstance(value, int | float)
    ):
        raise CheckpointError(
            f"{path} is not of this version; remove it and choose again with nmt align --choose"
        )
    return Choice(Head(layer, head, position), criterion, float(value), pairs)  # type: ignore[arg-type]
