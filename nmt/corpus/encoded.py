"""An encoded corpus on disk: ids and the raw text that they come from, memory-mapped.

A folder with, for each side, `SIDE.ids` and `SIDE.text` (see `store`), the segmenter as
`SIDE.model`, then `dropped.tsv` and, written last, `corpus.json`.
"""

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nmt.corpus.store import AT_ONCE, Array, Ragged
from nmt.errors import DataError
from nmt.files import read_json, sha256

FORMAT = 2
READABLE = (1, FORMAT)  # format 1 has no tags and does not say what is longest
SIDES = ("source", "target")
DTYPES = ("uint16", "uint32")


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
        return self._decoded(side, number, bytes(self._text[side][number]))

    def lines(self, side: str, begin: int, end: int) -> list[str]:
        """Give the raw text of lines from `begin` to before `end`, as `line` does, but faster."""
        stored = self._text[side].stored(begin, end)
        return [self._decoded(side, begin + place, raw) for place, raw in enumerate(stored)]

    def refuse_damage(self) -> None:
        """Read all of the corpus and compare it with what was encoded.

        Raises:
            DataError: A file is damaged or was changed.
        """
        files = [each for side in self.record.sides for each in (self.ids[side], self._text[side])]
        for side in self.record.sides:
            self.segmenter_path(side)
        for each in files:
            each.refuse_disorder()
        digest = hashlib.sha256()
        for begin in range(0, len(self), AT_ONCE):
            end = min(begin + AT_ONCE, len(self))
            lines = zip(*(each.stored(begin, end) for each in files), strict=True)
            digest.update(b"".join(part + b"\n" for line in lines for part in line))
        if digest.hexdigest() != self.record.content:
            raise DataError(
                f"{self.folder} is damaged: its ids and texts are not those that were encoded "
                "(their hash differs from corpus.json); encode it again"
            )

    def _decoded(self, side: str, number: int, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise DataError(
                f"{self.folder}: the {side} of line {number + 1:,} is damaged; encode the corpus "
                "again (nmt check corpus looks at all of it)"
            ) from None

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
        record = CorpusRecord(**table)
    except TypeError as error:
        raise DataError(f"{path} is damaged ({error}); encode the corpus again") from None
    if odd := odd_entry(record):
        raise DataError(f"{path} is damaged ({odd} cannot be so); encode the corpus again")
    return record


def odd_entry(record: CorpusRecord) -> str:
    """Name an entry that no corpus has; sides above all, since they become names of files."""
    if record.sides not in (list(SIDES), [SIDES[0]]):
        return "sides"
    by_side = {"pieces": int, "vocab_sizes": int, "segmenters": str}
    for name, kind in by_side.items():
        table = getattr(record, name)
        if not isinstance(table, dict) or [
            isinstance(table.get(side), kind) for side in record.sides
        ] != [True] * len(record.sides):
            return name
    kinds = {"lines": int, "content": str, "dropped": dict, "longest": dict, "tags": dict}
    odd = [name for name, kind in kinds.items() if not isinstance(getattr(record, name), kind)]
    return (odd or [""])[0] or ("" if record.dtype in DTYPES else "dtype")
