"""What was measured of translation, as text for people and as JSON."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nmt.bench.changes import Brought
from nmt.bench.translation import Latency, Range, Ratio, Speed
from nmt.tables import columns

INSIDE = (
    "inside the clock: from lines to translations, with segmenting and joining; outside: loading, "
    "and what warms up"
)


@dataclass(frozen=True)
class Conditions:
    """What a measurement was made of, and where.

    Attributes:
        length: Pieces of every hypothesis; 0: as search found them.
        machine: Its name, and the versions of what ran.
    """

    model: str
    text: str
    lines: int
    length: int
    beam: int
    threads: int
    machine: Mapping[str, Any]

    def spelled(self) -> Iterator[str]:
        """Write them for people."""
        mode = f"{self.length} pieces each" if self.length else "natural lengths"
        machine = ", ".join(
            str(value) if name in ("machine", "device") else f"{name} {value}"
            for name, value in self.machine.items()
        )
        yield f"{self.model}: {self.lines:,} lines of {self.text}, {mode}, beam {self.beam}"
        yield f"{machine}, threads: {self.threads}"
        yield INSIDE


def speed_lines(speeds: Iterable[Speed], ways: Mapping[str, str]) -> Iterator[str]:
    """Write a table of speeds for people.

    Args:
        ways: How each translated.
    """
    rows = [
        [
            each.name,
            ways[each.name],
            spelled(each.sentences_per_second),
            spelled(each.pieces_per_second),
        ]
        for each in speeds
    ]
    return columns([["", "", "sentences/s", "target pieces/s"], *rows], left=(0, 1))


def latency_lines(latencies: Iterable[Latency], ways: Mapping[str, str]) -> Iterator[str]:
    """Write a table of times for people."""
    rows = [
        [
            each.name,
            ways[each.name],
            spelled(each.milliseconds),
            f"{each.milliseconds_90:,.1f}",
        ]
        for each in latencies
    ]
    return columns([["", "", "ms, median", "ms, 90 %"], *rows], left=(0, 1))


def ratio_lines(ratios: Iterable[Ratio]) -> Iterator[str]:
    """Write how many times as fast some are as others."""
    return columns([[f"{each.name} / {each.other}", spelled(each.ratio, ".2f")] for each in ratios])


def change_line(brought: Brought) -> str:
    """Write what a change brings."""
    return f"{brought.ratio:6.3f}  {brought.sentences_per_second:8,.1f}  {brought.name}"


def spelled(values: Range, form: str = ",.1f") -> str:
    """Write a median and the range around it."""
    return f"{values.median:{form}} ({values.low:{form}} to {values.high:{form}})"


def as_object(conditions: Conditions, found: Mapping[str, Any]) -> dict[str, Any]:
    """Hold all of a measurement; what comes in lists are dataclasses."""
    plain = {
        name: [asdict(each) for each in value] if isinstance(value, list) else value
        for name, value in found.items()
    }
    return {**asdict(conditions), **plain}
