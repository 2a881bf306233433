"""Some lines of text to ids: the part of encoding that processes can share.

N lines kept.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nmt.corpus.config import EncodeConfig
from nmt.corpus.store import Array
from nmt.text.clean import ESCAPES
from nmt.text.segmenter import ALL_CORES, Segmenter

Row = tuple[str, ...]  # a line of monolingual text, or a source and its target


@dataclass
class Column:
    """One side of the lines kept, end to end, with the length of each (N,)."""

    ids: Array
    id_lengths: Array
    text: Array
    text_lengths: Array


@dataclass
class Chunk:
    """What became of some lines.

    Attributes:
        columns: One for each side.
        dropped: Lines dropped, by reason.
        reasons: What `dropped.tsv` says of them.
        hashed: What the hash of the corpus is made of.
    """

    lines: int
    columns: list[Column]
    dropped: Counter[str] = field(default_factory=Counter)
    reasons: str = ""
    hashed: bytes = b""


@dataclass(frozen=True)
class ChunkEncoder:
    """Encode lines alike in whatever process.

    Attributes:
        segmenters: One for each side.
        tags: Ids put before each line, by side.
        dtype: Type of ids on disk.
        threads: How many segment a chunk.
    """

    segmenters: Sequence[Segmenter]
    tags: Sequence[list[int]]
    config: EncodeConfig
    dtype: str
    threads: int = ALL_CORES

    def __call__(self, first_number: int, rows: Sequence[Row]) -> Chunk:
        """Encode lines of which the first has the given number in the text."""
        sides = [
            segmenter.encode_lines([row[side] for row in rows], self.threads)
            for side, segmenter in enumerate(self.segmenters)
        ]
        kept: list[tuple[Row, list[list[int]]]] = []
        dropped: Counter[str] = Counter()
        reasons = []
        for number, (row, *ids) in enumerate(zip(rows, *sides, strict=True), start=first_number):
            full = [tags + each for tags, each in zip(self.tags, ids, strict=True)]
            if reason := drop_reason(row, ids, full, self.config):
                dropped[reason] += 1
                texts = (text.translate(ESCAPES) for text in row)
                reasons.append("\t".join([str(number), reason, *texts]) + "\n")
            else:
                kept.append((row, full))
        return self._pack(kept, dropped, "".join(reasons))

    def _pack(
        self, kept: list[tuple[Row, list[list[int]]]], dropped: Counter[str], reasons: str
    ) -> Chunk:
        """Put the lines kept end to end."""
        values = [[np.array(ids, self.dtype).tobytes() for ids in full] for _, full in kept]
        texts = [[line.encode() for line in row] for row, _ in kept]
        columns = [
            Column(
                np.frombuffer(b"".join(row[side] for row in values), self.dtype),
                np.array([len(full[side]) for _, full in kept], np.int64),
                np.frombuffer(b"".join(row[side] for row in texts), "uint8"),
                np.array([len(row[side]) for row in texts], np.int64),
            )
            for side in range(len(self.segmenters))
        ]
        hashed = b"".join(
            ids + b"\n" + text + b"\n"
            for row in zip(values, texts, strict=True)
            for ids, text in zip(*row, strict=True)
        )
        return Chunk(len(kept), columns, dropped, reasons, hashed)


def drop_reason(
    row: Row, ids: list[list[int]], full: list[list[int]], config: EncodeConfig
) -> str | None:
    """Say why training cannot use a line, if it cannot.

    Args:
        full: The ids behind their tags.
    """
    if not all(line.strip() for line in row) or not all(ids):
        return "empty"
    if max(map(len, full)) > config.max_pieces:
        return "too long"
    return None
