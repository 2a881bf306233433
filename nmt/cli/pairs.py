"""Parallel text as a command's input: two files, or one of two columns."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from nmt.errors import DataError

if TYPE_CHECKING:
    from nmt.forced.reader import Pair, Unfit
    from nmt.forced.reading import Details, Reading

log = logging.getLogger(__name__)

Row = tuple[str, str]

tsv_option = click.option("--tsv", is_flag=True, help="SOURCE holds both sides, a tab between.")
skip_option = click.option(
    "--skip", is_flag=True, help="Pass over pairs that MODEL cannot read, rather than stop there."
)


def refuse_ambiguous(target: str | None, tsv: bool) -> None:
    """Refuse a target that is missing, or is there twice."""
    if tsv and target:
        raise click.UsageError("--tsv takes one file, which holds both sides")
    if not tsv and not target:
        raise click.UsageError("SOURCE needs its TARGET, or --tsv with both in one file")


def row_groups(source: str, target: str | None, done: str) -> Iterator[list[Row]]:
    """Group pairs, with progress: those of files by number alone, so that batches depend on no
    clock; others as they arrive.
    """
    from nmt.text.arrival import arriving
    from nmt.text.lines import read_pairs, read_tsv
    from nmt.translate import LINES_AT_ONCE

    rows: Iterable[Row] = read_pairs(source, target) if target else read_tsv(source)
    quiet = None if log.isEnabledFor(logging.INFO) else True  # None: only at a terminal
    with tqdm(desc=done, unit=" lines", disable=quiet) as bar:
        if all(Path(path).is_file() for path in (source, target) if path):
            groups = in_groups(iter(rows), LINES_AT_ONCE)
        else:
            groups = arriving(rows, LINES_AT_ONCE)
        for group in groups:
            yield group
            bar.update(len(group))


def in_groups(rows: Iterator[Row], most: int) -> Iterator[list[Row]]:
    """Cut pairs into groups of a fixed number."""
    while group := list(islice(rows, most)):
        yield group


class Passed:
    """Refuse pairs that a model cannot read, or count them where they may be passed over."""

    def __init__(self, allowed: bool) -> None:
        self.allowed = allowed
        self.numbers: set[int] = set()

    def check(self, pairs: "Sequence[Pair | Unfit]") -> None:
        """Look at some pairs.

        Raises:
            DataError: One cannot be read, and may not be passed over.
        """
        from nmt.forced.reader import Unfit

        for pair in pairs:
            if isinstance(pair, Unfit):
                if not self.allowed:
                    raise DataError(f"{pair}; --skip passes over such pairs")
                self.numbers.add(pair.number)

    def report(self) -> None:
        """Say how many there were."""
        if self.numbers:
            count = f"{len(self.numbers):,}"
            log.warning("passed over %s pairs, which the model cannot read", count)


def readings_of(
    tell: "Details", rows: Sequence[Row], first_number: int, passed: Passed, *, known: bool
) -> "list[Reading | Unfit]":
    """Read raw pairs, in order, all but those that are passed over.

    Args:
        known: They are scored: targets may hold no characters that the model lacks.
    """
    from nmt.forced.reader import Pair
    from nmt.forced.reading import read_pairs

    cut = tell.reader.cut(rows, first_number, known=known)
    passed.check(cut)
    fit = [pair for pair in cut if isinstance(pair, Pair)]
    readings = iter(read_pairs(tell.reader, fit, tell.head))
    return [next(readings) if isinstance(pair, Pair) else pair for pair in cut]
