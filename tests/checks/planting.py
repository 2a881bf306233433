"""Faults of every kind, planted in text that is sound."""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

Pair = tuple[str, str]

CYRILLIC = str.maketrans(
    "abcdefghijklmnoprstuvwyzABCDEFGHIJKLMNOPRSTUVWYZ",
    "абкдефгхийклмнопрстувъызАБКДЕФГХИЙКЛМНОПРСТУВЪЫЗ",
)
CONTROLS = "\x00\x07\x1b\x8d\ufffd\ufeff\u2028"
STRANGE = "☃漢☂字"
SHIFTS = (1, -1, 2, -2, 3, -4, 5, None)  # None: in no order
LONGEST_PLANTED = 60


@dataclass
class Planted:
    """Text with faults.

    Attributes:
        faults: The lines at fault of each kind, counted from 1; runs for drift.
        test: The test set, of which some lines were planted.
    """

    pairs: list[Pair]
    test: list[Pair]
    faults: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


def plant(pairs: list[Pair], test: list[Pair], each: int, seed: int = 1) -> Planted:
    """Plant so many faults of each kind, none in the same line as another."""
    rng = random.Random(seed)
    text = Planted(list(pairs), test)
    text.faults["drift"] = plant_runs(text.pairs, each, rng)
    taken = {n for first, last in text.faults["drift"] for n in range(first - 1, last)}
    # Later lines only, so that repeats have something to repeat.
    places = [place for place in range(len(pairs) // 10, len(pairs)) if place not in taken]
    rng.shuffle(places)
    for kind, spoil in SPOILERS.items():
        found: list[tuple[int, int]] = []
        while len(found) < each:
            place = places.pop()
            spoilt = spoil(text, place, taken, rng)
            if spoilt is not None:
                text.pairs[place] = spoilt
                taken.add(place)
                found.append((place + 1, place + 1))
        text.faults[kind] = found
    return text


def plant_runs(pairs: list[Pair], each: int, rng: random.Random) -> list[tuple[int, int]]:
    """Make the targets of some runs slip."""
    room = len(pairs) // each
    runs = []
    for number, shift in zip(range(each), itertools.cycle(SHIFTS), strict=False):
        size = rng.randint(20, min(LONGEST_PLANTED, room // 2))
        begin = number * room + rng.randrange(room - size)
        targets = [target for _, target in pairs[begin : begin + size]]
        if shift is None:
            half = rng.sample(range(size), size)
            order = dict(zip(half, [*half[1:], half[0]], strict=True))  # none stays
            slipped = [targets[order[place]] for place in range(size)]
        else:
            slipped = targets[shift:] + targets[:shift]
        for place, target in enumerate(slipped, begin):
            pairs[place] = pairs[place][0], target
        runs.append((begin + 1, begin + size))
    return runs


Spoiler = Callable[[Planted, int, set[int], random.Random], Pair | None]


def empty(text: Planted, place: int, taken: set[int], rng: random.Random) -> Pair | None:
    source, target = text.pairs[place]
    return rng.choice([("", target), (source, ""), (source, "  "), ("", "")])


def control(text: Planted, place: int, taken: set[int], rng: random.Random) -> Pair | None:
    source, target = text.pairs[place]
    cut = rng.randrange(len(target))
    return source, target[:cut] + rng.choice(CONTROLS) + target[cut:]


def mojibake(text: Planted, place: int, taken: set[int], rng: random.Random) -> Pair | None:
    source, target = text.pairs[place]
    try:
        damaged = target.encode().decode(rng.choice(["cp1252", "latin-1"]))
    except UnicodeDecodeError:
        return None
    return None if damaged == target else (source, damaged)


def identical(text: Planted, place: int, taken: set[int], rng: random.Random) -> Pair | None:
    source, target = text.pairs[place]
    return rng.choice([(source, source), (target, target), (source, f" {source}")])


def length(text: Planted, place: int, taken: set[int], rng: random.Random) -> Pair | None:
    source, target = text.pairs[place]
    if len(source.split()) < 8 or len(target.split()) < 8:
        return None
    if rng.random() < 0.5:
        return source, target.split()[0]
    return source, " ".join([target, *(rng.choice(text.pairs)[1] for _ in range(6))])


def script(text: Planted, place: int, taken: set[int], rng: random.Random) -> Pair | None:
    source, target = text.pairs[place]
    return source, target.translate(CYRILLIC)


def earlier(text: Planted, place: int, taken: set[int], rng: random.Random) -> Pair | None:
    """Choose a sound pair from before."""
    other = rng.randrange(place)
    return None if other in taken else text.pairs[other]


def near(text: Planted, place: int, taken: set[int], rng: random.Random) -> Pair | None:
    """Change case, spaces and punctuation."""
    pair = earlier(text, place, taken, rng)
    if pair is None or not any(map(str.isalpha, pair[0] + pair[1])):
        return None
    source, target = pair
    return rng.choice([(f"{source} !", target.upper()), (source.replace(" ", "  "), f"({target})")])


def overlap(text: Planted, place: int, taken: set[int], rng: random.Random) -> Pair | None:
    source, target = rng.choice(text.test)
    own = text.pairs[place]
    return rng.choice([(source, target), (source.upper(), own[1]), (own[0], f" {target}")])


def near_overlap(text: Planted, place: int, taken: set[int], rng: random.Random) -> Pair | None:
    """Change one word of a test pair, or leave one out, on each side."""
    changed = []
    for words in map(str.split, rng.choice(text.test)):
        if len(words) < 8:
            return None
        cut = rng.randrange(len(words))
        changed.append(" ".join(words[:cut] + ["novel"] * rng.randint(0, 1) + words[cut + 1 :]))
    return changed[0], changed[1]


def uncovered(text: Planted, place: int, taken: set[int], rng: random.Random) -> Pair | None:
    source, target = text.pairs[place]
    return source + rng.choice(STRANGE), target


def truncation(text: Planted, place: int, taken: set[int], rng: random.Random) -> Pair | None:
    """Join so many pairs that each side has a hundred words or more."""
    chosen = [text.pairs[place]]
    while min(sum(len(pair[side].split()) for pair in chosen) for side in (0, 1)) < 150:
        chosen.append(rng.choice(text.pairs))
    return " ".join(pair[0] for pair in chosen), " ".join(pair[1] for pair in chosen)


SPOILERS: dict[str, Spoiler] = {
    "empty": empty,
    "control": control,
    "mojibake": mojibake,
    "identical": identical,
    "length": length,
    "script": script,
    "duplicate": earlier,
    "near-duplicate": near,
    "overlap": overlap,
    "near-overlap": near_overlap,
    "uncovered": uncovered,
    "truncation": truncation,
}


def recall(faults: list[tuple[int, int]], found: list[tuple[int, int]]) -> float:
    """Say which share of planted faults was found; a run was if most of its lines were."""
    lines = {number for first, last in found for number in range(first, last + 1)}
    hits = [
        2 * sum(number in lines for number in range(first, last + 1)) > last - first
        for first, last in faults
    ]
    return sum(hits) / len(hits)


def false_alarms(text: Planted, found: list[tuple[int, int]]) -> float:
    """Say which share of the lines without any fault was found to have one."""
    planted = {n for runs in text.faults.values() for a, b in runs for n in range(a, b + 1)}
    lines = {number for first, last in found for number in range(first, last + 1)}
    return len(lines - planted) / (len(text.pairs) - len(planted))
