"""What every search gives, and where a target begins and ends."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hypothesis:
    """A complete translation.

    Attributes:
        ids: Without the ids that open and close it.
        log_prob: Of the ids and of the end, as the scorer has it: whatever made a search prefer
            one id to another, and whatever was forbidden or forced, leaves it as it is.
        score: What hypotheses are ranked by: log_prob divided by the length penalty, plus the
            coverage penalty where there is one.
    """

    ids: tuple[int, ...]
    log_prob: float
    score: float


@dataclass(frozen=True)
class Ends:
    """The ids that open and close a target."""

    start: int
    end: int
