"""The result of a cell: everything that was measured, by name."""

import json
import statistics
from pathlib import Path
from typing import Any

import torch

import nmt
from nmt.files import read_json
from nmt.model.directory import read_metadata, resolve
from nmt.provenance import processor
from nmt.study.cells import Cell
from nmt.training.run import Run

METRICS = ("bleu", "chrf")


def gather(cell: Cell) -> dict[str, Any]:
    """Put together what training and evaluation left behind."""
    run, evaluation = Run(cell.run), read_json(cell.folder / "evaluation.json")
    summary, dev = run.summary(), read_metadata(resolve(cell.run)).get("dev", {})
    measures = {
        **evaluation["measures"],
        **{f"dev_{name}": dev.get(name, {}).get("value") for name in METRICS},
        "updates": summary["update"],
        "train_seconds": summary["seconds"],
        "tokens_per_second": training_speed(run.metrics),
        "memory_bytes": read_json(cell.folder / "memory.json")["bytes"],
    }
    return {
        "entry": cell.entry.name,
        "seed": cell.seed,
        "measures": measures,
        "signatures": evaluation["signatures"],
        "threads": cell.experiment.compute.threads,
        "nmt": nmt.__version__,
        "torch": torch.__version__,
        "machine": processor(),
    }


def training_speed(metrics: Path) -> float | None:
    """Give the median of the logged target tokens a second, in which no validation counts.

    The median, since a neighbour's burst says nothing of the mechanism. None if training ended
    before its first line of the log.
    """
    if not metrics.is_file():
        return None
    events = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    speeds = [each["tokens_per_second"] for each in events if each["event"] == "train"]
    return statistics.median(speeds) if speeds else None
