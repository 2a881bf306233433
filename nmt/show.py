"""What a model, a run or an encoded corpus holds, as a report: plain values that JSON knows.

Torch is never imported: it would take longer than all the rest.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nmt.alignment.head import load_choice
from nmt.attention.config import AttentionSections
from nmt.corpus.encoded import EncodedCorpus
from nmt.errors import DataError
from nmt.experiment import read_experiment
from nmt.files import read_json
from nmt.model.config import ModelConfig
from nmt.model.inventory import (
    METADATA,
    SEGMENTERS,
    SETTINGS,
    WEIGHTS,
    count_parameters,
    refuse_foreign_files,
    refuse_odd_metadata,
    refuse_other_segmenter,
    refuse_other_settings,
)
from nmt.settings import Table, load_table, to_table
from nmt.text.lines import read_lines
from nmt.text.segmenter import Segmenter
from nmt.training.run import Run, refuse_changed_settings

MODEL, RUN, CORPUS = "model", "run", "corpus"
MARKS = {"corpus.json": CORPUS, "manifest.json": RUN, "metadata.json": MODEL}
VERSIONS = ("nmt", "torch", "python", "machine")
NUM_SAMPLES = 3

Report = dict[str, Any]


def describe(path: str | Path) -> Report:
    """Say what a folder holds; `kind` says which of the three it is.

    Raises:
        NmtError: It is none of them, or something in it is missing or damaged.
    """
    folder = Path(path)
    kind = recognise(folder)
    described = {CORPUS: describe_corpus, RUN: describe_run, MODEL: describe_model}[kind](folder)
    return {"kind": kind, "path": str(path), **described}


def recognise(folder: Path) -> str:
    """Tell the kind of a folder by the file that each kind has."""
    for mark, kind in MARKS.items():
        if (folder / mark).is_file():
            return kind
    if not folder.exists():
        raise DataError(f"{folder} does not exist; name a model, a run or an encoded corpus")
    raise DataError(
        f"{folder} is neither a model, a run nor an encoded corpus: it holds no metadata.json, "
        "manifest.json or corpus.json"
    )


def describe_model(folder: Path) -> Report:
    """Say what a model directory holds."""
    refuse_foreign_files(folder)
    metadata = read_object(folder / METADATA)
    refuse_odd_metadata(metadata, folder / METADATA)
    settings = load_table(folder / SETTINGS)
    refuse_other_settings(folder, metadata)
    return {
        **{name: metadata.get(name) for name in ("format", "nmt", "update", "corpus")},
        "parameters": count_parameters(folder / WEIGHTS),
        "weights_bytes": (folder / WEIGHTS).stat().st_size,
        "alignment": alignment_of(folder),
        "segmenters": describe_segmenters(folder, metadata),
        "dev": [{"metric": name, **score} for name, score in metadata.get("dev", {}).items()],
        "averaged": metadata.get("averaged", []),
        "history": metadata.get("history", []),
        "model": settings.get("model", {}),
        "attention": attention_of(settings),
    }


def alignment_of(folder: Path) -> str | None:
    """Say which head was chosen to tell alignments, if any was, and why."""
    choice = load_choice(folder)
    return None if choice is None else f"{choice.head} ({choice.told})"


def attention_of(settings: Table) -> Table:
    """Name the variant of each role, and what else is not as by default."""
    attention = settings.get("attention", {})
    variants = {name: each for name, each in flat(attention).items() if name.endswith(".variant")}
    return {**variants, **differing(attention, to_table(AttentionSections()))}


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise DataError(f"{path} is damaged: it must hold a JSON object")
    return value


def describe_segmenters(folder: Path, metadata: Mapping[str, Any]) -> list[Report]:
    """Describe the segmenter of each side, which must be the one that the model learnt with."""
    rows = []
    for name in SEGMENTERS:
        refuse_other_segmenter(folder / name, metadata)
        segmenter = Segmenter.load(folder / name)
        side = segmenter.path.stem
        rows.append({"side": side, "pieces": segmenter.vocab_size, "sha256": segmenter.sha256})
    return rows


def describe_corpus(folder: Path) -> Report:
    """Say what an encoded corpus holds."""
    corpus = EncodedCorpus(folder)
    record = corpus.record
    return {
        "lines": record.lines,
        "dtype": record.dtype,
        "content": record.content,
        "disk_bytes": size_of(folder),
        "dropped": record.dropped,
        "sides": [
            {
                "side": side,
                "pieces": record.pieces[side],
                "vocabulary": record.vocab_sizes[side],
                "segmenter": record.segmenters[side],
            }
            for side in record.sides
        ],
        "sample": list(sample(corpus)),
    }


def size_of(folder: Path) -> int:
    """Sum the sizes of all files in a folder; training may remove some meanwhile."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += Path(where, name).lstat().st_size
    return total


def sample(corpus: EncodedCorpus) -> Iterator[Report]:
    """Show the first line, the last, and one between, as text and in pieces."""
    sides = corpus.record.sides
    segmenters = {side: Segmenter.load(corpus.segmenter_path(side)) for side in sides}
    last = len(corpus) - 1
    for number in sorted({round(last * part / (NUM_SAMPLES - 1)) for part in range(NUM_SAMPLES)}):
        texts = {side: corpus.line(side, number) for side in sides}
        pieces = {side: segmenters[side].pieces(text) for side, text in texts.items()}
        yield {
            "line": number + 1,
            **{side: {"text": texts[side], "pieces": pieces[side]} for side in sides},
        }


def describe_run(folder: Path) -> Report:
    """Say what a run was started with and how far it is."""
    manifest = read_object(folder / "manifest.json")
    settings = load_table(folder / "config.toml")
    refuse_changed_settings(folder, manifest)
    run = Run(folder)
    return {
        **progress(run, settings),
        "settings": differing(settings, defaults_of(settings)),
        "validations": list(read_events(run.metrics, "validation")),
        "averages": list(read_events(run.metrics, "average")),
        "logged": list(read_events(run.metrics, "train")),
        "checkpoints": names_of_checkpoints(run),
        "disk_bytes": size_of(folder),
        "parent": manifest.get("parent"),
        "inputs": manifest.get("inputs", {}),
        "made_with": {name: manifest.get(name) for name in VERSIONS},
    }


def progress(run: Run, settings: Table) -> Report:
    """Say how far a run is, and which checkpoint is the best and how good."""
    training, logged = settings.get("training", {}), list(read_events(run.metrics, "train"))
    metric, best = training.get("best_metric"), run.folder / "best"
    mark = best / "metadata.json"
    scores = read_object(mark).get("dev", {}) if mark.is_file() else {}
    return {
        "finished": run.is_finished(),
        "update": max([*(each["update"] for each in logged), *run.updates()], default=0),
        "max_updates": training.get("max_updates"),
        "seconds": run.summary()["seconds"] if run.is_finished() else last_seconds(logged),
        "best": best.resolve().name if mark.is_file() else None,
        "metric": metric if scores else None,
        "value": scores[metric]["value"] if metric in scores else None,
    }


def last_seconds(logged: list[Report]) -> float | None:
    """Give the time that had been spent by the last line of the log."""
    return logged[-1].get("seconds") if logged else None


def read_events(path: Path, event: str) -> Iterator[Report]:
    """Read the lines of one event in metrics.jsonl; one that is half-written is left out."""
    if not path.is_file():
        return
    for line in read_lines(path):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(entry, dict) or not isinstance(entry.get("update"), int):
            continue
        if entry.pop("event", None) == event:
            yield entry


def names_of_checkpoints(run: Run) -> list[str]:
    """Name the checkpoints on disk, in the order of their updates."""
    numbered = [run.checkpoint(update).name for update in run.updates()]
    others = sorted(mark.parent.name for mark in run.checkpoints.glob("[!.]*/metadata.json"))
    return [*numbered, *(name for name in others if name not in numbered)]


def defaults_of(settings: Table) -> Table:
    """Give the defaults that a run started from: those of its preset, but for the preset's name."""
    usual = ModelConfig().preset
    preset = settings.get("model", {}).get("preset", usual)
    table = to_table(read_experiment({"model": {"preset": preset}}))
    return {**table, "model": {**table["model"], "preset": usual}}


def differing(table: Table, base: Table) -> Table:
    """Name the settings whose value in one table is another than in the base."""
    known = flat(base)
    return {
        name: value
        for name, value in flat(table).items()
        if name not in known or known[name] != value
    }


def flat(table: Table, where: str = "") -> Table:
    """Name every setting of nested tables by its dotted name."""
    found: Table = {}
    for name, value in table.items():
        full = f"{where}.{name}" if where else name
        found.update(flat(value, full) if isinstance(value, dict) else {full: value})
    return found
