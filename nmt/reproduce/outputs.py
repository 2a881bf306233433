"""Compare a file, such as a translation, with the one that was made again."""

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from nmt.errors import DataError
from nmt.files import sha256
from nmt.provenance import differing
from nmt.text.lines import read_lines

Report = dict[str, Any]


def compare_outputs(first: Mapping[str, Any], second: Mapping[str, Any], original: Path) -> Report:
    """Say whether two records are of the same output, and if not, what differs; plain values.

    Args:
        original: Where the first's output is, if it is still there.
    """
    results = dict(other_scores(first.get("result", []), second.get("result", [])))
    hashes = [each["output"].get("sha256") for each in (first, second)]
    written = None not in hashes and hashes[0] != hashes[1] and not first.get("result")
    lines: Report = {}
    if written:
        kept = is_kept(original, hashes[0])
        lines = other_lines(original, Path(second["output"]["path"])) if kept else {"lines": None}
    return {
        "same": not (results or lines),
        "compared": compared(first),
        "lines": lines,
        "results": results,
        "surroundings": differing(first, second),
    }


def compared(record: Mapping[str, Any]) -> Report:
    """Say what there was to compare."""
    scores = {each["metric"]: each["value"] for each in record.get("result", [])}
    return scores or {"lines": record["output"].get("lines"), "hash": record["output"]["sha256"]}


def other_scores(first: list[Report], second: list[Report]) -> Iterator[tuple[str, list[Any]]]:
    """Pair scores and signatures that differ."""
    nothing: Report = {}
    for one, other in zip_longest(first, second, fillvalue=nothing):
        known = one or other
        for name in ("value", "signature"):
            if one.get(name) != other.get(name):
                where = f"{known.get('metric')} {known.get('hypothesis')} {name}"
                yield where, [one.get(name), other.get(name)]


def is_kept(original: Path, digest: str) -> bool:
    """Tell whether the first output is still there, and what it was."""
    return original.is_file() and sha256(original) == digest


def other_lines(first: Path, second: Path) -> Report:
    """Find the lines that differ; nothing if the files are the same text, compressed otherwise."""
    try:
        pairs = list(zip_longest(read_lines(first), read_lines(second)))
    except DataError:  # no text, such as a segmenter
        return {"lines": None}
    apart = [number for number, (one, other) in enumerate(pairs, 1) if one != other]
    if not apart:
        return {}
    return {"lines": len(apart), "of": len(pairs), "first": apart[0],
            "values": list(pairs[apart[0] - 1])}  # fmt: skip
