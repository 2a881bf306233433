"""Compare a run with the one that was made again: weights, measurements, scores."""

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nmt.errors import CheckpointError
from nmt.files import read_json
from nmt.model.inventory import METADATA, WEIGHTS
from nmt.model.tensors import load_tensors
from nmt.provenance import differing
from nmt.training.run import Run

TIMES = {"seconds", "tokens_per_second"}
Report = dict[str, Any]


def compare_runs(first: Path, second: Path) -> Report:
    """Say whether two runs came to the same, and if not, what differs; plain values.

    Raises:
        CheckpointError: Something is missing or damaged.
    """
    weights = [each for link in ("best", "last") for each in other_tensors(first, second, link)]
    count, lines = other_lines(first / "metrics.jsonl", second / "metrics.jsonl")
    results = other_results(first, second)
    manifests = Run(first).manifest(), Run(second).manifest()
    return {
        "same": not (weights or lines or results),
        "compared": {"tensors": len(tensors_of(first, "best")), "lines": count, **dev_of(first)},
        "weights": weights,
        "metrics": lines,
        "results": results,
        "surroundings": differing(*manifests),
    }


def tensors_of(run: Path, link: str) -> dict[str, Tensor]:
    """Read the weights that a link of a run leads to."""
    if not (run / link).is_dir():
        raise CheckpointError(f"{run / link} is missing")
    return load_tensors(run / link / WEIGHTS)


def other_tensors(first: Path, second: Path, link: str) -> Iterator[Report]:
    """List the weights that are not the same bit for bit, and by how much."""
    if link == "last" and (first / link).resolve() == (first / "best").resolve():
        return
    left, right = tensors_of(first, link), tensors_of(second, link)
    for name in sorted({*left, *right}):
        one, other = left.get(name), right.get(name)
        if one is None or other is None or one.shape != other.shape:
            yield {"model": link, "tensor": name, "values": None, "largest": None}
        elif not same_bits(one, other):
            apart = (one.double() - other.double()).abs()
            number = int((one != other).sum())
            yield {
                "model": link, "tensor": name, "values": number, "of": one.numel(),
                "largest": float(apart.max()),
            }  # fmt: skip


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors are the same, whatever their values mean."""
    if one.dtype != other.dtype:
        return False
    return torch.equal(*(each.contiguous().view(torch.uint8) for each in (one, other)))


def other_lines(first: Path, second: Path) -> tuple[int, Report]:
    """Compare measurements line by line.

    Returns:
        How many lines there are, and of those that differ their number and the first.
    """
    nothing: Report = {}
    pairs = list(zip_longest(events_of(first), events_of(second), fillvalue=nothing))
    apart = [(one, other) for one, other in pairs if one != other]
    if not apart:
        return len(pairs), {}
    one, other = apart[0]
    known = one or other
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    return len(pairs), {
        "lines": len(apart),
        "update": known.get("update"),
        "event": known.get("event"),
        "values": {name: [one.get(name), other.get(name)] for name in names},
    }


def events_of(path: Path) -> list[Report]:
    """Read what was measured, times apart."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from None
    return [timeless(event) for event in map(parsed, lines) if event]


def parsed(line: str) -> Report:
    """Read a line, or nothing from one that is damaged."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def timeless(event: Mapping[str, Any]) -> Report:
    """Leave out what time told."""
    return {name: value for name, value in event.items() if name not in TIMES}


def other_results(first: Path, second: Path) -> dict[str, list[Any]]:
    """Pair what the runs came to, as far as it differs."""
    sides = [timeless(Run(each).summary()) | dev_of(each) for each in (first, second)]
    return {
        name: [side.get(name) for side in sides]
        for name in {**sides[0], **sides[1]}
        if sides[0].get(name) != sides[1].get(name)
    }


def dev_of(run: Path) -> Report:
    """Give scores and signatures of the best model on the development set."""
    scores = read_json(run / "best" / METADATA).get("dev", {})
    return {
        f"dev {name}{part and f' {part}'}": score[part or "value"]
        for name, score in scores.items()
        for part in ("", "signature")
        if (part or "value") in score
    }
