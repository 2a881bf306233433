"""A budget of time, turned into a fixed number of updates by probing the speed."""

import copy
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from nmt.corpus.batches import Batch, BatchStream, Position
from nmt.errors import ConfigError
from nmt.model.compute import Compute
from nmt.model.contract import EncoderDecoder
from nmt.training.config import TrainingConfig
from nmt.training.optimizer import set_rate
from nmt.training.update import Totals, Updater

UNITS = {"h": 3600, "m": 60, "s": 1}
BUDGET = re.compile(r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s)?")
WARM_UP, PROBES = 3, 20  # updates
# Of the time so much is planned. Machines that others share drift by a tenth and more, and a run
# that the clock stops loses the end of its schedule, which costs more than some updates fewer.
MARGIN = 0.875


def parse_budget(text: str) -> int | None:
    """Read a time such as 90s, 8m or 1h30m, in seconds; None for none.

    Raises:
        ConfigError: It is not a time.
    """
    if not text:
        return None
    match = BUDGET.fullmatch(text)
    seconds = sum(int(match[unit] or 0) * size for unit, size in UNITS.items()) if match else 0
    if not seconds:
        raise ConfigError(f"training.budget must be a time such as 90s, 8m or 1h30m, not {text!r}")
    return seconds


@dataclass(frozen=True)
class Speed:
    """Seconds that things take here."""

    update: float
    validation: float


def probe(
    model: EncoderDecoder,
    stream: BatchStream,
    config: TrainingConfig,
    compute: Compute,
    validate: Callable[[EncoderDecoder], object],
    updates: int = PROBES,
) -> Speed:
    """Time some updates and one validation, on a copy; nothing of the training changes."""
    twin = copy.deepcopy(model).train()
    updater = Updater.make(twin, config, compute)
    set_rate(updater.optimizer, 1e-5)
    batches = (batch for batch, _ in stream.from_position(Position()))

    def take() -> list[Batch]:
        return list(islice(batches, config.accumulate))

    with torch.random.fork_rng():
        for _ in range(WARM_UP):
            updater.update(take(), Totals())
        update = typical_seconds(updater, [take() for _ in range(updates)])
        start = time.monotonic()
        validate(twin.eval())
    return Speed(update, time.monotonic() - start)


def typical_seconds(updater: Updater, work: Sequence[Sequence[Batch]]) -> float:
    """Time updates by their tokens; the median, since a neighbour's burst says nothing."""
    paces = []
    for batches in work:
        start, totals = time.monotonic(), Totals()
        updater.update(batches, totals)
        paces.append((time.monotonic() - start) / totals.tokens)
    tokens = sum(batch.tokens for batches in work for batch in batches)
    return statistics.median(paces) * tokens / len(work)


def plan_updates(seconds: float, speed: Speed, config: TrainingConfig) -> int:
    """Tell how many updates fit a time, with the validations that fall due and a last average."""
    final = 2 * speed.validation
    each = speed.update + speed.validation / config.validate_every
    return max(1, int((seconds * MARGIN - final) / each))
