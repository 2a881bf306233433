"""Text in which each line is cut: pieces, or their ids, separated by spaces."""

from collections.abc import Iterator
from pathlib import Path

from nmt.errors import DataError
from nmt.text.lines import read_lines, shown_path
from nmt.text.segmenter import Segmenter


def cut_lines(path: str | Path, segmenter: Segmenter, *, ids: bool = False) -> Iterator[str]:
    """Cut each line of a text."""
    for line in read_lines(path):
        yield " ".join(map(str, segmenter.encode(line)) if ids else segmenter.pieces(line))


def join_lines(path: str | Path, segmenter: Segmenter, *, ids: bool = False) -> Iterator[str]:
    """Join each line of a cut text.

    Raises:
        DataError: An id is no number or not the model's, or a line would become two.
    """
    for number, line in enumerate(read_lines(path), start=1):
        where = f"{shown_path(path)}, line {number}"
        words = [word for word in line.split(" ") if word]
        if ids:
            text = segmenter.decode([parse_id(word, segmenter.vocab_size, where) for word in words])
        else:
            text = segmenter.join(words)
        if "\n" in text:
            raise DataError(f"{where}: its pieces hold a line end, which one line cannot")
        yield text


def parse_id(word: str, vocab_size: int, where: str) -> int:
    """Read the id of a piece, or say what is wrong with it."""
    if not (word.isascii() and word.isdecimal()):
        raise DataError(f"{where}: {word!r} is no id; leave out --ids to join pieces")
    if int(word) >= vocab_size:
        raise DataError(f"{where}: id {word} is beyond the {vocab_size:,} pieces of the model")
    return int(word)
