"""A kill inside this process, and what trainings are made and compared by."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from nmt.experiment import Experiment
from nmt.launch.workbench import Workbench
from nmt.model.directory import weights_of

Make = Callable[..., Experiment]
Contents = Callable[[Path], dict[str, Any]]


class Killed(BaseException):
    """Stands for a kill inside this process."""


def killed(*_: object) -> None:
    """Stand in for whatever is going on when the kill comes."""
    raise Killed


def weights(bench: Workbench) -> dict[str, Tensor]:
    """Name the weights of a training's model."""
    return weights_of(bench.model)
