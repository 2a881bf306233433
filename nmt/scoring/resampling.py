"""How sure a score is, and whether two could differ by chance: sacreBLEU's resampling.

Source: Koehn (2004), https://aclanthology.org/W04-3250, for intervals and the paired bootstrap;
Riezler and Maxwell (2005), https://aclanthology.org/W05-0908, for approximate randomisation.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from nmt.errors import ConfigError
from nmt.scoring.config import NO_TEST, TESTS
from nmt.scoring.measure import Measure
from nmt.scoring.metrics import Score
from nmt.scoring.texts import Text

if TYPE_CHECKING:
    from sacrebleu.significance import PairedTest, Result

SAMPLES = {"bootstrap": 1_000, "randomisation": 10_000}  # sacreBLEU's defaults
FEW_LINES = 30  # of which resampling mostly draws the same ones
GIGABYTE = 1e9

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Interval:
    """Where 95 % of resampled scores lie: `mean` plus or minus `margin`, as sacreBLEU gives it."""

    mean: float
    margin: float


@dataclass(frozen=True)
class Assessed:
    """A score with what resampling says of it.

    Attributes:
        p_value: How likely a difference to the first system as large is by chance.
    """

    score: Score
    interval: Interval | None = None
    p_value: float | None = None


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """What to resample.

    Attributes:
        paired: A key of TESTS, or NO_TEST.
        confidence: Whether intervals are wanted; the paired bootstrap gives them in any case.
        samples: Resamples, or trials of randomisation; 0 for SAMPLES.
    """

    paired: str = NO_TEST
    confidence: bool = False
    samples: int = 0

    @property
    def rounds(self) -> int:
        """How often to resample."""
        return self.samples or SAMPLES[self.paired if self.paired in TESTS else "bootstrap"]


def assess(systems: Sequence[Text], measure: Measure, resampling: Resampling) -> list[Assessed]:
    """Score each system and, where that is wanted, compare each with the first.

    The numbers are those of the `sacrebleu` command, but where there is no difference at all p is
    1, and not the least that resampling can give.

    Raises:
        ConfigError: It would take more memory than the machine has.
    """
    scores = [measure.score(system) for system in systems]
    if resampling.paired == NO_TEST and not resampling.confidence:
        return [Assessed(score) for score in scores]
    lines = len(systems[0].lines)
    refuse_huge(lines, len(measure.extract_once(systems[0].lines)[0]), resampling)
    if resampling.paired == NO_TEST:
        return [assess_alone(system, measure, resampling.rounds) for system in systems]
    return compared(scores, paired_test(systems, measure, resampling))


def assess_alone(system: Text, measure: Measure, rounds: int) -> Assessed:
    """Score a system with its interval."""
    result = measure.metric.corpus_score(system.lines, None, n_bootstrap=rounds)
    score = measure.score(system)  # afterwards, so that the signature tells of the resampling
    return Assessed(score, Interval(float(result._mean), float(result._ci)))


def paired_test(systems: Sequence[Text], measure: Measure, resampling: Resampling) -> "PairedTest":
    """Prepare sacreBLEU's test."""
    from sacrebleu.significance import PairedTest

    logging.getLogger("sacrebleu").setLevel(logging.WARNING)  # it tells of every step
    return PairedTest(
        [(system.name, system.lines) for system in systems],
        {"metric": measure.metric},
        None,
        TESTS[resampling.paired],
        resampling.rounds,
        0 if resampling.confidence and resampling.paired == "randomisation" else -1,
    )


def compared(scores: Sequence[Score], test: "PairedTest") -> list[Assessed]:
    """Run the test and put its results beside the scores."""
    signatures, columns = test()
    name = scores[0].name
    first, *others = cast("list[Result]", columns[name])
    signature = str(signatures[name])
    tested = [(first, None), *((other, p_value(other, first)) for other in others)]
    return [
        Assessed(replace(score, signature=signature), interval(result), p)
        for score, (result, p) in zip(scores, tested, strict=True)
    ]


def interval(result: "Result") -> Interval | None:
    """Read an interval, where there is one."""
    if result.mean is None or result.ci is None:
        return None
    return Interval(float(result.mean), float(result.ci))


def p_value(result: "Result", first: "Result") -> float:
    """Read a p-value; equal scores do not differ, whatever the least possible p is."""
    assert result.p_value is not None
    return 1.0 if result.score == first.score else float(result.p_value)


def refuse_huge(lines: int, counts: int, resampling: Resampling) -> None:
    """Refuse what would not fit into memory: sacreBLEU draws all resamples at once."""
    each = 10 if resampling.paired == "randomisation" else 8 + 4 * counts  # bytes
    need = resampling.rounds * lines * each
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if need > memory:
        raise ConfigError(
            f"resampling {lines:,} lines {resampling.rounds:,} times takes "
            f"{need / GIGABYTE:,.0f} GB of memory, and this machine has {memory / GIGABYTE:,.0f}; "
            "lower --samples, or score without --confidence and with --paired none"
        )


def warn_few(lines: int, resampling: Resampling) -> None:
    """Warn of intervals and p-values that rest on too few lines."""
    if lines < FEW_LINES and (resampling.confidence or resampling.paired != NO_TEST):
        log.warning("intervals and p-values of only %d lines say little", lines)
