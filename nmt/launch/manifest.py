"""What a run is made from, on file, and what follows when that has changed."""

import logging
import os
from pathlib import Path
from typing import Any

import torch

from nmt.corpus.corpora import Corpora
from nmt.errors import CheckpointError, ConfigError, DataError
from nmt.experiment import Experiment, read_experiment
from nmt.files import refuse_foreign, sha256
from nmt.model.directory import resolve
from nmt.model.inventory import WEIGHTS
from nmt.provenance import SCHEMA, surroundings
from nmt.settings import Table, to_table
from nmt.training.run import Run

log = logging.getLogger(__name__)

OF_OTHER_STAGES = {"clean", "split", "segment", "encode", "search", "score"}


def make_manifest(experiment: Experiment, parent: Path | None) -> dict[str, Any]:
    """Describe what a run is made from: settings as asked for, inputs by hash, versions."""
    data, threads = experiment.data, experiment.compute.threads or torch.get_num_threads()
    corpora = Corpora(data.train)
    contents = corpora.contents
    names = ["train"] if len(contents) == 1 else [f"train[{n}]" for n in range(len(contents))]
    inputs = dict(zip(names, contents, strict=True))
    for name in ("dev_source", "dev_target"):
        path = getattr(data, name)
        if path:
            inputs[name] = hash_of_text(path)
    if parent is not None:
        inputs["parent"] = sha256(resolve(parent) / WEIGHTS)
    return {
        "schema": SCHEMA,
        "command": "train",
        "folder": os.getcwd(),  # noqa: PTH109 (as it was named, links kept)
        "requested": to_table(experiment),
        "inputs": inputs,
        "segmenters": corpora.first.record.segmenters,
        "parent": str(parent) if parent else None,
        **surroundings(threads),
    }


def origin(manifest: dict[str, Any]) -> dict[str, Any]:
    """Take from a manifest what a model tells of itself wherever it goes; no path is in it."""
    told = (
        "inputs", "nmt", "code", "python", "torch", "libraries", "system", "machine", "compute",
        "processes",
    )  # fmt: skip
    return {name: manifest[name] for name in told if name in manifest}


def hash_of_text(path: str) -> str:
    """Hash a text of the development set."""
    try:
        return sha256(path)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None


def begins_afresh(run: Run, manifest: dict[str, Any], existing: str) -> bool:
    """Tell whether to start a run or to go on with the one that is there.

    Raises:
        CheckpointError: A run is there and may neither be resumed nor replaced.
    """
    refuse_foreign(run.folder, "manifest.json", "run")
    if existing == "replace" or not (run.folder / "manifest.json").is_file():
        return True
    before = run.manifest()
    before["requested"] = with_defaults(before["requested"])
    same = all(before.get(key) == manifest.get(key) for key in ("requested", "inputs", "until"))
    if existing == "auto":
        same_weights = same_training(before, manifest)
        if same_weights and not same:
            log.info("%s goes on with the settings of search and scores it was started with",
                     run.folder)  # fmt: skip
        return not same_weights
    if existing == "resume" and same:
        return False
    if existing == "resume":
        raise CheckpointError(
            f"{run.folder} was started with other settings or data; "
            "choose another --output, or --existing replace"
        )
    raise CheckpointError(
        f"{run.folder} exists; go on with nmt train --resume {run.folder}, or choose another "
        "--output, or --existing replace"
    )


def with_defaults(settings: Table) -> Table:
    """Add settings that came with a later version than a run was started with."""
    try:
        return to_table(read_experiment(settings))
    except ConfigError:  # of one that is there no more
        return settings


def same_training(before: dict[str, Any], manifest: dict[str, Any]) -> bool:
    """Tell whether two runs learn the same: from the same inputs, by settings that matter to it.

    Inputs have hashes, so that how they came about does not matter. How translations are searched
    for and scored has a part in which checkpoint is called the best, but in no weight.
    """
    sides = [
        {name: each for name, each in side["requested"].items() if name not in OF_OTHER_STAGES}
        for side in (before, manifest)
    ]
    return sides[0] == sides[1] and before["inputs"] == manifest["inputs"]


def refuse_changed_inputs(manifest: dict[str, Any], experiment: Experiment, folder: Path) -> None:
    """Refuse to go on with other data than a run was started with."""
    now = make_manifest(experiment, None)["inputs"]
    for name, value in now.items():
        if manifest["inputs"].get(name) != value:
            raise CheckpointError(
                f"data.{name} has changed since {folder} was started; a resumed run must see the "
                "same data: put it back, or start another run"
            )


def refuse_changed_parent(manifest: dict[str, Any], folder: Path) -> None:
    """Refuse to begin again from another parent than a run was started with."""
    if sha256(resolve(manifest["parent"]) / WEIGHTS) != manifest["inputs"]["parent"]:
        raise CheckpointError(
            f"{manifest['parent']} has changed since {folder} was started from it, and {folder} "
            "has no checkpoint yet; start another run"
        )
