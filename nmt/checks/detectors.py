"""The detectors of faulty pairs, each made from what `nmt.text` knows about one kind of fault."""

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from nmt.checks.findings import Finding, finding
from nmt.text.chunk import SIDES, Chunk
from nmt.text.clean import DUPLICATE
from nmt.text.config import CleanConfig
from nmt.text.coverage import BYTES, UNKNOWN, Coverage
from nmt.text.drift import DriftFinder, Evidence, Run
from nmt.text.held_out import HeldOutLines
from nmt.text.lengths import LIMIT, Lengths, sizes
from nmt.text.mojibake import is_suspect
from nmt.text.rules import CONTROL, RULES, count_words
from nmt.text.scripts import has_foreign
from nmt.text.seen import Array, Seen, hashes

SHOWN_CHARACTERS = 5


class PairDetector:
    """A detector of faults that one chunk shows; a pair without text is looked at by few."""

    def look(self, chunk: Chunk) -> Iterator[Finding]:
        """Give what is found by now."""
        raise NotImplementedError

    def finish(self) -> Iterator[Finding]:
        """Give nothing: all was given."""
        return iter(())


class RuleDetector(PairDetector):
    """Apply the rules of cleaning, each for itself, to the pairs that it could object to."""

    def __init__(self, config: CleanConfig) -> None:
        self._config = config

    def look(self, chunk: Chunk) -> Iterator[Finding]:
        """Try each rule where it may object; a pair without text has that fault alone."""
        for name, places in self._suspects(chunk).items():
            for place in places:
                detail = RULES[name](*chunk.pairs[place], self._config)
                if detail and chunk.has_text[place] == (name != "empty"):
                    yield finding(name, chunk, place, detail)

    def _suspects(self, chunk: Chunk) -> dict[str, Iterable[int]]:
        """Name the places where each rule may object, far faster than the rules can."""
        config, everywhere = self._config, range(len(chunk.pairs))
        lines = [chunk.lines[side] for side in SIDES]
        counts = [np.fromiter(map(count_words, each), np.float64, len(each)) for each in lines]
        lengths = [sizes(each) for each in lines]
        return {
            "empty": np.flatnonzero(~np.array(chunk.has_text)).tolist(),
            "control": everywhere if self._has_control(chunk) else (),
            "mojibake": [
                place for place, (source, target) in enumerate(chunk.pairs)
                if is_suspect(source) or is_suspect(target)
            ],
            "identical": [
                place for place, (source, target) in enumerate(chunk.pairs)
                if source == target or source.strip() == target.strip()
            ],
            "words": outside(counts, config.min_words, config.max_words),
            "characters": outside(lengths, 0, config.max_characters),
            "word-ratio": far_apart(counts, config.max_word_ratio),
            "character-ratio": far_apart(lengths, config.max_character_ratio),
            "script": everywhere if self._has_foreign(chunk) else (),
        }  # fmt: skip

    def _has_control(self, chunk: Chunk) -> bool:
        return any(CONTROL.match(each) for side in SIDES for each in chunk.characters[side])

    def _has_foreign(self, chunk: Chunk) -> bool:
        scripts = self._config.source_script, self._config.target_script
        return any(
            names and has_foreign(chunk.characters[side], names)
            for side, names in zip(SIDES, scripts, strict=True)
        )


def outside(counts: list[Array], least: float, most: float) -> list[int]:
    """Name the places where a side has too few or too many."""
    low, high = np.minimum(*counts), np.maximum(*counts)
    places: list[int] = np.flatnonzero((low < least) | ((high > most) & (most > 0))).tolist()
    return places


def far_apart(counts: list[Array], limit: float) -> list[int]:
    """Name the places where one side has too many for the other."""
    low, high = np.maximum(np.minimum(*counts), 1), np.maximum(*counts)
    places: list[int] = np.flatnonzero((high > limit * low) & (limit > 0)).tolist()
    return places


class LengthDetector(PairDetector):
    """Find pairs whose lengths are unusual among the others'."""

    def __init__(self, lengths: Lengths) -> None:
        self._lengths = lengths

    def look(self, chunk: Chunk) -> Iterator[Finding]:
        """Compare the lengths of all pairs."""
        counts = [sizes(chunk.lines[side]) for side in SIDES]
        distances = self._lengths.distances(counts[0], counts[1])
        for place in np.flatnonzero(np.abs(distances) > LIMIT).tolist():
            if chunk.has_text[place]:
                source, target = (int(count[place]) for count in counts)
                yield finding(
                    "length", chunk, place,
                    f"{source:,} characters against {target:,}, where {self._lengths.ratio:.2f} "
                    "for one is usual",
                )  # fmt: skip


class RepeatDetector(PairDetector):
    """Find pairs that came before, exactly or nearly."""

    def __init__(self, config: CleanConfig) -> None:
        self._exact = Seen() if config.drop_duplicates else None
        self._near = Seen()

    def look(self, chunk: Chunk) -> Iterator[Finding]:
        """Look up each pair among all before."""
        none = np.zeros(len(chunk.pairs), np.int64)
        exact = self._exact.add(hashes(chunk.pairs), chunk.first) if self._exact else none
        sides = (map("".join, chunk.words[side]) for side in SIDES)
        near = self._near.add(hashes(list(zip(*sides, strict=True))), chunk.first)
        for place in np.flatnonzero(exact | near).tolist():
            has_words = all(chunk.words[side][place] for side in SIDES)
            if exact[place] and chunk.has_text[place]:
                yield finding(DUPLICATE, chunk, place, f"the same as line {exact[place]:,}")
            elif near[place] and has_words:
                yield finding(
                    f"near-{DUPLICATE}", chunk, place, f"nearly the same as line {near[place]:,}"
                )


class OverlapDetector(PairDetector):
    """Find lines of development and test sets."""

    def __init__(self, held_out: Mapping[str, HeldOutLines]) -> None:
        self._held_out = held_out

    def look(self, chunk: Chunk) -> Iterator[Finding]:
        """Look up each side; a pair is named once, and exactly rather than nearly."""
        named: set[int] = set()
        for side in SIDES:
            for place, line in enumerate(chunk.folded[side]):
                found = self._held_out[side].find(" ".join(line.split()))
                if found and place not in named:
                    named.add(place)
                    yield finding("overlap", chunk, place, f"the {side} is {found}")
        for side in SIDES:
            for place, found, alike in self._held_out[side].near(chunk.words[side]):
                if place not in named:
                    named.add(place)
                    detail = f"the {side} is {alike:.0%} {found}"
                    yield finding("near-overlap", chunk, place, detail)


class CoverageDetector(PairDetector):
    """Find what the segmenters cannot spell, and lines that become too long."""

    def __init__(self, coverages: Mapping[str, Coverage], max_pieces: int) -> None:
        self._coverages = coverages
        self._max_pieces = max_pieces

    def look(self, chunk: Chunk) -> Iterator[Finding]:
        """Look at both sides; a pair has each fault once."""
        for kind, of_a_side in (
            ("uncovered", functools.partial(poor_lines, UNKNOWN)),
            ("bytes", functools.partial(poor_lines, BYTES)),
            ("truncation", functools.partial(long_lines, self._max_pieces)),
        ):
            named: set[int] = set()
            for side, coverage in self._coverages.items():
                for place, detail in of_a_side(coverage, chunk, side):
                    if place not in named:
                        named.add(place)
                        yield finding(kind, chunk, place, f"{side}: {detail}")


def poor_lines(how: str, coverage: Coverage, chunk: Chunk, side: str) -> Iterator[tuple[int, str]]:
    """Find lines with characters that are spelt so, and name these."""
    pattern = coverage.poor(chunk.characters[side], how)
    for place, line in enumerate(chunk.lines[side] if pattern else ()):
        if pattern and pattern.search(line):
            marks = itertools.islice(dict.fromkeys(pattern.findall(line)), SHOWN_CHARACTERS)
            yield place, ", ".join(f"{mark!r} (U+{ord(mark):04X})" for mark in marks)


def long_lines(
    limit: int, coverage: Coverage, chunk: Chunk, side: str
) -> Iterator[tuple[int, str]]:
    """Find lines of too many pieces."""
    for place, line in enumerate(chunk.lines[side]):
        if count := coverage.pieces_beyond(line, limit):
            yield place, f"{count:,} pieces, at most {limit:,} are kept"


class DriftDetector:
    """Find runs of lines that are not each other's translations."""

    def __init__(self, evidence: Evidence) -> None:
        self._finder = DriftFinder(evidence)

    def look(self, chunk: Chunk) -> Iterator[Finding]:
        """Give the runs that have come to an end."""
        yield from map(described, self._finder.add(chunk))

    def finish(self) -> Iterator[Finding]:
        """Give the last runs."""
        yield from map(described, self._finder.finish())


def described(run: Run) -> Finding:
    """Say what is wrong with a run."""
    moved = (
        f"the right targets are {abs(run.shift)} lines {'later' if run.shift > 0 else 'earlier'}"
    )
    detail = moved.replace("are 1 lines", "are 1 line") if run.shift else "no shift mends it"
    return Finding("drift", run.first, detail, last=run.last)
