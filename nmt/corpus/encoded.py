"""An encoded corpus on disk: ids and the raw text that they come from, memory-mapped.

A folder with, for each side, `SIDE.ids` and `SIDE.text` (see `store`), the segmenter as
`SIDE.model`, then `dropped.tsv` and, written last, `corpus.json`.
"""

import itertools
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nmt.corpus.store import Array, Ragged
from nmt.errors import DataError
from nmt.files import read_json, sha256

FORMAT = 2
READABLE = (1, FORMAT)  # format 1 has no tags and does not say what is longest
SIDES = ("source", "target")


@dataclass(frozen=True, kw_only=True)
class CorpusRecord:
    """What `corpus.json` says.

    Attributes:
        sides: ("source", "target"), or ("source",) for monolingual text.
        lines: Lines kept.
        dropped: Lines dropped, by reason.
        pieces: Pieces of each side.
        vocab_sizes: Vocabulary of each side.
        dtype: Type of the ids on disk.
        segmenters: Hash of each side's segmenter.
        content: Hash of all ids and texts.
        longest: Pieces of the longest line of each side, tags included.
        tags: Pieces before each line's own, by side; the text does not hold them.
    """

    format: int
    sides: list[str]
    lines: int
    dropped: dict[str, int]
    pieces: dict[str, int]
    vocab_sizes: dict[str, int]
    dtype: str
    segmenters: dict[str, str]
    content: str
    longest: dict[str, int] = field(default_factory=dict)
    tags: dict[str, list[str]] = field(default_factory=dict)

    def table(self) -> dict[str, object]:
        """Turn into what is written as JSON."""
        return asdict(self)


class EncodedCorpus:
    """A corpus opened for reading, in no time whatever its size."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.record = read_record(self.folder)
        dtype = self.record.dtype
        self.ids = {side: Ragged(self.folder, f"{side}.ids", dtype) for side in self.record.sides}
        self._text = {
            side: Ragged(self.folder, f"{side}.text", "uint8") for side in self.record.sides
        }
        for side in self.record.sides:
            if {len(self.ids[side]), len(self._text[side])} != {self.record.lines}:
                raise DataError(f"{self.folder}: {side} is incomplete; encode the corpus again")

    def __len__(self) -> int:
        return self.record.lines

    def lengths(self, side: str) -> Array:
        """Give the number of pieces in every line of a side, end of sentence not counted."""
        return self.ids[side].lengths()

    def lengths_of(self, side: str, numbers: Array) -> Array:
        """Give the number of pieces in some lines of a side, end of sentence not counted."""
        return self.ids[side].lengths_of(numbers)

    def longest(self, side: str) -> int:
        """Give the most pieces of a line of a side."""
        known = self.record.longest.get(side)
        return self.ids[side].longest() if known is None else known

    def sequence(self, side: str, number: int) -> Array:
        """Give the ids of a line, end of sentence not among them."""
        return self.ids[side][number]

    def num_tags(self, side: str, number: int) -> int:
        """Count the tags that stand before a line's own pieces."""
        return len(self.record.tags.get(side, ()))

    def line(self, side: str, number: int) -> str:
        """Give the raw text of a line, as it was before segmentation."""
        return bytes(self._text[side][number]).decode("utf-8")

    def lines(self, side: str, begin: int, end: int) -> list[str]:
        """Give the raw text of lines from `begin` to before `end`, as `line` does, but faster."""
        text = self._text[side]
        places = text.offsets[begin : end + 1].tolist()
        raw = text.values[places[0] : places[-1]].tobytes()
        places = [place - places[0] for place in places]
        return [raw[one:other].decode("utf-8") for one, other in itertools.pairwise(places)]

    def segmenter_path(self, side: str) -> Path:
        """Name the segmentation model of a side.

        Raises:
            DataError: It is missing, or not the one that made the ids.
        """
        path = self.folder / f"{side}.model"
        if not path.is_file():
            raise DataError(f"{path} is missing; encode the corpus again")
        if sha256(path) != self.record.segmenters[side]:
            raise DataError(f"{path} is not the segmenter that made this corpus; encode it again")
        return path


def read_record(folder: Path) -> CorpusRecord:
    """Read `corpus.json`.

    Raises:
        DataError: There is no complete corpus here, or one of another format.
    """
    path = folder / "corpus.json"
    if not path.is_file():
        raise DataError(f"{folder} holds no encoded corpus (no corpus.json); make it: nmt encode")
    table = read_json(path)
    if not isinstance(table, dict) or table.get("format") not in READABLE:
        raise DataError(
            f"{path}: this version reads formats {READABLE[0]} to {FORMAT}; encode the corpus again"
        )
    try:
        return CorpusRecord(**table)
    except TypeError as error:
        raise DataError(f"{path} is damaged ({error}); encode the corpus again") from None
