"""A budget of time, turned into a fixed number of updates by probing the speed."""

import copy
import re
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from nmt.corpus.batches import Batch, BatchStream, Position
from nmt.errors import ConfigError
from nmt.model.compute import Compute
from nmt.model.contract import SequenceModel
from nmt.training.config import TrainingConfig
from nmt.training.optimizer import set_rate
from nmt.training.ranks import Ranks
from nmt.training.update import Totals, Updater

UNITS = {"h": 3600, "m": 60, "s": 1}
BUDGET = re.compile(r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s)?")
WARM_UP, PROBES, MOST_PROBES = 3, 20, 200  # updates
PROBE_SHARE = 0.02  # of the budget: so long that a neighbour's burst is over before half of it
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
    """Seconds that things take here.

    Attributes:
        update: A typical one.
        probes: Updates that were timed.
        middle: Between which times half of them lie.
    """

    update: float
    validation: float
    probes: int = 0
    middle: tuple[float, float] = (0.0, 0.0)

    def plan(self, config: TrainingConfig) -> str:
        """Tell what a plan was made from."""
        low, high = (seconds * 1000 for seconds in self.middle)
        return (
            f"budget {config.budget}: {self.update * 1000:.0f} ms an update ({self.probes} timed, "
            f"half of them in {low:.0f} to {high:.0f} ms), {self.validation:.1f} s a validation: "
            f"{config.max_updates:,} updates"
        )


def probe(  # noqa: PLR0913 (the last two are seldom given)
    model: SequenceModel,
    stream: BatchStream,
    config: TrainingConfig,
    compute: Compute,
    validate: Callable[[SequenceModel], object],
    ranks: Ranks = Ranks(),  # noqa: B008 (it is frozen)
    updates: int = 0,
) -> Speed:
    """Time some updates and one validation, on a copy; nothing of the training changes.

    Args:
        updates: How many; 0 for as many as a budget asks.
    """
    twin = copy.deepcopy(model).train()
    updater = Updater.make(twin, config, compute, ranks)
    set_rate(updater.optimizer, 1e-5)
    batches = (batch for batch, _ in stream.from_position(Position()))

    def take() -> list[Batch]:
        return list(islice(batches, config.accumulate * ranks.size))

    with compute.isolated():
        paces, tokens = timed(updater, (take() for _ in range(WARM_UP)))
        count = ranks.told(updates or number_of_probes(config, min(paces) * tokens))
        paces, tokens = timed(updater, (take() for _ in range(count)))
        start = time.monotonic()
        validate(twin.to(compute.device).eval())
    # By tokens, for batches differ; and the median, since a neighbour's burst says nothing.
    quartiles = statistics.quantiles(paces * 2 if count == 1 else paces, method="inclusive")
    low, typical, high = (pace * tokens for pace in quartiles)
    return Speed(typical, time.monotonic() - start, count, (low, high))


def number_of_probes(config: TrainingConfig, seconds: float) -> int:
    """Tell how many updates of so many seconds make a probe of this budget."""
    budget = parse_budget(config.budget) or 0
    return max(PROBES, min(MOST_PROBES, int(budget * PROBE_SHARE / seconds)))


def timed(updater: Updater, work: Iterable[Sequence[Batch]]) -> tuple[list[float], float]:
    """Give the seconds a token of each update, and the tokens of one on average."""
    paces, tokens = [], 0
    for batches in work:
        start, totals = time.monotonic(), Totals()
        updater.update(batches, totals)
        paces.append((time.monotonic() - start) / totals.tokens)
        tokens += totals.tokens
    return paces, tokens / len(paces)


def plan_updates(seconds: float, speed: Speed, config: TrainingConfig) -> int:
    """Tell how many updates fit a time, with the validations that fall due and a last average."""
    final = 2 * speed.validation
    each = speed.update + speed.validation / config.validate_every
    return max(1, int((seconds * MARGIN - final) / each))
