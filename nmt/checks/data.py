"""Check parallel text for faults, in one pass."""

import contextlib
import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from nmt.checks.detectors import (
    CoverageDetector,
    DriftDetector,
    LengthDetector,
    OverlapDetector,
    RepeatDetector,
    RuleDetector,
)
from nmt.checks.findings import KINDS, Detector, Finding
from nmt.text.chunk import SIDES, Chunk, Pair, chunks_of
from nmt.text.clean import Dropped, spell
from nmt.text.config import CleanConfig
from nmt.text.coverage import Coverage
from nmt.text.drift import LEAST_LINES, LEAST_SEPARATION, Evidence
from nmt.text.held_out import HeldOutLines
from nmt.text.lengths import Lengths
from nmt.text.lines import encode_line, open_output
from nmt.text.scripts import scripts_of

LEARNT_FROM = 32_768  # pairs at the beginning, from which is learnt what is usual
EXAMPLES = 10


@dataclass(frozen=True)
class DataCheck:
    """What to check a text for.

    Attributes:
        clean: The rules of cleaning; scripts that it does not name are learnt.
        held_out: Lines of each side that training must not see.
        coverages: The segmenter of each side; empty to leave its checks out.
        max_pieces: Most pieces of a side that training keeps.
    """

    clean: CleanConfig = field(default=CleanConfig())
    held_out: Mapping[str, HeldOutLines] = field(default_factory=dict)
    coverages: Mapping[str, Coverage] = field(default_factory=dict)
    max_pieces: int = 256

    def run(self, pairs: Iterable[Pair], faults: str | Path | None = None) -> "Report":
        """Check pairs, which are read once.

        Memory grows by 24 bytes a pair.

        Args:
            faults: Where to list all lines at fault, in the form of the record of `nmt clean`.

        Raises:
            DataError: The text is not as it should be, or the list cannot be written.
        """
        report = Report()
        stream = iter(pairs)
        head = list(itertools.islice(stream, LEARNT_FROM))
        detectors = self.detectors(head, report.notes)
        with open_output(faults) if faults else contextlib.nullcontext() as listed:
            for chunk in chunks_of(itertools.chain(head, stream)):
                report.pairs += len(chunk.pairs)
                report.take((each for one in detectors for each in one.look(chunk)), listed)
            report.take((each for one in detectors for each in one.finish()), listed)
            if listed:
                listed.flush()
        return report

    def detectors(self, head: Sequence[Pair], notes: list[str]) -> list[Detector]:
        """Make the detectors, and note what they cannot judge."""
        chunk = Chunk(1, list(head))
        whole = [pair for pair, good in zip(head, chunk.has_text, strict=True) if good]
        rules = RuleDetector(with_scripts(self.clean, chunk))
        made: list[Detector] = [
            rules, LengthDetector(Lengths.learn(whole)), RepeatDetector(self.clean),
        ]  # fmt: skip
        if any(len(lines) for lines in self.held_out.values()):
            for side, lines in self.held_out.items():
                lines.index(chunk.words[side])
            made.append(OverlapDetector(self.held_out))
        if self.coverages:
            made.append(CoverageDetector(self.coverages, self.max_pieces))
        return made + drift_detectors(chunk, notes)


def with_scripts(config: CleanConfig, chunk: Chunk) -> CleanConfig:
    """Learn the scripts of a side where the settings name none."""
    return dataclasses.replace(
        config,
        source_script=config.source_script or scripts_of(chunk.lines["source"]),
        target_script=config.target_script or scripts_of(chunk.lines["target"]),
    )


def drift_detectors(chunk: Chunk, notes: list[str]) -> list[Detector]:
    """Make the detector of drift, or note why there is none."""
    if len(chunk.pairs) < LEAST_LINES:
        notes.append(f"drift is looked for in {LEAST_LINES} pairs or more")
        return []
    evidence = Evidence(chunk)
    if evidence.separation < LEAST_SEPARATION:
        notes.append(
            f"among the first {len(chunk.pairs):,} pairs, a line has hardly more to do with its "
            "translation than with others: the sides may have slipped from the start"
        )
        return []
    return [DriftDetector(evidence)]


@dataclass
class Report:
    """What was found.

    Attributes:
        counts: Pairs at fault, by kind; of drift, lines.
        runs: How many runs these lines are, for drift.
        notes: What could not be judged, and what concerns no single pair.
    """

    pairs: int = 0
    runs: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Finding]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def take(self, findings: Iterable[Finding], listed: IO[bytes] | None) -> None:
        """Count findings, keep the first of each kind, and list all where that is asked for."""
        for each in findings:
            self.counts[each.kind] += each.lines()
            self.runs += each.kind == "drift"
            kept = self.examples.setdefault(each.kind, [])
            if len(kept) < EXAMPLES:
                kept.append(each)
            for line in spelt(each) if listed else ():
                assert listed is not None
                listed.write(encode_line(line))

    def table(self) -> dict[str, object]:
        """Turn into what is written as JSON; each kind that was looked for has a count."""
        return {
            "pairs": self.pairs,
            "drift_runs": self.runs,
            "kinds": {
                kind: {
                    "count": self.counts[kind],
                    "examples": [each._asdict() for each in self.examples.get(kind, ())],
                }
                for kind in KINDS
            },
            "notes": self.notes,
        }


def spelt(each: Finding) -> Iterator[str]:
    """Make the lines of the list: number, kind, detail, source and target of each line."""
    for number in range(each.number, each.number + each.lines()):
        yield spell(Dropped(number, each.kind, each.detail, each.source, each.target))


def held_out_lines(
    texts: Iterable[tuple[str, Sequence[str], Iterable[str]]],
) -> tuple[dict[str, HeldOutLines], list[str]]:
    """Take lines of development and test sets.

    Args:
        texts: Name, the sides that its lines may be on, and the lines.

    Returns:
        The lines of each side, and a note for each text that shares lines with one before.
    """
    held_out = {side: HeldOutLines() for side in SIDES}
    notes = []
    for name, sides, lines in texts:
        rows = list(lines)
        shared = [held_out[side].add(rows, name) for side in sides]
        for other, count in sorted(max(shared, key=Counter.total).items()):
            notes.append(f"lines that {name} has in common with {other}: {count:,}")
    return held_out, notes
