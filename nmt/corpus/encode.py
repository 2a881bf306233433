"""Text to an encoded corpus, as a stream."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np

from nmt.corpus.config import EncodeConfig
from nmt.corpus.encoded import FORMAT, SIDES, CorpusRecord
from nmt.corpus.store import RaggedWriter
from nmt.errors import DataError
from nmt.files import atomic_folder, write_json
from nmt.text.clean import ESCAPES
from nmt.text.segmenter import Segmenter

MAX_LINE_BYTES = 1_000_000
LINES_AT_ONCE = 1024

Row = tuple[str, ...]  # a line of monolingual text, or a source and its target


def encode_corpus(
    rows: Iterable[Row], segmenters: list[Segmenter], folder: Path, config: EncodeConfig
) -> CorpusRecord:
    """Encode lines, dropping what training cannot use with the reason on file.

    Args:
        rows: As many texts each as there are segmenters: (source,) or (source, target).
        folder: Appears only when complete; one that exists is replaced.

    Raises:
        DataError: A line is absurdly long, nothing is left, or the folder cannot be written.
    """
    sides = SIDES[: len(segmenters)]
    with atomic_folder(folder, replace=True) as aside:
        with Writer(aside, sides, segmenters) as writer:
            for number, row, ids in encoded_rows(rows, segmenters):
                writer.add(number, row, ids, drop_reason(row, ids, config))
        if not writer.lines:
            raise DataError(nothing_left(writer.dropped, folder))
        for side, segmenter in zip(sides, segmenters, strict=True):
            segmenter.save(aside / f"{side}.model")
        record = writer.record()
        write_json(aside / "corpus.json", record.table())
    return record


def nothing_left(dropped: Counter[str], folder: Path) -> str:
    """Say why there is nothing to train on."""
    if not dropped:
        return f"the text is empty; {folder} is not written"
    counts = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
    return f"no line can be used ({counts}); {folder} is not written"


def encoded_rows(
    rows: Iterable[Row], segmenters: list[Segmenter]
) -> Iterator[tuple[int, Row, list[list[int]]]]:
    """Segment rows, many at once, and number them from 1."""
    numbered = enumerate(rows, start=1)
    while chunk := list(islice(numbered, LINES_AT_ONCE)):
        for number, row in chunk:
            refuse_absurd(number, row)
        columns = [
            segmenter.encode_lines([row[side] for _, row in chunk])
            for side, segmenter in enumerate(segmenters)
        ]
        for (number, row), *ids in zip(chunk, *columns, strict=True):
            yield number, row, ids


def refuse_absurd(number: int, row: Row) -> None:
    """Stop at a line that shows the file to be something else than sentences."""
    for side, line in zip(SIDES, row, strict=False):
        size = len(line.encode("utf-8"))
        if size >= MAX_LINE_BYTES:
            raise DataError(
                f"line {number} of the {side} is {size:,} bytes long; a line is a sentence, of "
                f"less than {MAX_LINE_BYTES:,} bytes: split it or remove it (nmt clean does)"
            )


def drop_reason(row: Row, ids: list[list[int]], config: EncodeConfig) -> str | None:
    """Say why training cannot use a line, if it cannot."""
    if not all(line.strip() for line in row) or not all(ids):
        return "empty"
    if max(map(len, ids)) > config.max_pieces:
        return "too long"
    return None


class Writer:
    """Write kept lines to the folder's files, dropped ones to `dropped.tsv`, spelt as in clean."""

    def __init__(self, folder: Path, sides: tuple[str, ...], segmenters: list[Segmenter]) -> None:
        self.lines = 0
        self.dropped: Counter[str] = Counter()
        self._folder = folder
        self._pieces: Counter[str] = Counter()
        self._segmenters = dict(zip(sides, segmenters, strict=True))
        largest = max(segmenter.vocab_size for segmenter in segmenters)
        self._dtype = "uint16" if largest <= 2**16 else "uint32"
        self._hash = hashlib.sha256()
        self._stack = ExitStack()

    def __enter__(self) -> "Writer":
        enter = self._stack.enter_context
        self._reasons: TextIO = enter((self._folder / "dropped.tsv").open("w", encoding="utf-8"))
        self._files = {
            side: (
                enter(RaggedWriter(self._folder, f"{side}.ids", self._dtype)),
                enter(RaggedWriter(self._folder, f"{side}.text", "uint8")),
            )
            for side in self._segmenters
        }
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, number: int, row: Row, ids: list[list[int]], reason: str | None) -> None:
        """Write one line where it belongs."""
        if reason:
            self.dropped[reason] += 1
            texts = (text.translate(ESCAPES) for text in row)
            self._reasons.write("\t".join([str(number), reason, *texts]) + "\n")
            return
        self.lines += 1
        for side, line, sequence in zip(self._files, row, ids, strict=True):
            id_file, text_file = self._files[side]
            values, text = np.array(sequence, id_file.dtype), np.frombuffer(line.encode(), "uint8")
            id_file.append(values)
            text_file.append(text)
            self._pieces[side] += len(sequence)
            self._hash.update(values.tobytes() + b"\n" + text.tobytes() + b"\n")

    def record(self) -> CorpusRecord:
        """Describe what was written."""
        return CorpusRecord(
            format=FORMAT,
            sides=list(self._segmenters),
            lines=self.lines,
            dropped=dict(self.dropped),
            pieces=dict(self._pieces),
            vocab_sizes={side: model.vocab_size for side, model in self._segmenters.items()},
            dtype=self._dtype,
            segmenters={side: model.sha256 for side, model in self._segmenters.items()},
            content=self._hash.hexdigest(),
        )
