"""Checkpoints: a model directory, and the state that training needs to go on exactly."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nmt.corpus.batches import Position
from nmt.errors import CheckpointError
from nmt.files import read_json, write_json
from nmt.model.directory import WEIGHTS, load_tensors, load_weights, save_tensors, weights_of
from nmt.training.optimizer import optimizer_tensors, restore_optimizer
from nmt.training.update import Totals, Updater


@dataclass
class Progress:
    """Where training stands.

    Attributes:
        update: Updates done.
        position: Of the next batch.
        best_update: The update of the best checkpoint; 0 before the first validation.
        best_value: What it scored on the metric that chooses; None without a development set.
        stale: Validations in a row without a new best.
        seconds: Time spent, validation and saving included, over all resumptions.
        tokens: Target tokens seen.
        validated: Updates at which a validation took place.
        totals: What the next line of the log will tell of.
    """

    update: int = 0
    position: Position = field(default_factory=Position)
    best_update: int = 0
    best_value: float | None = None
    stale: int = 0
    seconds: float = 0.0
    tokens: int = 0
    validated: list[int] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)


def save_state(folder: Path, updater: Updater, progress: Progress) -> None:
    """Write the state beside a checkpoint's model."""
    state = folder / "state"
    state.mkdir()
    save_tensors(
        optimizer_tensors(updater.model, updater.optimizer), state / "optimizer.safetensors"
    )
    save_tensors(random_states(), state / "random.safetensors")
    if updater.moving is not None:  # the model beside this state is that average
        save_tensors(weights_of(updater.model), state / WEIGHTS)
    write_json(state / "progress.json", asdict(progress))


def load_state(folder: Path, updater: Updater) -> Progress:
    """Put weights, optimizer and random numbers back, and tell where training stood.

    Raises:
        CheckpointError: Something is missing or damaged.
    """
    state = folder / "state"
    load_weights(updater.model, folder / WEIGHTS)
    if updater.moving is not None:
        updater.moving.take()
        load_weights(updater.model, state / WEIGHTS)
    tensors = load_tensors(state / "optimizer.safetensors")
    restore_optimizer(updater.model, updater.optimizer, tensors)
    restore_random(load_tensors(state / "random.safetensors"))
    try:
        table: dict[str, Any] = read_json(state / "progress.json")
        position, totals = Position(**table["position"]), Totals(**table["totals"])
        return Progress(**{**table, "position": position, "totals": totals})
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{state / 'progress.json'} is damaged: {error}") from None


def random_states() -> dict[str, Tensor]:
    """Take the states of all random numbers that training draws."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        for number, state in enumerate(torch.cuda.get_rng_state_all()):
            states[f"cuda:{number}"] = state
    return states


def restore_random(states: dict[str, Tensor]) -> None:
    """Put random numbers back where they were."""
    torch.set_rng_state(states["cpu"])
    for name, state in states.items():
        if name != "cpu" and int(name.removeprefix("cuda:")) < torch.cuda.device_count():
            torch.cuda.set_rng_state(state, name)
