"""Text to an encoded corpus, as a stream."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TextIO

from nmt.corpus.chunks import Chunk, ChunkEncoder, Row
from nmt.corpus.config import EncodeConfig
from nmt.corpus.encoded import FORMAT, SIDES, CorpusRecord
from nmt.corpus.store import RaggedWriter
from nmt.corpus.workers import encode_chunks
from nmt.errors import DataError
from nmt.files import atomic_folder, write_sealed
from nmt.text.segmenter import Segmenter

MAX_LINE_BYTES = 1_000_000
LINES_AT_ONCE = 1024


def encode_corpus(
    rows: Iterable[Row],
    segmenters: list[Segmenter],
    folder: Path,
    config: EncodeConfig,
    workers: int = 1,
) -> CorpusRecord:
    """Encode lines, dropping what training cannot use with the reason on file.

    Args:
        rows: As many texts each as there are segmenters: (source,) or (source, target).
        folder: Appears only when complete; one that exists is replaced.
        workers: Processes that segment; the corpus is the same for any number.

    Raises:
        DataError: A line is absurdly long, a tag is no piece, nothing is left, or the folder
            cannot be written.
    """
    tags = [segmenters[0].tag_ids(config.source_tag), []][: len(segmenters)]
    encoder = ChunkEncoder(segmenters, tags, config, smallest_type(segmenters))
    with atomic_folder(folder, replace=True) as aside:
        with Writer(aside, encoder) as writer:
            for chunk in encode_chunks(numbered_chunks(rows), encoder, workers):
                writer.add(chunk)
        if not writer.lines:
            raise DataError(nothing_left(writer.dropped, folder))
        for side, segmenter in zip(writer.sides, segmenters, strict=True):
            segmenter.save(aside / f"{side}.model")
        record = writer.record()
        write_sealed(aside / "corpus.json", record.table())
    return record


def smallest_type(segmenters: Sequence[Segmenter]) -> str:
    """Choose the type that holds all ids."""
    largest = max(segmenter.vocab_size for segmenter in segmenters)
    return "uint16" if largest <= 2**16 else "uint32"


def nothing_left(dropped: Counter[str], folder: Path) -> str:
    """Say why there is nothing to train on."""
    if not dropped:
        return f"the text is empty; {folder} is not written"
    counts = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
    return f"no line can be used ({counts}); {folder} is not written"


def numbered_chunks(rows: Iterable[Row]) -> Iterator[tuple[int, list[Row]]]:
    """Take many rows at once, with the number of the first, counted from 1."""
    stream, done = iter(rows), 0
    while chunk := list(islice(stream, LINES_AT_ONCE)):
        for number, row in enumerate(chunk, start=done + 1):
            refuse_absurd(number, row)
        yield done + 1, chunk
        done += len(chunk)


def refuse_absurd(number: int, row: Row) -> None:
    """Stop at a line that shows the file to be something else than sentences."""
    for side, line in zip(SIDES, row, strict=False):
        size = len(line.encode("utf-8")) if 4 * len(line) >= MAX_LINE_BYTES else 0
        if size >= MAX_LINE_BYTES:
            raise DataError(
                f"line {number} of the {side} is {size:,} bytes long; a line is a sentence, of "
                f"less than {MAX_LINE_BYTES:,} bytes: split it or remove it (nmt clean does)"
            )


class Writer:
    """Write kept lines to the folder's files, dropped ones to `dropped.tsv`, spelt as in clean."""

    def __init__(self, folder: Path, encoder: ChunkEncoder) -> None:
        self.lines = 0
        self.dropped: Counter[str] = Counter()
        self.sides = SIDES[: len(encoder.segmenters)]
        self._folder = folder
        self._encoder = encoder
        self._pieces: Counter[str] = Counter()
        self._longest = dict.fromkeys(self.sides, 0)
        self._hash = hashlib.sha256()
        self._stack = ExitStack()

    def __enter__(self) -> "Writer":
        enter = self._stack.enter_context
        self._reasons: TextIO = enter((self._folder / "dropped.tsv").open("w", encoding="utf-8"))
        self._files = {
            side: (
                enter(RaggedWriter(self._folder, f"{side}.ids", self._encoder.dtype)),
                enter(RaggedWriter(self._folder, f"{side}.text", "uint8")),
            )
            for side in self.sides
        }
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, chunk: Chunk) -> None:
        """Write lines where they belong."""
        self.dropped.update(chunk.dropped)
        self._reasons.write(chunk.reasons)
        self.lines += chunk.lines
        self._hash.update(chunk.hashed)
        for side, column in zip(self.sides, chunk.columns, strict=True):
            id_file, text_file = self._files[side]
            id_file.extend(column.ids, column.id_lengths)
            text_file.extend(column.text, column.text_lengths)
            self._pieces[side] += len(column.ids)
            longest = int(column.id_lengths.max(initial=0))
            self._longest[side] = max(self._longest[side], longest)

    def record(self) -> CorpusRecord:
        """Describe what was written."""
        models = dict(zip(self.sides, self._encoder.segmenters, strict=True))
        tags = self._encoder.config.source_tag
        return CorpusRecord(
            format=FORMAT,
            sides=list(self.sides),
            lines=self.lines,
            dropped=dict(self.dropped),
            pieces=dict(self._pieces),
            vocab_sizes={side: model.vocab_size for side, model in models.items()},
            dtype=self._encoder.dtype,
            segmenters={side: model.sha256 for side, model in models.items()},
            content=self._hash.hexdigest(),
            longest=self._longest,
            tags={SIDES[0]: list(tags)} if tags else {},
        )
