r"""The one reader and writer of text: UTF-8 lines, ended by `\n` alone.

Names that end in `.gz` or `.xz` are compressed; `-` is standard input or output.
"""

import contextlib
import functools
import gzip
import io
import itertools
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from nmt.errors import DataError
from nmt.files import atomic_write

STANDARD = "-"
BYTE_ORDER_MARK = "\ufeff"

Decode = Callable[[bytes, str, int], str]  # of a line: its bytes, the name of the text, its number


def read_lines(
    path: str | Path, *, strict: bool = True, decode: Decode | None = None
) -> Iterator[str]:
    r"""Read lines without their ends; a last line may lack its `\n`.

    Args:
        strict: Refuse carriage returns: they would make two tools count lines differently.
        decode: What turns bytes into text, in place of the rules below.

    Raises:
        DataError: The file is missing or a directory, is not UTF-8, holds a carriage return, or
            its compression is damaged. The message names the line, for bad UTF-8 the byte too.
    """
    name = shown_path(path)
    decode = decode or functools.partial(decode_line, strict=strict)
    with open_input(path) as stream:
        try:
            for number, raw in enumerate(stream, start=1):
                yield decode(raw, name, number)
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            raise DataError(f"cannot read {name}: {reason(error)}") from None


def shown_path(path: str | Path) -> str:
    """Name a text for messages."""
    return "standard input" if str(path) == STANDARD else str(path)


def decode_line(raw: bytes, name: str, number: int, *, strict: bool = True) -> str:
    """Turn the bytes of one line into text, or say which byte is wrong."""
    try:
        line = raw.removesuffix(b"\n").decode("utf-8")
    except UnicodeDecodeError as error:
        bad = raw[error.start]
        raise DataError(
            f"{name}, line {number}: byte {error.start + 1} (0x{bad:02x}) is not UTF-8; "
            "convert the file with iconv"
        ) from None
    if strict and "\r" in line:
        column = line.index("\r") + 1
        raise DataError(
            f"{name}, line {number}: a carriage return at character {column}; lines end in "
            r"\n alone: remove it with tr -d '\r'"
        )
    return line


def without_mark(lines: Iterable[str]) -> Iterator[str]:
    """Drop the byte order mark that some editors write in front of a text."""
    for number, line in enumerate(lines):
        yield line if number else line.removeprefix(BYTE_ORDER_MARK)


@contextlib.contextmanager
def open_input(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a file, compressed or not, or standard input, for reading bytes.

    Raises:
        DataError: The file is missing, a directory, or may not be read.
    """
    if str(path) == STANDARD:
        yield sys.stdin.buffer
        return
    try:
        raw = Path(path).open("rb")  # noqa: SIM115 (closed below; here it would hide errors)
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from None
    with raw, decompressed(raw, str(path)) as stream:
        yield stream


def decompressed(raw: BinaryIO, name: str) -> IO[bytes]:
    """Wrap a stream by the ending of its name."""
    if name.endswith(".gz"):
        if not cast(io.BufferedReader, raw).peek(1):
            raise DataError(f"cannot read {name}: it is empty, which no compressed file is")
        return cast(IO[bytes], gzip.open(raw, "rb"))
    if name.endswith(".xz"):
        return cast(IO[bytes], lzma.open(raw, "rb", format=lzma.FORMAT_XZ))
    return raw


def reason(error: Exception) -> str:
    """Say shortly what the system said."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def read_pairs(
    source: str | Path, target: str | Path, *, strict: bool = True
) -> Iterator[tuple[str, str]]:
    """Read two texts line by line; `strict` as for `read_lines`.

    Raises:
        DataError: One text is longer (both counts are named), or both are standard input.
    """
    if str(source) == str(target) == STANDARD:
        raise DataError("only one of two parallel texts can be read from standard input")
    sources, targets = read_lines(source, strict=strict), read_lines(target, strict=strict)
    pairs = itertools.zip_longest(sources, targets)
    for number, (source_line, target_line) in enumerate(pairs):
        if source_line is None or target_line is None:
            total = number + 1 + sum(1 for _ in (targets if source_line is None else sources))
            counts = (number, total) if source_line is None else (total, number)
            raise DataError(
                f"{shown_path(source)} has {counts[0]:,} lines but "
                f"{shown_path(target)} has {counts[1]:,}; "
                f"parallel texts need as many on both sides"
            )
        yield source_line, target_line


def read_tsv(path: str | Path, *, strict: bool = True) -> Iterator[tuple[str, str]]:
    """Read source and target from two columns with a tab between; `strict` as for `read_lines`.

    Raises:
        DataError: A line has not exactly two columns.
    """
    for number, line in enumerate(read_lines(path, strict=strict), start=1):
        columns = line.split("\t")
        if len(columns) != 2:
            raise DataError(
                f"{shown_path(path)}, line {number}: "
                f"{len(columns)} columns, but parallel TSV needs 2"
            )
        yield columns[0], columns[1]


@contextlib.contextmanager
def open_output(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a file for bytes that appears only when complete, or standard output."""
    if str(path) == STANDARD:
        with standard_output() as stream:
            yield stream
        return
    with atomic_write(path) as raw, compressed(raw, str(path)) as stream:
        yield stream


@contextlib.contextmanager
def standard_output() -> Iterator[IO[bytes]]:
    """Write to standard output, all of it by the end, or say why that cannot be."""
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise  # a reader that has gone is no error
    except OSError as error:
        raise DataError(f"cannot write standard output: {reason(error)}") from error


@contextlib.contextmanager
def compressed(raw: BinaryIO, name: str) -> Iterator[IO[bytes]]:
    """Wrap a stream by the ending of its name; the same text gives the same bytes."""
    if name.endswith(".gz"):
        with gzip.GzipFile("", "wb", 9, raw, mtime=0) as stream:
            yield cast(IO[bytes], stream)
    elif name.endswith(".xz"):
        with lzma.open(raw, "wb") as stream:
            yield cast(IO[bytes], stream)
    else:
        yield raw


def write_lines(path: str | Path, lines: Iterable[str]) -> int:
    """Write lines, whole or not at all, and return how many.

    Raises:
        DataError: A line holds a line end, or the file cannot be written.
    """
    count = 0
    with open_output(path) as stream:
        for line in lines:
            stream.write(encode_line(line))
            count += 1
    return count


def encode_line(line: str) -> bytes:
    """Turn one line into bytes with its end."""
    if "\n" in line:
        raise DataError(f"a line may not hold a line end: {line[:60]!r}")
    return line.encode("utf-8") + b"\n"
