"""The training loop: a list of events."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import torch

from nmt.corpus.batches import Batch, BatchStream
from nmt.errors import Interrupted
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import Package, Segmenters, copy_weights, save_package
from nmt.settings import Table
from nmt.training.averaging import average_weights
from nmt.training.checkpoint import Progress, save_state
from nmt.training.config import TrainingConfig
from nmt.training.optimizer import set_rate
from nmt.training.progress import ProgressBar
from nmt.training.run import Run
from nmt.training.schedule import make_schedule
from nmt.training.signals import StopRequest
from nmt.training.update import Totals, Updater, held_out_loss

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
Validate = Callable[[EncoderDecoder], Mapping[str, NamedScore]]


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
        seconds: When to stop whatever is left; None for no limit.
    """

    stream: BatchStream
    dev_batches: Sequence[Batch]
    validate: Validate | None
    segmenters: Segmenters
    settings: Table
    corpus: str
    seconds: float | None = None


class Trainer:
    """Train a model, from where `progress` stands to the end."""

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
        self._rate = make_schedule(config)
        self._clock = time.monotonic()

    def train(self) -> dict[str, Any]:
        """Train to the end and return a summary.

        Raises:
            Interrupted: By a signal, with everything saved.
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
                self._one_update(list(islice(batches, self.config.accumulate)))
                bar.advance(self.progress.tokens, self.progress.totals)
                if self._is_due(self.config.log_every):
                    self._log(bar)
                if self._is_due(self.config.validate_every) or self._is_over():
                    self._validate_and_save()
                if stop.signal_number is not None:
                    self._leave(stop.signal_number)
        if self.progress.update not in self.progress.validated:  # stopped as its time ran out
            self._validate_and_save()
        return self._finish()

    def _is_over(self) -> bool:
        limit, patience = self.materials.seconds, self.config.patience
        return (
            self.progress.update >= self.config.max_updates
            or (patience > 0 and self.progress.stale >= patience)
            or (limit is not None and self.progress.seconds >= limit)
        )

    def _is_due(self, interval: int) -> bool:
        return self.progress.update % interval == 0

    def _one_update(self, batches: Sequence[tuple[Batch, Any]]) -> None:
        set_rate(self.updater.optimizer, self._rate(self.progress.update + 1))
        self.updater.update([batch for batch, _ in batches], self.progress.totals)
        self.progress.update += 1
        if self.updater.moving is not None:
            self.updater.moving.add(self.progress.update)
        self.progress.position = batches[-1][1]
        self.progress.tokens += sum(batch.tokens for batch, _ in batches)
        self.progress.totals.seconds += self._lap()

    def _lap(self) -> float:
        """Add the time since the last call to the run's, and return it."""
        now = time.monotonic()
        lap, self._clock = now - self._clock, now
        self.progress.seconds += lap
        return lap

    def _log(self, bar: ProgressBar) -> None:
        totals = self.progress.totals
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
        }
        self.run.record("train", values)
        bar.say(values)
        self.progress.totals = Totals()

    def _validate_and_save(self) -> None:
        update = self.progress.update
        with self.updater.averaged():
            scores, told = self._measure(), self.updater.model.statistics()
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
        model, compute = self.updater.model, self.updater.compute
        model.eval()
        with torch.random.fork_rng():
            losses = held_out_loss(model, self.materials.dev_batches, compute)
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
        name = self.run.checkpoint(self.progress.update).name
        with self.run.new_checkpoint(name) as folder:
            with self.updater.averaged():
                save_package(folder, self._package(scores))
            save_state(folder, self.updater, self.progress)
        self.point_links()
        self._prune()

    def _package(self, scores: Mapping[str, Any]) -> Package:
        metadata = {
            "update": self.progress.update,
            "corpus": self.materials.corpus,
            "dev": dict(scores),
        }
        materials = self.materials
        return Package(self.updater.model, materials.segmenters, materials.settings, metadata)

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
        if self.progress.update not in self.run.updates():
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
        copy_weights(self.updater.model, average_weights(folders), folders[-1])
        scores = self._measure()
        values = {name: score["value"] for name, score in scores.items()}
        update = self.progress.update
        self.run.record("average", {"update": update, "checkpoints": len(folders), **values})
        log.info("average of %d checkpoints: %s", len(folders), spelled(values))
        if not self._is_better(scores):
            return False
        self.progress.best_value = self._value(scores)
        with self.run.new_checkpoint(AVERAGE) as folder:
            save_package(folder, self._package(scores))
        self.run.link("best", self.run.checkpoints / AVERAGE)
        return True


def spelled(values: Mapping[str, float]) -> str:
    """Write values for people."""
    return ", ".join(f"{name} {value:,.4g}" for name, value in values.items())
