"""One of two runs or models to compare: what it is made of, and how good it is.

Torch is never imported.
"""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.corpus.encoded import CorpusRecord, read_record
from nmt.errors import CheckpointError, ConfigError, DataError, NmtError
from nmt.experiment import read_experiment
from nmt.files import read_json, sha256
from nmt.model.inventory import WEIGHTS
from nmt.settings import Table, load_table, to_table
from nmt.show import CORPUS, RUN, VERSIONS, describe_run, flat, read_object, recognise

Facts = dict[str, Any]  # values by their names; None where a value is not known

LEFT_TO_HASHES = ("data.train", "data.dev_source", "data.dev_target")  # paths


@dataclass(frozen=True)
class Side:
    """A run or a model.

    Attributes:
        kind: `run` or `model`.
        data: Hashes and counts of what it learnt from and is measured on.
        settings: All of them, resolved, by their dotted names.
        versions: What made it, and the machine.
        results: How far it came and what its best scores on the development set.
        signatures: What its scores depend on, by metric.
    """

    path: str
    kind: str
    data: Facts
    settings: Facts
    versions: Facts
    results: Facts
    signatures: Facts


def read_side(path: str) -> Side:
    """Read a run, or a model as far as it tells.

    Raises:
        NmtError: It is neither, or something in it is missing or damaged.
    """
    folder = Path(path)
    kind = recognise(folder)
    if kind == CORPUS:
        raise DataError(f"{path} is an encoded corpus; name two runs or models to compare")
    settings = resolved(load_table(folder / "config.toml"))
    is_run = kind == RUN
    best = folder / "best" if is_run else folder
    metadata = read_object(best / "metadata.json") if (best / "metadata.json").is_file() else {}
    manifest = read_object(folder / "manifest.json") if is_run else {}
    return Side(
        path=path,
        kind=kind,
        data=data_of(manifest, metadata, settings),
        settings=flat(settings),
        versions={name: (manifest or metadata).get(name) for name in VERSIONS},
        results={
            **(progress_of(folder) if is_run else {}),
            **(best_of(best, metadata) if metadata else {}),
        },
        signatures={
            name: score.get("signature") for name, score in metadata.get("dev", {}).items()
        },
    )


def resolved(table: Table) -> Table:
    """Add the defaults of settings that were not there yet when it was made."""
    try:
        return to_table(read_experiment(table))
    except ConfigError:  # of a setting that is there no more
        return table


def data_of(manifest: Table, metadata: Table, settings: Table) -> Facts:
    """Give hashes of data, and counts where the corpora are still where they were."""
    if not manifest:
        facts: Facts = {"train": metadata.get("corpus")}
        segmenters = metadata.get("segmenters", {})
    else:
        inputs = manifest.get("inputs", {})
        facts = {"parent": "none", **inputs}
        records = records_of(settings, inputs)
        segmenters = metadata.get("segmenters") or (records[0].segmenters if records else {})
        facts |= counts_of(records)
    return facts | {f"{side} segmenter": digest for side, digest in segmenters.items()}


def records_of(settings: Table, inputs: Mapping[str, Any]) -> list[CorpusRecord]:
    """Read what the training corpora say of themselves, if all are what was trained on."""
    named = settings.get("data", {}).get("train", [])
    folders = [named] if isinstance(named, str) else named
    try:
        records = [read_record(Path(folder)) for folder in folders]
    except NmtError:  # moved away since
        return []
    hashes = str(inputs)  # one or many, however they are nested
    return records if all(each.content in hashes for each in records) else []


def counts_of(records: list[CorpusRecord]) -> Facts:
    """Count lines and pieces of corpora together."""
    if not records:
        return {}
    return {
        "lines": sum(each.lines for each in records),
        "dropped lines": sum(sum(each.dropped.values()) for each in records),
        **{f"{side} pieces": sum(each.pieces[side] for each in records)
           for side in records[0].pieces},
    }  # fmt: skip


def progress_of(folder: Path) -> Facts:
    """Say how far a run came, and how fast."""
    report = describe_run(folder)
    speeds = [each["tokens_per_second"] for each in report["logged"] if "tokens_per_second" in each]
    finished = read_json(folder / "finished.json") if report["finished"] else {}
    return {
        "finished": report["finished"],
        "updates": report["update"],
        "target tokens": finished.get("tokens"),
        "seconds": report["seconds"],
        "tokens a second": statistics.median(speeds) if speeds else None,
        "best": report["best"],
    }


def best_of(folder: Path, metadata: Table) -> Facts:
    """Say how good a model is, and which."""
    scores = metadata.get("dev", {})
    return {
        "best update": metadata.get("update"),
        **{name: score["value"] for name, score in scores.items()},
        "weights": hash_of(folder / WEIGHTS),
    }


def hash_of(path: Path) -> str:
    """Hash the weights.

    Raises:
        CheckpointError: They cannot be read.
    """
    try:
        return sha256(path)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from None
