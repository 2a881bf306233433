"""The training loop: a list of events."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch

from nmt.corpus.batches import Batch, BatchStream
from nmt.errors import Interrupted, NmtError
from nmt.model.contract import SequenceModel
from nmt.model.directory import Package, Segmenters, copy_weights, save_package
from nmt.settings import Table
from nmt.training.averaging import average_weights
from nmt.training.budget import Speed, plan_updates
from nmt.training.checkpoint import Progress, random_states, save_state, state_tensors
from nmt.training.config import TrainingConfig
from nmt.training.crash import Evidence, save_evidence
from nmt.training.optimizer import set_rate
from nmt.training.progress import ProgressBar
from nmt.training.run import Run
from nmt.training.schedule import make_schedule
from nmt.training.signals import StopRequest
from nmt.training.update import NotFinite, Totals, Updater, held_out_loss

log = logging.getLogger(__name__)

AVERAGE = "average"
LOWER_IS_BETTER = frozenset({"loss", "perplexity"})


class NamedScore(Protocol):
    """A score with what it takes to quote it."""

    @property
    def value(self) -> float:
        """Give the number."""

    @property
    def signature(self) -> str:
        """Give what it depends on."""


Scores = Mapping[str, Mapping[str, Any]]  # as in metadata.json: value, and perhaps signature
Witness = Callable[["Trainer", Sequence[Batch]], None]
Validate = Callable[[SequenceModel], Mapping[str, NamedScore]]


@dataclass(frozen=True)
class Materials:
    """What a training works on.

    Attributes:
        stream: Batches to learn from.
        dev_batches: Pairs to measure the loss on; empty without a development set.
        validate: Scores translations of the development set; None without one.
        segmenters: To be packed with every model.
        settings: The whole experiment, resolved, to be packed with every model.
        corpus: Hash of the training data.
        batches: Of an update, over all processes.
        seconds: When to stop whatever is left; None for no limit.
        until: The update after which to stop, for a run that is made again; None for no limit.
        origin: What a model says of where it comes from.
    """

    stream: BatchStream
    dev_batches: Sequence[Batch]
    validate: Validate | None
    segmenters: Segmenters
    settings: Table
    corpus: str
    seconds: float | None = None
    batches: int = 1
    until: int | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)


class Trainer:
    """Train a model, from where `progress` stands to the end.

    Attributes:
        witnesses: Told, in this process, of every update once it is done, and of its batches.
    """

    witnesses: ClassVar[list[Witness]] = []

    def __init__(
        self,
        run: Run,
        updater: Updater,
        config: TrainingConfig,
        materials: Materials,
        progress: Progress,
    ) -> None:
        self.run, self.updater, self.config = run, updater, config
        self.materials, self.progress = materials, progress
        self.ranks = updater.engine.ranks
        self._rate = make_schedule(config)
        self._clock = time.monotonic()

    def train(self) -> dict[str, Any]:
        """Train to the end and return a summary.

        Raises:
            Interrupted: By a signal, with everything saved.
            NmtError: The gradient was not finite too many times in a row.
        """
        batches = self.materials.stream.from_position(self.progress.position)
        self.updater.model.train()
        if self.progress.update:
            self.point_links()
        with (
            StopRequest() as stop,
            ProgressBar(self.config.max_updates, self.progress.update) as bar,
        ):
            while not self._is_over():
                self._one_update(list(islice(batches, self.materials.batches)))
                self._plan_for_good(bar)
                bar.advance(self.progress.tokens, self.progress.totals)
                if self._is_due(self.config.log_every):
                    self._log(bar)
                if self._is_due(self.config.validate_every) or self._is_over():
                    self._validate_and_save()
                (number,) = self.ranks.highest([stop.signal_number or 0])
                if number:
                    self._leave(int(number))
        if self.progress.update not in self.progress.validated:  # stopped as its time ran out
            self._validate_and_save()
        return self._finish()

    def _is_over(self) -> bool:
        limit, patience = self.materials.seconds, self.config.patience
        most, until = self.config.max_updates, self.materials.until
        return (
            self.progress.update >= (most if until is None else min(most, until))
            or (patience > 0 and self.progress.stale >= patience)
            or (limit is not None and self.progress.seconds >= limit)
        )

    def _plan_for_good(self, bar: ProgressBar) -> None:
        """Plan a budget once more, at the pace of the warm-up, whose rates no plan changes."""
        validation, done = self.progress.to_plan, self.progress.update
        if validation is None or self.materials.seconds is None or done != self.config.warmup:
            return
        self.progress.to_plan = None
        updating = self.progress.seconds - validation * len(self.progress.validated)
        speed = Speed(updating / done, validation)
        planned = max(done, plan_updates(self.materials.seconds, speed, self.config))
        self.config = replace(self.config, max_updates=planned)
        self._rate = make_schedule(self.config)
        training = {**self.materials.settings["training"], "max_updates": planned}
        settings = {**self.materials.settings, "training": training}
        self.materials = replace(self.materials, settings=settings)
        self.run.keep_settings(settings)
        bar.extend(planned)
        log.info("%s ms an update since: %s updates", f"{speed.update * 1000:.0f}", f"{planned:,}")

    def _is_due(self, interval: int) -> bool:
        return self.progress.update % interval == 0

    def _one_update(self, batches: Sequence[tuple[Batch, Any]]) -> None:
        number, random = self.progress.update + 1, random_states()
        used = [batch for batch, _ in batches]
        set_rate(self.updater.optimizer, self._rate(number))
        try:
            self.updater.update(used, self.progress.totals)
            self.progress.skipped_in_a_row = 0
            if self.updater.moving is not None:
                self.updater.moving.add(number)
        except NotFinite as fault:
            is_half = self.updater.compute.dtype == torch.bfloat16
            precision = "bf16" if is_half else "fp32"  # as the setting has it
            self._skip(Evidence(number, fault.loss, fault.norm, precision, used, random))
        self.progress.update = number
        self.progress.position = batches[-1][1]
        self.progress.tokens += sum(batch.tokens for batch, _ in batches)
        self.progress.totals.seconds += self._lap()
        for witness in self.witnesses:
            witness(self, used)

    def _skip(self, evidence: Evidence) -> None:
        """Write down what cannot be learnt from; go on, unless that is so too often in a row.

        A skipped update counts: what follows takes the place in schedule and data that it had.
        """
        self.progress.skipped += 1
        self.progress.skipped_in_a_row += 1
        number, limit = evidence.update, self.config.max_skipped
        with self.updater.engine.whole(self.updater.model) as model:
            if self.ranks.leads:
                with self.run.new_crash(number, max(limit, self.config.keep)) as folder:
                    save_evidence(folder, self._package(model, {}), evidence)
        self.run.record("skipped", {"update": number, **evidence.numbers()})
        log.warning(
            "update %s is skipped: the loss is %.4g, the gradient's length %s; see it again: "
            "nmt replay %s",
            f"{number:,}", evidence.loss, evidence.gradient_norm, self.run.crash(number),
        )  # fmt: skip
        if self.progress.skipped_in_a_row >= limit:
            raise NmtError(
                f"training diverged: the gradient was not finite in {limit} updates in a row "
                "(training.max_skipped); lower training.learning_rate or raise training.warmup, "
                f"and start again; to see why: nmt replay {self.run.crash(number - limit + 1)}"
            )

    def _lap(self) -> float:
        """Add the time since the last call to the run's, and return it: one for all processes."""
        now = time.monotonic()
        (lap,), self._clock = self.ranks.highest([now - self._clock]), now
        self.progress.seconds += lap
        return lap

    def _log(self, bar: ProgressBar) -> None:
        if not self.progress.totals.updates:
            return  # all were skipped: the next line will tell of these updates too
        totals, self.progress.totals = self.progress.totals, Totals()
        totals.collect(self.ranks)
        if not self.ranks.leads:
            return
        values = {
            "update": self.progress.update,
            "epoch": self.progress.position.epoch,
            "loss": totals.loss / totals.tokens,
            "nll": totals.nll / totals.tokens,
            "accuracy": totals.correct / totals.tokens,
            "gradient_norm": totals.gradient / totals.updates,
            "learning_rate": self._rate(self.progress.update),
            "tokens_per_second": totals.tokens / totals.seconds,
            "seconds": self.progress.seconds,
            "skipped": self.progress.skipped,
        }
        self.run.record("train", values)
        bar.say(values)

    def _validate_and_save(self) -> None:
        update = self.progress.update
        with self.updater.whole() as model:
            scores, told = self._measure(), model.statistics()
        self.progress.validated.append(update)
        better = self._is_better(scores)
        if better:
            self.progress.best_update = update
            self.progress.best_value = self._value(scores)
        self.progress.stale = 0 if better else self.progress.stale + 1
        seconds = self._lap()
        if scores:
            values = {name: score["value"] for name, score in scores.items()}
            self.run.record("validation", {"update": update, **values, "seconds": seconds})
            log.info("validation at update %s: %s", f"{update:,}", spelled(values))
        if told:
            self.run.record("attention", {"update": update, **told})
        self._save(scores)

    def _measure(self) -> dict[str, dict[str, Any]]:
        """Measure loss and scores on the development set; training's random numbers are apart."""
        if not self.materials.dev_batches:
            return {}
        with self.updater.engine.whole(self.updater.model) as model:
            return self.ranks.told(self._measured(model) if self.ranks.leads else {})

    def _measured(self, model: SequenceModel) -> dict[str, dict[str, Any]]:
        model.eval()
        with self.updater.compute.isolated():
            losses = held_out_loss(model, self.materials.dev_batches, self.updater.compute)
            scored = self.materials.validate(model) if self.materials.validate else {}
        model.train()
        plain = {name: {"value": value} for name, value in losses.items()}
        signed = {
            name: {"value": score.value, "signature": score.signature}
            for name, score in scored.items()
        }
        return {**signed, **plain}

    def _metric(self) -> str:
        return self.config.best_metric

    def _value(self, scores: Scores) -> float | None:
        """Give what chooses the best; None without a development set."""
        return scores[self._metric()]["value"] if scores else None

    def _is_better(self, scores: Scores) -> bool:
        """Tell whether these scores beat the best; without a development set the latest does."""
        value, best = self._value(scores), self.progress.best_value
        if value is None or best is None:
            return True
        return value < best if self._metric() in LOWER_IS_BETTER else value > best

    def _save(self, scores: Mapping[str, Any]) -> None:
        """Write a checkpoint, point the links to it, and remove old ones."""
        self._lap()
        self.progress.totals.collect(self.ranks)
        if self.ranks.leads:
            name = self.run.checkpoint(self.progress.update).name
            with self.run.new_checkpoint(name) as folder:
                with self.updater.whole() as model:
                    save_package(folder, self._package(model, scores))
                save_state(folder, self.updater, self.progress)
        else:  # its part of what the first process collects
            with self.updater.whole():
                pass
            state_tensors(self.updater)
        self.point_links()
        self._prune()

    def _package(self, model: SequenceModel, scores: Mapping[str, Any]) -> Package:
        metadata = {
            "update": self.progress.update,
            "corpus": self.materials.corpus,
            "dev": dict(scores),
            "origin": dict(self.materials.origin),
        }
        materials = self.materials
        return Package(model, materials.segmenters, materials.settings, metadata)

    def point_links(self) -> None:
        """Point `last` and `best` where progress says; a kill may have come between."""
        self.run.link("last", self.run.checkpoint(self.progress.update))
        if self.progress.best_update:  # interrupted before its first validation, a run has no best
            self.run.link("best", self.run.checkpoint(self.progress.best_update))

    def _prune(self) -> None:
        updates = {
            self.progress.update,
            self.progress.best_update,
            *self.progress.validated[-self.config.keep :],
        }
        self.run.prune({self.run.checkpoint(update).name for update in updates})

    def _leave(self, signal_number: int) -> None:
        """Save and stop; a checkpoint between validations takes no part in anything else."""
        if not self.ranks.told(self.progress.update in self.run.updates()):
            self._save({})
        raise Interrupted(
            f"stopped at update {self.progress.update:,}; everything is saved; "
            f"go on with: nmt train --resume {self.run.folder}",
            signal_number,
        )

    def _finish(self) -> dict[str, Any]:
        """Average the last checkpoints, keep the best model of all, and say that it is over."""
        folders = self._to_average()
        averaged = len(folders) > 1 and self._try_average(folders)
        self._lap()
        summary = {
            "update": self.progress.update,
            "best": AVERAGE if averaged else f"update-{self.progress.best_update}",
            "metric": self._metric(),
            "value": self.progress.best_value,
            "tokens": self.progress.tokens,
            "seconds": self.progress.seconds,
        }
        self.run.finish(summary)
        return summary

    def _to_average(self) -> list[Path]:
        if self.config.average < 2 or not self.materials.dev_batches:
            return []  # without a development set nothing tells whether an average is better
        return [
            self.run.checkpoint(each) for each in self.progress.validated[-self.config.average :]
        ]

    def _try_average(self, folders: Sequence[Path]) -> bool:
        """Make the average the best model if it scores better than every checkpoint."""
        with self.updater.engine.whole(self.updater.model) as model:
            if self.ranks.leads:
                copy_weights(model, average_weights(folders), folders[-1])
            return self._keep_if_better(model, len(folders))

    def _keep_if_better(self, model: SequenceModel, num_averaged: int) -> bool:
        scores = self._measure()
        values = {name: score["value"] for name, score in scores.items()}
        update = self.progress.update
        self.run.record("average", {"update": update, "checkpoints": num_averaged, **values})
        log.info("average of %d checkpoints: %s", num_averaged, spelled(values))
        if not self._is_better(scores):
            return False
        self.progress.best_value = self._value(scores)
        if self.ranks.leads:
            with self.run.new_checkpoint(AVERAGE) as folder:
                save_package(folder, self._package(model, scores))
        self.run.link("best", self.run.checkpoints / AVERAGE)
        return True


def spelled(values: Mapping[str, float]) -> str:
    """Write values for people."""
    return ", ".join(f"{name} {value:,.4g}" for name, value in values.items())
