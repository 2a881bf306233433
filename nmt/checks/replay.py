"""A skipped update seen again: which module was first not finite, and for which sentences."""

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.nn.utils import clip_grad_norm_

from nmt.checks.finiteness import Watch, bad_penalty, bad_weight
from nmt.corpus.batches import Batch
from nmt.experiment import read_experiment
from nmt.model.compute import prepare
from nmt.model.directory import Segmenters, load_any
from nmt.settings import load_table
from nmt.training.checkpoint import restore_random
from nmt.training.crash import Evidence, load_evidence, pairs_of
from nmt.training.update import Updater


@dataclass(frozen=True)
class Scene:
    """A skipped update, ready to be computed again."""

    evidence: Evidence
    updater: Updater
    segmenters: Segmenters

    @classmethod
    def load(cls, folder: Path, device: str = "") -> "Scene":
        """Load what was written down; `device` computes elsewhere than training did.

        Raises:
            CheckpointError: There is no such thing here, or it is damaged.
        """
        evidence = load_evidence(folder)
        package = load_any(folder)
        experiment = read_experiment(load_table(folder / "config.toml"))
        settings = dataclasses.replace(experiment.compute, precision=evidence.precision)
        if device:
            settings = dataclasses.replace(settings, device=device)
        compute, config = prepare(settings, training=True), experiment.training
        model = package.model.to(compute.device).train()
        return cls(evidence, Updater.make(model, config, compute), package.segmenters)


@dataclass
class Finding:
    """What a computation came to.

    Attributes:
        loss: The mean over target tokens.
        norm: The length of the gradient.
        first: What was the first not to be finite; empty if nothing was.
        rows: Sentences of which a module's output was not finite, as (batch, row).
    """

    loss: float = 0.0
    norm: float = 0.0
    first: str = ""
    rows: list[tuple[int, int]] = field(default_factory=list)

    @property
    def is_finite(self) -> bool:
        """Tell whether nothing is wrong."""
        return math.isfinite(self.loss + self.norm)


def compute_again(scene: Scene, batches: list[Batch]) -> Finding:
    """Compute loss and gradient from the random numbers that the update began with."""
    updater, finding = scene.updater, Finding()
    restore_random(dict(scene.evidence.random))
    updater.optimizer.zero_grad()
    tokens, backward = sum(batch.tokens for batch in batches), ""
    for number, batch in enumerate(batches):
        with Watch(updater.model) as watch:
            sums = updater.add_gradient(batch, tokens, len(batches))
        finding.loss += float(sums.loss.detach()) / tokens
        backward = backward or watch.backward
        loss = "" if math.isfinite(finding.loss) else "the loss"
        if not finding.first:
            finding.first = watch.forward or bad_penalty(updater.model) or loss
            finding.rows = [(number, row) for row in watch.rows if row < len(batch.source)]
    finding.norm = float(clip_grad_norm_(updater.model.parameters(), torch.inf))
    length = "" if math.isfinite(finding.norm) else "the length of the gradient"
    finding.first = bad_weight(updater.model) or finding.first or backward or length
    return finding


def sentences_to_blame(scene: Scene, whole: Finding) -> list[tuple[int, int]]:
    """List the sentences that are not finite alone, as (batch, row).

    Where none is, since dropout falls otherwise on them alone, those for which the first module
    was not finite.
    """
    alone = [
        (number, row)
        for number, batch in enumerate(scene.evidence.batches)
        for row in range(len(batch.source))
        if not compute_again(scene, [one_pair(batch, row)]).is_finite
    ]
    return alone or whole.rows


def one_pair(batch: Batch, row: int) -> Batch:
    """Cut a pair out of a batch, without its padding."""
    source, target = int(batch.source_lengths[row]), int(batch.target_lengths[row])
    this = slice(row, row + 1)
    return Batch(
        batch.source[this, :source], batch.source_lengths[this],
        batch.target[this, : target + 1], batch.target_lengths[this],
    )  # fmt: skip


def text_of(scene: Scene, place: tuple[int, int]) -> dict[str, str]:
    """Give a pair as text."""
    number, row = place
    return pairs_of(one_pair(scene.evidence.batches[number], row), scene.segmenters)[0]
