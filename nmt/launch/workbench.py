"""Everything that a training needs, loaded."""

import contextlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.advice.case import Case
from nmt.advice.facts import usable_cores
from nmt.advice.table import pitfalls
from nmt.corpus.batches import Batch, BatchStream
from nmt.corpus.corpora import Corpora, Pairs
from nmt.corpus.encoded import EncodedCorpus
from nmt.corpus.order import Mixed
from nmt.corpus.sampling import sampling_of
from nmt.corpus.texts import Texts, sides_learnt, text_side
from nmt.errors import ConfigError, DataError
from nmt.experiment import Experiment
from nmt.launch.development import boundaries, dev_batches, read_dev, segmenters_of
from nmt.launch.manifest import origin
from nmt.launch.shortlist import learn_shortlist
from nmt.model.compiled_for import refuse_unserved
from nmt.model.compute import Compute, has_fast_bf16, prepare
from nmt.model.contract import EncoderDecoder, SequenceModel
from nmt.model.directory import (
    Segmenters,
    copy_weights,
    count_parameters,
    load_any,
    model_for,
    read_metadata,
    resolve,
    shortlist_in,
    weights_of,
)
from nmt.model.inventory import WEIGHTS
from nmt.model.recompute import set_recompute
from nmt.model.shortlist import Shortlist
from nmt.scoring.metrics import Score
from nmt.settings import to_table
from nmt.training.budget import parse_budget
from nmt.training.checkpoint import Progress, load_state
from nmt.training.loop import Materials, Trainer
from nmt.training.ranks import Ranks
from nmt.training.run import Run
from nmt.training.tensorboard import told_to_tensorboard
from nmt.training.update import Updater, held_out_loss
from nmt.validation import Validator

log = logging.getLogger(__name__)

LAYER = re.compile(r"\.\d+\.")  # in the name of a weight


@dataclass(frozen=True)
class Workbench:
    """Everything that a training needs, loaded.

    Attributes:
        compute: What updates run in.
        translating: What `nmt translate` runs in by default, so that the development set is
            scored as a user would find it.
    """

    model: SequenceModel
    updater: Updater
    compute: Compute
    translating: Compute
    segmenters: Segmenters
    stream: BatchStream
    dev_batches: list[Batch]
    validator: Validator | None
    corpus: Corpora

    @classmethod
    def prepare(cls, experiment: Experiment, ranks: Ranks = Ranks()) -> "Workbench":  # noqa: B008
        """Load data and build the model."""
        corpus = Corpora(experiment.data.train)
        segmenters = segmenters_of(corpus.first, experiment.model.has_source)
        translating = prepare(experiment.compute, training=False)
        compute = prepare(experiment.compute, training=True)
        refuse_overlong(corpus, experiment)
        refuse_unknown_tags(corpus, segmenters, experiment)
        stream = make_stream(corpus, segmenters, experiment)
        model = make_model(experiment, segmenters).to(compute.device)
        refuse_unserved(model, translating)
        set_recompute(model, experiment.training.recompute)
        updater = Updater.make(model, experiment.training, compute, ranks)
        ranks.seed(experiment.compute.seed)
        pairs = read_dev(experiment)
        validator = None
        if pairs and experiment.model.has_source:
            sources, targets = zip(*pairs, strict=True)
            validator = Validator(sources, targets, segmenters, experiment.search, experiment.score)
        batches = dev_batches(pairs, segmenters, experiment)
        return cls(
            model, updater, compute, translating, segmenters, stream, batches, validator, corpus
        )

    def learn_shortlist(self, experiment: Experiment) -> None:
        """Learn what the source pieces of the corpus suggest, where that is asked for."""
        if experiment.training.shortlist and experiment.model.has_source:
            self.model.shortlist = learn_shortlist(self.corpus, self.segmenters)

    def take_weights(self, parent: Path) -> None:
        """Start from another model's weights; what it has not got starts fresh."""
        package = load_any(parent)
        self._take_shortlist(package.model.shortlist, parent)
        taken = weights_of(package.model)
        fresh = {name: each for name, each in weights_of(self.model).items() if name not in taken}
        copy_weights(self.updater.model, taken | fresh, resolve(parent) / WEIGHTS)
        if fresh:
            kinds = sorted({LAYER.sub(".*.", name) for name in fresh})
            log.info("%d weights start fresh: %s", len(fresh), ", ".join(kinds))

    def _take_shortlist(self, given: Shortlist | None, parent: Path) -> None:
        """Add what a parent's shortlist suggests: its data are not those that are trained on."""
        own = self.model.shortlist
        if own is None:
            return
        if given is None:
            self.model.shortlist = None
            log.info(
                "%s has no shortlist, so there will be none; nmt shortlist learns one, from its "
                "corpora and these",
                parent,
            )
            return
        self.model.shortlist = own.joined(given, self.segmenters.target.vocab_size)

    def restore(self, checkpoint: Path) -> Progress:
        """Put the state of a checkpoint back."""
        self.model.shortlist = shortlist_in(checkpoint, read_metadata(checkpoint), self.segmenters)
        return load_state(checkpoint, self.updater)

    def validate_once(self, model: SequenceModel) -> None:
        """Do what a validation does, to see how long it takes."""
        if self.dev_batches:
            held_out_loss(model, self.dev_batches, self.compute)
        if self.validator is not None:
            self.score(model)

    def score(self, model: SequenceModel) -> dict[str, Score]:
        """Translate and score the development set."""
        assert self.validator is not None
        assert isinstance(model, EncoderDecoder), "only what translates has a validator"
        return self.validator(model, self.translating)

    def train(self, run: Run, experiment: Experiment, progress: Progress) -> dict[str, Any]:
        """Run the loop, with its messages in the run's log as well."""
        manifest, ranks = run.manifest(), self.updater.engine.ranks
        started_by = manifest.get("processes", 1)
        materials = Materials(
            stream=self.stream,
            dev_batches=self.dev_batches,
            validate=self.score if self.validator else None,
            segmenters=self.segmenters,
            settings=to_table(experiment),
            corpus=self.corpus.content,
            seconds=parse_budget(experiment.training.budget),
            batches=experiment.training.accumulate * started_by,
            until=manifest.get("until"),
            origin=origin(manifest),
        )
        watched = told_to_tensorboard(run, progress.update, wanted=experiment.training.tensorboard)
        with logged_to(run.log), watched:
            self._announce(experiment)
            if ranks.leads:
                self._warn(experiment, progress.update)
            tell_of_processes(ranks.size, materials.batches, experiment)
            trainer = Trainer(run, self.updater, experiment.training, materials, progress)
            return trainer.train()

    def _announce(self, experiment: Experiment) -> None:
        precision = str(self.compute.dtype).removeprefix("torch.")
        log.info(
            "%s parameters, %s %s, %s updates, %s on %s",
            f"{count_parameters(self.model):,}", f"{len(self.corpus):,}",
            "pairs" if experiment.model.has_source else "lines",
            f"{experiment.training.max_updates:,}", precision, self.compute.device,
        )  # fmt: skip

    def _warn(self, experiment: Experiment, resumed: int) -> None:
        """Tell of settings that ruin the run, of which something is known by now."""
        case = Case(
            experiment=experiment,
            resumed=resumed,
            is_planned=True,
            longest=max(longest(part, experiment) for part in self.corpus.parts),
            dev_tokens=sum(batch.tokens for batch in self.dev_batches),
            has_fast_bf16=has_fast_bf16(self.compute.device),
            cores=usable_cores(),
        )
        for _, pitfall in pitfalls(case):
            log.warning("%s", pitfall)


def tell_of_processes(size: int, batches: int, experiment: Experiment) -> None:
    """Say what several processes share, and which of them have nothing to do."""
    if size > 1:
        sharding = experiment.compute.sharding
        log.info("%d processes (%s), %d batches an update", size, sharding, batches)
    if size > batches:
        log.warning(
            "%d of %d processes are idle: the run was begun with %d batches an update, which "
            "holds for all of it",
            size - batches, size, batches,
        )  # fmt: skip


def make_model(experiment: Experiment, segmenters: Segmenters) -> SequenceModel:
    """Build a model for these segmenters.

    Raises:
        ConfigError: Embeddings are to be tied between sides that are segmented apart.
    """
    if experiment.model.tie == "all" and segmenters.source is not segmenters.target:
        raise ConfigError(
            "model.tie = 'all' needs one segmenter for both sides, but this corpus has two; "
            "set model.tie = 'target', or learn a joint segmenter"
        )
    return model_for(experiment.model, experiment.attention, segmenters)


def make_stream(corpus: Corpora, segmenters: Segmenters, experiment: Experiment) -> BatchStream:
    """Make the batches to learn from: mixed, and cut anew, as the settings say."""
    data, seed, room = experiment.data, experiment.compute.seed, experiment.model.max_length - 1
    sides = {"source": segmenters.source, "target": segmenters.target}
    pairs: Pairs = corpus if experiment.model.has_source else Texts(corpus)
    return BatchStream(
        pairs,
        data.batch_tokens,
        seed,
        boundaries(segmenters),
        Mixed(corpus.sizes, data.mixtures, seed) if data.mixtures else None,
        sampling_of(pairs, sides, data, seed, room),
    )


def refuse_overlong(corpus: Corpora, experiment: Experiment) -> None:
    """Refuse pairs that the model has no positions for."""
    for part in corpus.parts:
        tokens = longest(part, experiment)
        if tokens > experiment.model.max_length:
            raise ConfigError(
                f"the longest line of {part.folder} has {tokens} tokens, but model.max_length is "
                f"{experiment.model.max_length}; raise it, or encode with a lower encode.max_pieces"
            )


def longest(part: EncodedCorpus, experiment: Experiment) -> int:
    """Give the tokens of the longest line that is learnt, its end counted."""
    return max(part.longest(side) for side in sides_learnt(part, experiment.model.has_source)) + 1


def refuse_unknown_tags(corpus: Corpora, segmenters: Segmenters, experiment: Experiment) -> None:
    """Refuse tags that no source can have, and tell of those that translation would go without."""
    segmenters.source.tag_ids(experiment.search.source_tag)
    tags = [part.record.tags.get("source", []) for part in corpus.parts]
    if not experiment.model.has_source:
        refuse_tagged_text(corpus)
        return
    if all(tags) and not experiment.search.source_tag:
        log.warning(
            "every source to train on begins with a tag, such as %s, but search.source_tag is not "
            "set: the development set and nmt translate have none",
            " ".join(tags[0]),
        )


def refuse_tagged_text(corpus: Corpora) -> None:
    """Refuse text whose lines begin with a tag, which a language model would learn to write."""
    for part in corpus.parts:
        if tags := part.record.tags.get(text_side(part)):
            raise DataError(
                f"{part.folder} was encoded with the tag {' '.join(tags)}, but a language model "
                "has no source to put it before; encode it without encode.source_tag"
            )


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
