"""Start, resume and fine-tune a training."""

import dataclasses
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nmt.corpus.encoded import EncodedCorpus
from nmt.errors import ConfigError
from nmt.experiment import Experiment, read_experiment
from nmt.files import atomic_folder, sha256, write_sealed
from nmt.launch.manifest import (
    begins_afresh,
    make_manifest,
    refuse_changed_inputs,
    refuse_changed_parent,
)
from nmt.launch.overlap import refuse_overlap
from nmt.launch.parent import with_parent
from nmt.launch.workbench import Workbench, logged_to
from nmt.scoring.tokenizers import refuse_unavailable
from nmt.settings import load_table, save_table, to_table
from nmt.training.budget import Speed, parse_budget, plan_updates, probe
from nmt.training.checkpoint import Progress
from nmt.training.distributed import joined
from nmt.training.ranks import Ranks
from nmt.training.run import ReadOnlyRun, Run, refuse_changed_settings
from nmt.training.tensorboard import refuse_without_tensorboard

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """What a training is started with.

    Attributes:
        experiment: Settings.
        output: The run folder.
        parent: The model to fine-tune; None to start from fresh weights.
        existing: What to do when the run folder exists; `auto` resumes a run of the same
            settings and inputs and replaces any other.
        replayed: What the manifest says beyond what is so here, for a run that is made again:
            the number of `processes`, and the update `until` which it went.
    """

    experiment: Experiment
    output: Path
    parent: Path | None = None
    existing: str = "refuse"
    replayed: dict[str, Any] = field(default_factory=dict)


def train(start: Start) -> dict[str, Any]:
    """Train as asked, and return a summary.

    Raises:
        NmtError: Whatever is wrong with settings or data, before anything runs.
    """
    with joined(start.experiment.compute.wait_minutes) as ranks:
        refuse_unready(start.experiment)
        experiment = with_parent(start.experiment, start.parent)
        run = run_of(start.output, ranks)
        made = make_manifest(experiment, start.parent)
        manifest = {**made, "processes": ranks.size, **start.replayed}
        if ranks.told(ranks.leads and begins_afresh(run, manifest, start.existing)):
            return begin(run, experiment, manifest, ranks)
        return go_on(run, ranks)


def begin(
    run: Run, experiment: Experiment, manifest: dict[str, Any], ranks: Ranks
) -> dict[str, Any]:
    """Begin a run, among the processes that train it."""
    for corpus in experiment.data.train:
        refuse_overlap(EncodedCorpus(corpus), experiment.data)
    bench = Workbench.prepare(experiment, ranks)
    bench.learn_shortlist(experiment)
    if manifest["parent"]:
        bench.take_weights(Path(manifest["parent"]))
    experiment, speed = with_planned_updates(experiment, bench, ranks)
    if ranks.leads:
        with atomic_folder(run.folder, replace=True) as folder:
            Run(folder).create()
            save_table(to_table(experiment), folder / "config.toml")
            hashes = [sha256(folder / "config.toml")]
            computed = {
                **bench.compute.described(), "search_precision": bench.translating.precision
            }  # fmt: skip
            told = {"compute": computed, "settings": hashes}
            write_sealed(folder / "manifest.json", {**manifest, **told})
        if speed:
            with logged_to(run.log):
                log.info(speed.plan(experiment.training))
    ranks.told(None)  # others wait for the folder
    probed = speed.validation if speed and experiment.training.warmup else None
    return bench.train(run, experiment, Progress(to_plan=ranks.told(probed)))


def resume(folder: Path) -> dict[str, Any]:
    """Go on with a run from its newest checkpoint, exactly as if it had not stopped.

    Raises:
        CheckpointError: There is no run, or its inputs have changed.
    """
    Run(folder).manifest()  # refuses what is no run
    experiment = read_experiment(load_table(folder / "config.toml"))
    with joined(experiment.compute.wait_minutes) as ranks:
        return go_on(run_of(folder, ranks), ranks)


def run_of(folder: Path, ranks: Ranks) -> Run:
    """Open a run; the first process alone writes to it."""
    return Run(folder) if ranks.leads else ReadOnlyRun(folder)


def go_on(run: Run, ranks: Ranks) -> dict[str, Any]:
    """Go on with a run, among the processes that train it."""
    folder, manifest = run.folder, run.manifest()
    refuse_changed_settings(folder, manifest)
    if run.is_finished():
        log.info("%s is finished; nothing to do", folder)
        return run.summary()
    experiment = read_experiment(load_table(folder / "config.toml"))
    refuse_changed_inputs(manifest, experiment, folder)
    bench = Workbench.prepare(experiment, ranks)
    updates = ranks.told(run.updates())
    progress = Progress()
    if not updates:
        bench.learn_shortlist(experiment)
    if not updates and manifest["parent"]:
        refuse_changed_parent(manifest, folder)
        bench.take_weights(Path(manifest["parent"]))
    if updates:
        progress = bench.restore(run.checkpoint(updates[-1]))
        log.info("resuming %s at update %s", folder, f"{progress.update:,}")
    run.forget_after(progress.update)
    return bench.train(run, experiment, progress)


def refuse_unready(experiment: Experiment) -> None:
    """Refuse, before anything runs, settings that would fail late."""
    data, training = experiment.data, experiment.training
    if not any(data.train):
        raise ConfigError("data.train is not set: name an encoded corpus (--train FOLDER)")
    if experiment.model.has_source and bool(data.dev_source) != bool(data.dev_target):
        raise ConfigError("data.dev_source and data.dev_target go together; one is not set")
    if not data.dev_target and training.patience:
        needed = "data.dev_source, dev_target" if experiment.model.has_source else "data.dev_target"
        raise ConfigError(f"training.patience needs a development set ({needed})")
    parse_budget(training.budget)
    refuse_unavailable(experiment.score.tokenize)
    refuse_without_tensorboard(wanted=training.tensorboard)


def with_planned_updates(
    experiment: Experiment, bench: Workbench, ranks: Ranks
) -> tuple[Experiment, Speed | None]:
    """Turn a budget of time into a number of updates, which is recorded, by the speed here."""
    config = experiment.training
    seconds = parse_budget(config.budget)
    if seconds is None:
        return experiment, None
    speed = probe(bench.model, bench.stream, config, bench.compute, bench.validate_once, ranks)
    updates = ranks.told(plan_updates(seconds, speed, config))
    planned = dataclasses.replace(config, max_updates=updates)
    return dataclasses.replace(experiment, training=planned), speed
