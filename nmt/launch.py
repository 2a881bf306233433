"""Start, resume and fine-tune: from settings and files to a training that runs."""

import contextlib
import dataclasses
import logging
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import nmt
from nmt.corpus.batches import Batch, BatchStream, Boundaries, make_batch, plan_batches
from nmt.corpus.encoded import EncodedCorpus
from nmt.corpus.store import Array
from nmt.errors import CheckpointError, ConfigError, DataError
from nmt.experiment import Experiment, read_experiment
from nmt.files import atomic_folder, refuse_foreign, sha256, write_json
from nmt.model.build import build_model
from nmt.model.compute import Compute, prepare
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import (
    WEIGHTS,
    Segmenters,
    count_parameters,
    load_weights,
    read_metadata,
    resolve,
)
from nmt.scoring.metrics import Score
from nmt.scoring.tokenizers import refuse_unavailable
from nmt.settings import load_table, save_table, to_table
from nmt.text.lines import read_pairs
from nmt.text.segmenter import Segmenter
from nmt.training.budget import parse_budget, plan_updates, probe
from nmt.training.checkpoint import Progress, load_state
from nmt.training.loop import Materials, Trainer
from nmt.training.optimizer import make_optimizer
from nmt.training.run import Run
from nmt.training.update import Updater, held_out_loss
from nmt.validation import Validator

log = logging.getLogger(__name__)

EXISTING = ("refuse", "resume", "replace", "auto")


@dataclass(frozen=True)
class Start:
    """What a training is started with.

    Attributes:
        experiment: Settings.
        output: The run folder.
        parent: The model to fine-tune; None to start from fresh weights.
        existing: What to do when the run folder exists; `auto` resumes a run of the same
            settings and inputs and replaces any other.
    """

    experiment: Experiment
    output: Path
    parent: Path | None = None
    existing: str = "refuse"


def train(start: Start) -> dict[str, Any]:
    """Train as asked, and return a summary.

    Raises:
        NmtError: Whatever is wrong with settings or data, before anything runs.
    """
    refuse_unready(start.experiment)
    experiment = with_parent(start)
    run = Run(start.output)
    manifest = make_manifest(experiment, start.parent)
    if not begins_afresh(run, manifest, start.existing):
        return resume(start.output)
    bench = Workbench.prepare(experiment)
    if start.parent is not None:
        bench.take_weights(start.parent)
    experiment = with_planned_updates(experiment, bench)
    with atomic_folder(run.folder, replace=True) as folder:
        Run(folder).create()
        save_table(to_table(experiment), folder / "config.toml")
        write_json(folder / "manifest.json", manifest)
    return bench.train(run, experiment, Progress())


def resume(folder: Path) -> dict[str, Any]:
    """Go on with a run from its newest checkpoint, exactly as if it had not stopped.

    Raises:
        CheckpointError: There is no run, or its inputs have changed.
    """
    run = Run(folder)
    manifest = run.manifest()
    if run.is_finished():
        log.info("%s is finished; nothing to do", folder)
        return run.summary()
    experiment = read_experiment(load_table(folder / "config.toml"))
    refuse_changed_inputs(manifest, experiment, folder)
    bench = Workbench.prepare(experiment)
    updates = run.updates()
    progress = Progress()
    if not updates and manifest["parent"]:
        refuse_changed_parent(manifest, folder)
        bench.take_weights(Path(manifest["parent"]))
    if updates:
        progress = bench.restore(run.checkpoint(updates[-1]))
        log.info("resuming %s at update %s", folder, f"{progress.update:,}")
    run.forget_after(progress.update)
    return bench.train(run, experiment, progress)


def with_parent(start: Start) -> Experiment:
    """Give a fine-tuned model the shape of its parent; dropout may differ.

    Raises:
        CheckpointError: There is no parent, or it was trained with other segmenters.
    """
    if start.parent is None:
        return start.experiment
    refuse_other_segmenters(start.parent, EncodedCorpus(start.experiment.data.train))
    table = load_table(resolve(start.parent) / "config.toml")
    parent, own = read_experiment(table), start.experiment
    model = dataclasses.replace(
        parent.model, dropout=own.model.dropout, ffn_dropout=own.model.ffn_dropout
    )
    return dataclasses.replace(own, model=model, attention=parent.attention)


def refuse_other_segmenters(parent: Path, corpus: EncodedCorpus) -> None:
    """Refuse a corpus that was encoded with other segmenters than a model knows."""
    folder = resolve(parent)
    if read_metadata(folder).get("segmenters") != corpus.record.segmenters:
        raise CheckpointError(
            f"{parent} was trained with another segmenter than {corpus.folder} was "
            f"encoded with; encode with {folder}/source.model and target.model"
        )


def refuse_unready(experiment: Experiment) -> None:
    """Refuse, before anything runs, settings that would fail late."""
    data, training = experiment.data, experiment.training
    if not data.train:
        raise ConfigError("data.train is not set: name an encoded corpus (--train FOLDER)")
    if bool(data.dev_source) != bool(data.dev_target):
        raise ConfigError("data.dev_source and data.dev_target go together; one is not set")
    if not data.dev_source and training.patience:
        raise ConfigError("training.patience needs a development set (data.dev_source, dev_target)")
    parse_budget(training.budget)
    refuse_unavailable(experiment.score.tokenize)


def make_manifest(experiment: Experiment, parent: Path | None) -> dict[str, Any]:
    """Describe what a run is made from: settings as asked for, inputs by hash, versions."""
    data, threads = experiment.data, experiment.compute.threads or torch.get_num_threads()
    inputs = {"train": EncodedCorpus(data.train).record.content}
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
        "machine": f"{platform.machine()}, {threads} threads",
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


def with_planned_updates(experiment: Experiment, bench: "Workbench") -> Experiment:
    """Turn a budget of time into a number of updates, which is recorded."""
    config = experiment.training
    seconds = parse_budget(config.budget)
    if seconds is None:
        return experiment
    speed = probe(bench.model, bench.stream, config, bench.compute, bench.validate_once)
    updates = plan_updates(seconds, speed, config)
    log.info(
        "budget %s: %.0f ms an update, %.1f s a validation: %s updates",
        config.budget, speed.update * 1000, speed.validation, f"{updates:,}",
    )  # fmt: skip
    planned = dataclasses.replace(config, max_updates=updates)
    return dataclasses.replace(experiment, training=planned)


@dataclass(frozen=True)
class Workbench:
    """Everything that a training needs, loaded.

    Attributes:
        compute: What updates run in.
        translating: What `nmt translate` runs in unless told otherwise, which the scores of the
            development set are to agree with.
    """

    model: EncoderDecoder
    updater: Updater
    compute: Compute
    translating: Compute
    segmenters: Segmenters
    stream: BatchStream
    dev_batches: list[Batch]
    validator: Validator | None
    corpus: EncodedCorpus

    @classmethod
    def prepare(cls, experiment: Experiment) -> "Workbench":
        """Load data and build the model."""
        corpus = EncodedCorpus(experiment.data.train)
        segmenters = segmenters_of(corpus)
        translating = prepare(
            dataclasses.replace(experiment.compute, precision="auto"), training=False
        )
        compute = prepare(experiment.compute, training=True)
        ends = boundaries(segmenters)
        refuse_overlong(corpus, experiment)
        data = experiment.data
        stream = BatchStream(corpus, data.batch_tokens, experiment.compute.seed, ends)
        stream.plan(0)
        model = make_model(experiment, segmenters).to(compute.device)
        config = experiment.training
        optimizer = make_optimizer(model, config)
        updater = Updater(model, optimizer, compute, config.label_smoothing, config.clip_norm)
        pairs = read_dev(experiment)
        validator = None
        if pairs:
            sources, targets = zip(*pairs, strict=True)
            validator = Validator(sources, targets, segmenters, experiment.search, experiment.score)
        batches = dev_batches(pairs, segmenters, experiment)
        return cls(
            model, updater, compute, translating, segmenters, stream, batches, validator, corpus
        )

    def take_weights(self, parent: Path) -> None:
        """Start from another model's weights."""
        load_weights(self.model, resolve(parent) / WEIGHTS)

    def restore(self, checkpoint: Path) -> Progress:
        """Put the state of a checkpoint back."""
        return load_state(checkpoint, self.updater)

    def validate_once(self, model: EncoderDecoder) -> None:
        """Do what a validation does, to see how long it takes."""
        if self.validator is not None:
            held_out_loss(model, self.dev_batches, self.compute)
            self.score(model)

    def score(self, model: EncoderDecoder) -> dict[str, Score]:
        """Translate and score the development set."""
        assert self.validator is not None
        return self.validator(model, self.translating)

    def train(self, run: Run, experiment: Experiment, progress: Progress) -> dict[str, Any]:
        """Run the loop, with its messages in the run's log as well."""
        materials = Materials(
            stream=self.stream,
            dev_batches=self.dev_batches,
            validate=self.score if self.validator else None,
            segmenters=self.segmenters,
            settings=to_table(experiment),
            corpus=self.corpus.record.content,
            seconds=parse_budget(experiment.training.budget),
        )
        trainer = Trainer(run, self.updater, experiment.training, materials, progress)
        with logged_to(run.log):
            self._announce(experiment)
            return trainer.train()

    def _announce(self, experiment: Experiment) -> None:
        precision = str(self.compute.dtype).removeprefix("torch.")
        log.info(
            "%s parameters, %s pairs, %s updates, %s on %s",
            f"{count_parameters(self.model):,}", f"{len(self.corpus):,}",
            f"{experiment.training.max_updates:,}", precision, self.compute.device,
        )  # fmt: skip


def segmenters_of(corpus: EncodedCorpus) -> Segmenters:
    """Load the segmenters that a parallel corpus was encoded with."""
    if corpus.record.sides != ["source", "target"]:
        raise DataError(f"{corpus.folder} is monolingual; training needs a parallel corpus")
    paths = {side: corpus.segmenter_path(side) for side in corpus.record.sides}
    source = Segmenter.load(paths["source"])
    same = corpus.record.segmenters["source"] == corpus.record.segmenters["target"]
    return Segmenters(source, source if same else Segmenter.load(paths["target"]))


def boundaries(segmenters: Segmenters) -> Boundaries:
    """Give the ids around sentences."""
    target = segmenters.target
    return Boundaries(segmenters.source.eos_id, target.start_id, target.eos_id)


def make_model(experiment: Experiment, segmenters: Segmenters) -> EncoderDecoder:
    """Build a model for these segmenters.

    Raises:
        ConfigError: Embeddings are to be tied between sides that are segmented apart.
    """
    if experiment.model.tie == "all" and segmenters.source is not segmenters.target:
        raise ConfigError(
            "model.tie = 'all' needs one segmenter for both sides, but this corpus has two; "
            "set model.tie = 'target', or learn a joint segmenter"
        )
    sizes = segmenters.source.vocab_size, segmenters.target.vocab_size
    return build_model(experiment.model, experiment.attention, *sizes)


def refuse_overlong(corpus: EncodedCorpus, experiment: Experiment) -> None:
    """Refuse pairs that the model has no positions for."""
    longest = max(int(corpus.lengths(side).max()) for side in corpus.record.sides) + 1
    if longest > experiment.model.max_length:
        raise ConfigError(
            f"the longest line of {corpus.folder} has {longest} tokens, but model.max_length is "
            f"{experiment.model.max_length}; raise it, or encode with a lower encode.max_pieces"
        )


def read_dev(experiment: Experiment) -> list[tuple[str, str]]:
    """Read the development set, whole."""
    data = experiment.data
    if not data.dev_source:
        return []
    pairs = list(read_pairs(data.dev_source, data.dev_target))
    if not pairs:
        raise DataError(f"{data.dev_source} is empty; a development set needs lines")
    return pairs


def dev_batches(
    pairs: list[tuple[str, str]], segmenters: Segmenters, experiment: Experiment
) -> list[Batch]:
    """Encode the development set for measuring its loss; none of its lines is dropped."""
    room = experiment.model.max_length - 1
    sides = [
        encoded(segmenter, [pair[side] for pair in pairs], room)
        for side, segmenter in enumerate((segmenters.source, segmenters.target))
    ]
    lengths = [torch.tensor([len(ids) + 1 for ids in side]).numpy() for side in sides]
    longest = max((int(side.max()) for side in lengths if len(side)), default=1)
    budget = max(experiment.data.batch_tokens, longest)
    order = torch.arange(len(pairs)).numpy()
    ends = boundaries(segmenters)
    return [
        make_batch([sides[0][n] for n in batch], [sides[1][n] for n in batch], ends)
        for batch in plan_batches(lengths[0], lengths[1], budget, order)
    ]


def encoded(segmenter: Segmenter, lines: list[str], room: int) -> list[Array]:
    """Encode lines, each as far as the model can read."""
    return [
        torch.tensor(ids[:room], dtype=torch.long).numpy() for ids in segmenter.encode_lines(lines)
    ]


@contextlib.contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Write all messages to a file as well, with the time."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    root = logging.getLogger("nmt")
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
