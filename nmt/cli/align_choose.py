"""`nmt align --choose`: how good each head is on a development set, and links drawn by people."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nmt.alignment.head import ALIGN, Choice, save_choice
from nmt.alignment.links import Gold, parse_gold, turned
from nmt.cli.pairs import Passed, Row
from nmt.errors import DataError

if TYPE_CHECKING:
    from nmt.forced.choosing import Trial
    from nmt.forced.reader import Pair, Reader

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """What aligns: one model, or two of opposite directions.

    Attributes:
        passed: What to do about pairs that they cannot read.
    """

    models: "list[str]"
    readers: "list[Reader]"
    passed: Passed


class GoldLines:
    """Links drawn by people, read beside the pairs.

    Attributes:
        path: Where they are, if anywhere.
    """

    def __init__(self, path: str | None) -> None:
        from nmt.text.lines import read_lines, shown_path

        self.path = path
        self._name = shown_path(path) if path else ""
        self._lines = read_lines(path) if path else None

    def take(self, number: int, row: Row) -> Gold | None:
        """Read those of the next pair.

        Raises:
            DataError: There are none, or they are not of this pair.
        """
        from nmt.text.words import word_spans

        if self._lines is None:
            return None
        line = next(self._lines, None)
        if line is None:
            raise DataError(f"{self._name} has {number - 1:,} lines, but there are more pairs")
        sizes = len(word_spans(row[0])), len(word_spans(row[1]))
        return parse_gold(line, f"{self._name}, line {number}", sizes)

    def refuse_more(self, done: int) -> None:
        """Raise DataError where links are left over."""
        if self._lines is not None and next(self._lines, None) is not None:
            raise DataError(f"there are {done:,} pairs, but {self._name} has more lines")


def chosen(task: Task, groups: Iterable[list[Row]], drawn: GoldLines) -> Iterator[str]:
    """Rank all heads, write them as a table, best first, and keep the best of each model."""
    from nmt.forced.choosing import try_heads
    from nmt.model.directory import resolve
    from nmt.tables import table

    rows = [row for group in groups for row in group]
    gold = [drawn.take(number, row) for number, row in enumerate(rows, 1)]
    drawn.refuse_more(len(rows))
    sides, kept = read_by_all(task, rows)
    trials = [try_heads(reader, pairs) for reader, pairs in zip(task.readers, sides, strict=True)]
    ranked = rank(trials, sides, [gold[place] for place in kept])
    yield from table([facts(each) for each in ranked[0]])
    for model, choices in zip(task.models, ranked, strict=True):
        folder = resolve(model)
        save_choice(folder, choices[0])
        log.info("%s: %s (%s)", folder / ALIGN, choices[0].head, choices[0].told)


def read_by_all(task: Task, rows: Sequence[Row]) -> "tuple[list[list[Pair]], list[int]]":
    """Cut pairs as each model does, and keep those with text that all of them can read.

    Returns:
        The pairs of each model, and the places that they had among the rows.
    """
    from nmt.forced.reader import Pair

    cut = []
    for number, reader in enumerate(task.readers):
        cut.append(reader.cut([row[::-1] for row in rows] if number else rows, 1))
        task.passed.check(cut[-1])
    kept = [
        place
        for place, both in enumerate(zip(*cut, strict=True))
        if all(isinstance(each, Pair) and each.source.ids and each.target.ids for each in both)
    ]
    fit = [[side[place] for place in kept] for side in cut]
    return [[pair for pair in side if isinstance(pair, Pair)] for side in fit], kept


def rank(
    trials: "list[list[Trial]]", sides: "list[list[Pair]]", gold: Sequence[Gold | None]
) -> list[list[Choice]]:
    """Rank the heads of each model by what there is: gold links, two directions, or the pairs."""
    from nmt.forced.choosing import by_agreement, by_gold, by_information

    known = [each for each in gold if each is not None]
    if known:
        other = [Gold(turned(each.sure), turned(each.possible)) for each in known]
        return [by_gold(each, drawn) for each, drawn in zip(trials, (known, other), strict=False)]
    if len(trials) == 2:
        return list(by_agreement(*trials))
    return [by_information(trials[0], sides[0])]


def facts(choice: Choice) -> dict[str, Any]:
    """Give a line of the table."""
    head = "mean" if choice.head.head is None else str(choice.head.head)
    return {
        "layer": choice.head.layer,
        "head": head,
        "position": choice.head.position,
        choice.criterion: choice.value,
    }
