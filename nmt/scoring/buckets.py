"""Lines of a test set apart: by length, by the rarity of their words, by document."""

import bisect
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import regex

from nmt.text.rules import UNSPACED, count_words

LENGTHS = (1, 6, 11, 21, 41)  # words of the first reference at which a bucket begins
COUNTS = (0, 1, 10, 100, 1_000, 10_000)  # times that the rarest word was seen
NO_WORDS = "no words"

# Punctuation is no word, and a capital at the start of a sentence makes no rare one.
WORD = regex.compile(rf"[{UNSPACED}]|(?:(?![{UNSPACED}])[\p{{L}}\p{{M}}\p{{N}}])+")


@dataclass(frozen=True)
class Bucket:
    """Lines that have something in common.

    Attributes:
        numbers: Of the lines, from 0.
    """

    name: str
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Buckets:
    """A test set in parts.

    Attributes:
        kind: What tells the parts apart, in one word.
        about: The same for people.
    """

    kind: str
    about: str
    buckets: tuple[Bucket, ...]


def by_length(reference: Sequence[str]) -> Buckets:
    """Tell lines apart by the number of words of a reference."""
    about = "length: words of the first reference"
    return Buckets("length", about, grouped_by_size(map(count_words, reference), LENGTHS))


def by_rarity(source: Sequence[str], training: Iterable[str]) -> Buckets:
    """Tell lines apart by how often training saw the rarest word of the source.

    Words are runs of letters and digits, lower-cased; in scripts without spaces, characters.
    """
    wanted = {word for line in source for word in words(line)}
    seen = Counter(word for line in training for word in words(line) if word in wanted)
    rarest = (min((seen[word] for word in words(line)), default=-1) for line in source)
    about = "rarity: times that training saw the rarest word of the source"
    return Buckets("rarity", about, grouped_by_size(rarest, COUNTS))


def by_document(names: Sequence[str]) -> Buckets:
    """Tell lines apart by the name that stands for each; documents in order of appearance."""
    return Buckets("document", "document", grouped(names, list(dict.fromkeys(names))))


def words(line: str) -> list[str]:
    """Cut a line into words, lower-cased."""
    return WORD.findall(line.lower())


def grouped_by_size(sizes: Iterable[int], starts: Sequence[int]) -> tuple[Bucket, ...]:
    """Group lines by a number of theirs; below the first start, there was nothing to count."""
    labels = [NO_WORDS, *map(ranged, starts, [*starts[1:], None])]
    return grouped([labels[bisect.bisect(starts, size)] for size in sizes], labels)


def ranged(start: int, after: int | None) -> str:
    """Name a range of numbers."""
    if after is None:
        return f"{start}+"
    return f"{start}" if after == start + 1 else f"{start}-{after - 1}"


def grouped(labels: Sequence[str], order: Sequence[str]) -> tuple[Bucket, ...]:
    """Put lines of one label into a bucket; labels that no line has make none."""
    numbers: dict[str, list[int]] = {label: [] for label in order}
    for number, label in enumerate(labels):
        numbers[label].append(number)
    return tuple(Bucket(name, tuple(found)) for name, found in numbers.items() if found)
