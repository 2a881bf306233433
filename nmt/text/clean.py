"""Drop damaged and unlikely pairs from parallel text, and keep a record of each."""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nmt.errors import ConfigError, DataError
from nmt.text.config import CleanConfig
from nmt.text.lines import STANDARD, encode_line, open_output, read_lines, shown_path
from nmt.text.rules import RULES

DUPLICATE = "duplicate"  # tried last, so that only kept pairs are remembered
KEPT = "kept"
REASONS = (*RULES, DUPLICATE)
ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\r": r"\r"})


@dataclass(frozen=True, slots=True)
class Kept:
    """A pair that passed every rule."""

    number: int
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """A pair that a rule objected to; `reason` is among REASONS, or the kind of a listed fault."""

    number: int
    reason: str
    detail: str
    source: str
    target: str


def clean_pairs(
    pairs: Iterable[tuple[str, str]],
    config: CleanConfig,
    faults: Mapping[int, "Dropped"] | None = None,
) -> Iterator[Kept | Dropped]:
    """Judge each pair, in order, numbered from 1.

    Args:
        faults: Lines that are dropped as well, by number.

    Memory grows by one hash of 16 bytes for a kept pair, and not at all if duplicates may stay.
    """
    seen: set[bytes] = set()
    for number, (source, target) in enumerate(pairs, start=1):
        reason, detail = judge(source, target, config)
        if not reason and faults and (fault := faults.get(number)):
            refuse_other_text(fault, source, target)
            reason, detail = fault.reason, fault.detail
        if not reason and config.drop_duplicates and is_repeated(source, target, seen):
            reason, detail = DUPLICATE, "the same pair was kept before"
        if reason:
            yield Dropped(number, reason, detail, source, target)
        else:
            yield Kept(number, source, target)


def judge(source: str, target: str, config: CleanConfig) -> tuple[str, str]:
    """Return the name and the words of the first rule that objects; both empty if none does."""
    for name, rule in RULES.items():
        if detail := rule(source, target, config):
            return name, detail
    return "", ""


def is_repeated(source: str, target: str, seen: set[bytes]) -> bool:
    """Say whether a pair was seen, and remember it."""
    # A line holds no line end, so that the joint text has one reading.
    key = hashlib.blake2b(f"{source}\n{target}".encode(), digest_size=16).digest()
    if key in seen:
        return True
    seen.add(key)
    return False


def read_faults(path: str | Path) -> dict[int, Dropped]:
    """Read lines at fault, as `spell` writes them; of several faults of a line the first.

    Texts stay as they are spelt.

    Raises:
        DataError: A line of the file is something else.
    """
    faults: dict[int, Dropped] = {}
    for place, line in enumerate(read_lines(path), start=1):
        number, *rest = line.split("\t")
        if len(rest) != 4 or not (number.isascii() and number.isdecimal()):
            raise DataError(
                f"{shown_path(path)}, line {place}: no line number, kind, detail, source and "
                "target between tabs; nmt check data --faults writes them"
            )
        faults.setdefault(int(number), Dropped(int(number), *rest))
    return faults


def refuse_other_text(fault: Dropped, source: str, target: str) -> None:
    """Refuse a list of faults that was made from another text.

    Raises:
        DataError: The pair is another than the list says; a run of lines is listed without pairs.
    """
    listed = fault.source, fault.target
    if any(listed) and listed != (source.translate(ESCAPES), target.translate(ESCAPES)):
        raise DataError(
            f"the list of faults has another text in line {fault.number:,}; "
            "make it again from this text with nmt check data --faults"
        )


def write_cleaned(
    results: Iterable[Kept | Dropped], kept: Sequence[str | Path], reasons: str | Path
) -> Counter[str]:
    """Write kept pairs and dropped ones, all files whole or none at all.

    Args:
        kept: Two files, one for each side, or one for both with a tab between.
        reasons: Tab-separated number, reason, detail, source and target of each dropped pair,
            with tabs, carriage returns and backslashes spelt `\\t`, `\\r` and `\\\\`.

    Returns:
        How many pairs each reason dropped, and how many were kept.
    """
    refuse_shared([*kept, reasons])
    counts: Counter[str] = Counter()
    with contextlib.ExitStack() as stack:
        *outputs, record = [stack.enter_context(open_output(path)) for path in (*kept, reasons)]
        for result in results:
            if isinstance(result, Dropped):
                record.write(encode_line(spell(result)))
                counts[result.reason] += 1
            else:
                write_pair(result, outputs)
                counts[KEPT] += 1
        for stream in (*outputs, record):
            stream.flush()  # so that a full disk is found before the first file takes its name
    return counts


def refuse_shared(paths: Sequence[str | Path]) -> None:
    """Refuse to write two outputs to one file."""
    names = [STANDARD if str(path) == STANDARD else str(Path(path).resolve()) for path in paths]
    for name, path in zip(names, paths, strict=True):
        if names.count(name) > 1 and name != "/dev/null":
            raise ConfigError(f"two outputs would be written to {path}; give each its own file")


def write_pair(pair: Kept, outputs: Sequence[IO[bytes]]) -> None:
    """Write the sides to a file each, or to one with a tab between."""
    sides = (pair.source, pair.target)
    lines = sides if len(outputs) == 2 else ("\t".join(sides),)
    for stream, line in zip(outputs, lines, strict=True):
        stream.write(encode_line(line))


def spell(dropped: Dropped) -> str:
    """Make the line of the reasons file for one pair."""
    columns = (dropped.reason, dropped.detail, dropped.source, dropped.target)
    return "\t".join([str(dropped.number), *(text.translate(ESCAPES) for text in columns)])


def summary(counts: Counter[str]) -> list[str]:
    """Make a table of how many pairs were dropped, for each reason, and how many kept."""
    total = counts.total()
    return [
        f"{name:<16}{counts[name]:>12,}{counts[name] / total:>8.1%}"
        for name in dict.fromkeys([*REASONS, *sorted(counts.keys() - {KEPT}), KEPT])
        if counts[name]
    ]
