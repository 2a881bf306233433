"""Train a run again, from its manifest."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmt.errors import CheckpointError
from nmt.experiment import Experiment, read_experiment
from nmt.files import read_json, sha256
from nmt.launch.start import Start, train
from nmt.reproduce.inputs import CORPORA, located, paths_of_run
from nmt.settings import load_table
from nmt.training.run import Run, refuse_changed_settings

THREADS = re.compile(r", (\d+) threads$")  # in the machine of the first versions


def train_again(folder: Path, output: Path, elsewhere: Mapping[str, str]) -> None:
    """Train once more by the settings, on the inputs and for the updates of a run.

    What was interrupted goes on.

    Args:
        elsewhere: Paths of inputs that have moved, by name.

    Raises:
        CheckpointError: The run is not finished, or is another than the one at `output`.
        DataError: An input is gone or has changed.
    """
    run = Run(folder)
    manifest = run.manifest()
    refuse_changed_settings(folder, manifest)
    if not run.is_finished():
        raise CheckpointError(
            f"{folder} is not finished, so that there is no result to come to again; go on with: "
            f"nmt train --resume {folder}"
        )
    settings = load_table(folder / "config.toml")
    paths = located(manifest, paths_of_run(manifest, settings), elsewhere)
    mark = sha256(folder / "manifest.json")
    refuse_another(output, folder, mark)
    replayed = {
        "processes": manifest.get("processes", 1),
        "until": run.summary()["update"],
        "reproduces": mark,
    }
    experiment = as_it_was(read_experiment(settings), manifest, paths)
    parent = Path(paths["parent"]) if "parent" in paths else None
    train(Start(experiment, output, parent, "resume", replayed))


def refuse_another(output: Path, folder: Path, mark: str) -> None:
    """Refuse to go on with a run that is not this one made again."""
    path = output / "manifest.json"
    if path.is_file() and read_json(path).get("reproduces") != mark:
        raise CheckpointError(
            f"{output} is a run already, but not {folder} made again; choose another --output"
        )


def as_it_was(
    experiment: Experiment, manifest: Mapping[str, Any], paths: Mapping[str, str]
) -> Experiment:
    """Give the settings that led to the result: a budget is by now a number of updates, and
    threads are as many as there were.
    """
    corpora = tuple(path for name, path in paths.items() if name.startswith(CORPORA))
    data = dataclasses.replace(
        experiment.data,
        train=corpora,
        dev_source=paths.get("dev_source", ""),
        dev_target=paths.get("dev_target", ""),
        test=(),  # nothing is learnt from them
    )
    training = dataclasses.replace(experiment.training, budget="")
    threads = threads_of(manifest) or experiment.compute.threads
    compute = dataclasses.replace(experiment.compute, threads=threads)
    return dataclasses.replace(experiment, data=data, training=training, compute=compute)


def threads_of(manifest: Mapping[str, Any]) -> int:
    """Give the number of threads that computed a run; 0 where that is not known."""
    told = THREADS.search(str(manifest.get("machine", "")))
    return int(manifest.get("compute", {}).get("threads", told[1] if told else 0))
