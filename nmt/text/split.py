"""Set development and test pairs apart, so that training sees neither side of any of them.

A pair that is set apart takes with it, out of training, every pair that shares a side with it.
Sides are compared as `key_of` spells them. Which pairs are chosen depends on the seed and on the
text of each pair alone, not on the order of lines; one source has one chance, however often it
occurs.
"""

import contextlib
import hashlib
import heapq
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from nmt.errors import ConfigError, DataError
from nmt.files import atomic_folder
from nmt.text.clean import Dropped, spell
from nmt.text.config import SplitConfig
from nmt.text.folding import key_of
from nmt.text.lines import STANDARD, encode_line, shown_path
from nmt.text.rules import count_words

Pairs = Iterable[tuple[str, str]]
Read = Callable[[], Pairs]

TRAIN, DEV, TEST = "train", "dev", "test"
PARTS = (TRAIN, DEV, TEST)
SOURCE_HELD_OUT, TARGET_HELD_OUT = "source-held-out", "target-held-out"
REASONS = (SOURCE_HELD_OUT, TARGET_HELD_OUT)
DROPPED = "dropped.tsv"
SPARE = 2  # candidates for each pair wanted, since some share a target

log = logging.getLogger(__name__)


class Candidate(NamedTuple):
    """A pair that may be set apart; the lowest are.

    Attributes:
        one_word: Whether a side has a single word, which tests little.
        rank: Random, the same for all pairs of one source.
        tie: Random, the same for equal pairs alone.
    """

    one_word: bool
    rank: bytes
    tie: bytes
    source: str
    target: str


@dataclass(frozen=True)
class HeldOut:
    """The pairs that are set apart, by set.

    Attributes:
        pairs: The set of each pair.
        sources: The set of each source, as `key_of` spells it.
        targets: The set of each target, likewise.
    """

    pairs: dict[tuple[str, str], str]
    sources: dict[str, str]
    targets: dict[str, str]


def refuse_streams(paths: Iterable[str | Path]) -> None:
    """Refuse what cannot be read twice.

    Raises:
        DataError: A text is standard input, a pipe, or a device.
    """
    for path in paths:
        once = Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir()
        if str(path) == STANDARD or once:
            raise DataError(
                f"{shown_path(path)} can be read only once, but a split reads its text twice; "
                "save it to a file and name that"
            )


def split_pairs(read: Read, folder: Path, config: SplitConfig) -> Counter[str]:
    """Write `train.source`, `train.target`, the same for dev and test, and `dropped.tsv`.

    Memory grows with the pairs that are set apart, not with the text. Lines keep their order.

    Args:
        read: Gives the pairs from the first on, whenever it is called.
        folder: Appears only when complete.

    Returns:
        How many pairs are in each set, and how many each reason dropped.

    Raises:
        ConfigError: Too few pairs would be left to train on.
        DataError: The folder exists or cannot be written, or the text changes meanwhile.
    """
    with atomic_folder(folder) as aside:
        held_out = choose(read, config)
        counts = write_parts(read(), aside, held_out)
        refuse_little(counts, config)
    return counts


def choose(read: Read, config: SplitConfig) -> HeldOut:
    """Choose pairs of which no two share a side.

    The text is read once, and again only if most of the candidates share their targets.
    """
    wanted = config.dev + config.test
    pool = SPARE * wanted
    while True:
        candidates, usable = lowest(read(), config.seed, pool)
        refuse_many(usable, config)
        chosen = apart(candidates, wanted)
        if len(chosen) == wanted:
            return held_out_of(chosen, config)
        if len(candidates) < pool:  # there are no others
            raise ConfigError(
                f"split.dev + split.test = {wanted:,}, but only {len(chosen):,} pairs were found "
                "that share no side with one another; lower --dev or --test"
            )
        pool *= 8


def lowest(pairs: Pairs, seed: int, size: int) -> tuple[list[Candidate], int]:
    """Return the lowest candidates in order, at most one for each source, and count all pairs.

    Pairs with a side that holds no text are no candidates and not counted.
    """
    best: dict[bytes, Candidate] = {}
    usable = 0
    for source, target in pairs:
        if not source.strip() or not target.strip():
            continue
        usable += 1
        new = candidate(source, target, seed)
        best[new.rank] = min(best.get(new.rank, new), new)
        if len(best) > 2 * size:
            # What is cut off is above so many others, and would stay so whatever comes.
            best = {each.rank: each for each in heapq.nsmallest(size, best.values())}
    return heapq.nsmallest(size, best.values()), usable


def candidate(source: str, target: str, seed: int) -> Candidate:
    """Give a pair its place in the order of choice."""
    one_word = min(count_words(source), count_words(target)) < 2
    rank, tie = digest(seed, key_of(source)), digest(seed, source, target)
    return Candidate(one_word, rank, tie, source, target)


def digest(seed: int, *lines: str) -> bytes:
    """Turn lines into random bytes, the same ones for the same lines and seed."""
    return hashlib.blake2b("\n".join([str(seed), *lines]).encode(), digest_size=16).digest()


def apart(candidates: Iterable[Candidate], wanted: int) -> list[Candidate]:
    """Take candidates in order, leaving out those that share a target with one taken."""
    taken: dict[str, Candidate] = {}
    for each in candidates:
        if len(taken) < wanted:
            taken.setdefault(key_of(each.target), each)
    return list(taken.values())


def held_out_of(chosen: list[Candidate], config: SplitConfig) -> HeldOut:
    """Share the chosen pairs out; the test set comes first, so that it outlives a change of dev."""
    if one_word := sum(each.one_word for each in chosen):
        log.warning(
            f"{one_word:,} of the {len(chosen):,} pairs set apart have a side of a single word, "
            "for want of others"
        )
    held_out = HeldOut({}, {}, {})
    for place, each in enumerate(chosen):
        name = TEST if place < config.test else DEV
        held_out.pairs[each.source, each.target] = name
        held_out.sources[key_of(each.source)] = name
        held_out.targets[key_of(each.target)] = name
    return held_out


def write_parts(pairs: Pairs, folder: Path, held_out: HeldOut) -> Counter[str]:
    """Write each pair to its set, or to the record of those that were dropped."""
    counts: Counter[str] = Counter()
    missing = dict(held_out.pairs)
    with open_parts(folder, {TRAIN, *missing.values()}) as (parts, record):
        for number, pair in enumerate(pairs, start=1):
            name, detail = judge(pair, held_out, missing)
            counts[name] += 1
            if name in REASONS:
                record.write(encode_line(spell(Dropped(number, name, detail, *pair))))
                continue
            for stream, line in zip(parts[name], pair, strict=True):
                stream.write(encode_line(line))
    if missing:
        raise DataError("the text changed while it was read; split it again when it is complete")
    return counts


def judge(
    pair: tuple[str, str], held_out: HeldOut, missing: dict[tuple[str, str], str]
) -> tuple[str, str]:
    """Give the set of a pair, or the reason for dropping it and the words that explain it.

    Args:
        missing: The pairs of `held_out` that have not come yet: of equal ones the first counts.
    """
    if name := missing.pop(pair, ""):
        return name, ""
    if name := held_out.sources.get(key_of(pair[0]), ""):
        return SOURCE_HELD_OUT, f"the source of a {name} pair"
    if name := held_out.targets.get(key_of(pair[1]), ""):
        return TARGET_HELD_OUT, f"the target of a {name} pair"
    return TRAIN, ""


@contextlib.contextmanager
def open_parts(
    folder: Path, names: Iterable[str]
) -> Iterator[tuple[dict[str, list[IO[bytes]]], IO[bytes]]]:
    """Open two files for each set, and the record."""
    with contextlib.ExitStack() as stack:
        parts: dict[str, list[IO[bytes]]] = {
            name: [
                stack.enter_context((folder / f"{name}.{side}").open("wb"))
                for side in ("source", "target")
            ]
            for name in names
        }
        yield parts, stack.enter_context((folder / DROPPED).open("wb"))


def refuse_many(usable: int, config: SplitConfig) -> None:
    """Refuse to set apart as many pairs as there would be to train on."""
    wanted = config.dev + config.test
    if wanted >= usable / 2:
        raise ConfigError(
            f"split.dev + split.test = {wanted:,}, but the text has {usable:,} pairs with both "
            "sides, and more than half must be left to train on; lower --dev or --test"
        )


def refuse_little(counts: Counter[str], config: SplitConfig) -> None:
    """Refuse a split that leaves no more to train on than it sets apart."""
    wanted, lost = config.dev + config.test, sum(counts[reason] for reason in REASONS)
    if counts[TRAIN] <= wanted:
        raise ConfigError(
            f"only {counts[TRAIN]:,} pairs would be left to train on, as {lost:,} share a side "
            f"with one of the {wanted:,} that are set apart; lower --dev or --test"
        )
