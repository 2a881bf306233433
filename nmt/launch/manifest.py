"""What a run is made from, on file, and what follows when that has changed."""

import platform
from pathlib import Path
from typing import Any

import torch

import nmt
from nmt.corpus.corpora import Corpora
from nmt.errors import CheckpointError, DataError
from nmt.experiment import Experiment
from nmt.files import refuse_foreign, sha256
from nmt.model.compute import processor
from nmt.model.directory import resolve
from nmt.model.inventory import WEIGHTS
from nmt.settings import to_table
from nmt.training.run import Run


def make_manifest(experiment: Experiment, parent: Path | None) -> dict[str, Any]:
    """Describe what a run is made from: settings as asked for, inputs by hash, versions."""
    data, threads = experiment.data, experiment.compute.threads or torch.get_num_threads()
    contents = Corpora(data.train).contents
    names = ["train"] if len(contents) == 1 else [f"train[{n}]" for n in range(len(contents))]
    inputs = dict(zip(names, contents, strict=True))
    for name in ("dev_source", "dev_target"):
        path = getattr(data, name)
        if path:
            inputs[name] = hash_of_text(path)
    if parent is not None:
        inputs["parent"] = sha256(resolve(parent) / WEIGHTS)
    return {
        "requested": to_table(experiment),
        "inputs": inputs,
        "parent": str(parent) if parent else None,
        "nmt": nmt.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{processor()}, {threads} threads",
    }


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
    same = all(run.manifest()[key] == manifest[key] for key in ("requested", "inputs"))
    if existing == "auto":
        return not same
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
