"""The speed of training on synthetic ids of stated lengths: the same work on every machine.

Inside the clock is all that an update is: padding a batch, forward, loss, backward, clipping and
the optimizer. Outside are start-up, validation and checkpoints.
"""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nmt.bench.flops import flops_per_target_token, product_speed, wait_for
from nmt.corpus.batches import Batch, Boundaries, make_batch, plan_batches
from nmt.errors import ConfigError
from nmt.experiment import Experiment
from nmt.model.build import build_model
from nmt.model.compute import Compute
from nmt.model.recompute import set_recompute
from nmt.training.optimizer import set_rate
from nmt.training.update import Totals, Updater

NUM_PAIRS = 20_000
ENDS = Boundaries(source_end=2, target_start=1, target_end=2)
SPECIAL = 4  # ids below are not words


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is trained on.

    Attributes:
        shortest, longest: Pieces of a sentence, drawn evenly; the sides differ by up to a fifth.
        updates: Timed, after `warm_up` that are not.
    """

    vocab_size: int = 8000
    batch_tokens: int = 4096
    shortest: int = 8
    longest: int = 32
    updates: int = 20
    warm_up: int = 3
    seed: int = 1

    def __post_init__(self) -> None:
        for name, least in (
            ("vocab_size", SPECIAL + 1), ("batch_tokens", 1), ("shortest", 1),
            ("longest", self.shortest), ("updates", 1),
        ):  # fmt: skip
            if (value := getattr(self, name)) < least:
                flag = f"--{name.replace('_', '-')}"
                raise ConfigError(f"{flag} must be at least {least}, not {value}")


@dataclass(frozen=True)
class TrainingSpeed:
    """What was measured.

    Attributes:
        tokens_per_second: Target tokens without padding, over all timed updates.
        slowest, fastest: The same for single updates.
        fill: Share of the padded target that is tokens.
        model_flops: Operations a second that the model's products need at this speed.
        product_flops: Operations a second of plain square products, before and after: the best.
    """

    tokens_per_second: float
    slowest: float
    fastest: float
    milliseconds: float
    fill: float
    model_flops: float
    product_flops: float

    @property
    def share(self) -> float:
        """Give the share of the machine's product speed that the model's products reach."""
        return self.model_flops / self.product_flops


def measure_training(experiment: Experiment, work: Work, compute: Compute) -> TrainingSpeed:
    """Train a fresh model on synthetic batches and time it.

    Operations are counted as for multi-head attention, whatever the model attends by.
    """
    updater = make_updater(experiment, work, compute)
    batches = list(synthetic_batches(work))
    before = product_speed(compute)
    for batch in batches[: work.warm_up]:
        updater.update([batch], Totals())
    timed = batches[work.warm_up :]
    seconds = [time_update(updater, batch) for batch in timed]
    tokens = sum(batch.tokens for batch in timed)
    speeds = [batch.tokens / each for batch, each in zip(timed, seconds, strict=True)]
    sources = sum(int(batch.source_lengths.sum()) for batch in timed)
    flops = flops_per_target_token(experiment.model, work.vocab_size, sources / tokens)
    speed = tokens / sum(seconds)
    return TrainingSpeed(
        tokens_per_second=speed,
        slowest=min(speeds),
        fastest=max(speeds),
        milliseconds=1000 * statistics.median(seconds),
        fill=tokens / sum(batch.target[:, 1:].size for batch in timed),
        model_flops=flops * speed,
        product_flops=max(before, product_speed(compute)),
    )


def make_updater(experiment: Experiment, work: Work, compute: Compute) -> Updater:
    """Build what an ordinary training run would."""
    config, sizes = experiment.training, (work.vocab_size, work.vocab_size)
    network = build_model(experiment.model, experiment.attention, *sizes).to(compute.device)
    set_recompute(network, config.recompute)
    updater = Updater.make(network.train(), config, compute)
    set_rate(updater.optimizer, 1e-4)
    return updater


def time_update(updater: Updater, batch: Batch) -> float:
    """Time one update."""
    start = time.perf_counter()
    updater.update([batch], Totals())
    wait_for(updater.compute.device)
    return time.perf_counter() - start


def synthetic_batches(work: Work) -> Iterator[Batch]:
    """Make as many batches as are used, from random ids, planned as for a corpus."""
    random = np.random.default_rng(work.seed)
    source_lengths = random.integers(work.shortest, work.longest + 1, NUM_PAIRS)
    ratios = random.uniform(0.8, 1.2, NUM_PAIRS)
    target_lengths = np.maximum(1, np.round(source_lengths * ratios)).astype(np.int64)
    order = random.permutation(NUM_PAIRS)
    plan = plan_batches(source_lengths + 1, target_lengths + 1, work.batch_tokens, order)
    for index in random.choice(len(plan), work.warm_up + work.updates):
        sources = [
            random.integers(SPECIAL, work.vocab_size, source_lengths[n]) for n in plan[index]
        ]
        targets = [
            random.integers(SPECIAL, work.vocab_size, target_lengths[n]) for n in plan[index]
        ]
        yield make_batch(sources, targets, ENDS)
