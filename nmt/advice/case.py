"""What advice is given on, and what it looks like."""

from dataclasses import dataclass

from nmt.experiment import Experiment


@dataclass(frozen=True, kw_only=True)
class Case:
    """An experiment, with what is known of its data and machine; None is not known.

    Attributes:
        resumed: The update at which a run goes on.
        is_planned: Whether a budget of time has been turned into `training.max_updates`.
        longest: Tokens of the longest line to train on, its end counted.
        dev_tokens: Target tokens of the development set, or fewer.
        has_fast_bf16: Whether the device multiplies in bfloat16 without emulating it.
        cores: Processor cores that may be used.
    """

    experiment: Experiment
    resumed: int = 0
    is_planned: bool = False
    longest: int | None = None
    dev_tokens: int | None = None
    has_fast_bf16: bool | None = None
    cores: int | None = None

    @property
    def updates(self) -> int | None:
        """Give the length of the run; None where a budget has still to be turned into one."""
        training = self.experiment.training
        return None if training.budget and not self.is_planned else training.max_updates

    @property
    def validations(self) -> int | None:
        """Count the validations of the run, that at its end included."""
        every = self.experiment.training.validate_every
        return None if self.updates is None else -(-self.updates // every)


@dataclass(frozen=True)
class Pitfall:
    """A combination of settings that ruins a run, or is not what was meant.

    Attributes:
        what: The settings.
        why: What comes of them.
        better: What would be right.
    """

    what: str
    why: str
    better: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.what}: {self.why}; {self.better}"
