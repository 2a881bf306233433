"""Checkpoints: a model directory, and the state that training needs to go on exactly."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nmt.corpus.batches import Position
from nmt.errors import CheckpointError
from nmt.files import read_json, sha256, write_sealed
from nmt.model.directory import copy_weights, weights_in, weights_of
from nmt.model.inventory import WEIGHTS, refuse_other_content
from nmt.model.sharded import whole
from nmt.model.tensors import load_tensors, save_tensors
from nmt.training.optimizer import optimizer_tensors, restore_optimizer
from nmt.training.ranks import Ranks, seed_of
from nmt.training.update import Totals, Updater

RECORD = "progress.json"
FILES = "files"  # in it: the hash of every other file of the state


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
        skipped: Updates done without moving a weight, since their gradient was not finite.
        skipped_in_a_row: How many of them are the latest updates.
        to_plan: Seconds of a validation, as long as a budget is yet to be planned for good.
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
    skipped: int = 0
    skipped_in_a_row: int = 0
    to_plan: float | None = None
    totals: Totals = field(default_factory=Totals)


def save_state(folder: Path, updater: Updater, progress: Progress) -> None:
    """Write the state beside a checkpoint's model."""
    state = folder / "state"
    state.mkdir()
    collected = state_tensors(updater)
    for name, tensors in collected.items():
        save_tensors(tensors, state / name)
    hashes = {name: sha256(state / name) for name in collected}
    write_sealed(state / RECORD, {**asdict(progress), FILES: hashes})


def state_tensors(updater: Updater) -> dict[str, dict[str, Tensor]]:
    """Collect the files of the state; every process must, if not to write them."""
    files = {
        "optimizer.safetensors": optimizer_tensors(updater.model, updater.optimizer),
        "random.safetensors": random_states()
        | states_of_others(updater.engine.ranks, updater.compute.device),
    }
    if updater.moving is not None:  # the model beside this state is that average
        weights = weights_of(updater.model).items()
        files[WEIGHTS] = {name: whole(weight).cpu() for name, weight in weights}
    return files


def load_state(folder: Path, updater: Updater) -> Progress:
    """Put weights, optimizer and random numbers back, and tell where training stood.

    Raises:
        CheckpointError: Something is missing or damaged.
    """
    state = folder / "state"
    copy_weights(updater.model, weights_in(folder), folder / WEIGHTS)
    progress, hashes = read_progress(state / RECORD)
    if updater.moving is not None:
        updater.moving.take()
        copy_weights(updater.model, state_file(state / WEIGHTS, hashes), state / WEIGHTS)
    tensors = state_file(state / "optimizer.safetensors", hashes)
    restore_optimizer(updater.model, updater.optimizer, tensors)
    random, ranks = state_file(state / "random.safetensors", hashes), updater.engine.ranks
    if ranks.leads:
        restore_random(random)
    else:
        progress.totals.begin_again()
        restore_own_random(random, ranks.rank, updater.compute.device, progress.update)
    return progress


def read_progress(path: Path) -> tuple[Progress, dict[str, str]]:
    """Read where training stood, and the hashes of the state's other files.

    States written by the first versions have no hashes.

    Raises:
        CheckpointError: Something is missing or damaged.
    """
    try:
        table: dict[str, Any] = read_json(path)
        hashes = dict(table.pop(FILES, {}))
        position, totals = Position(**table["position"]), Totals(**table["totals"])
        return Progress(**{**table, "position": position, "totals": totals}), hashes
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None


def state_file(path: Path, hashes: Mapping[str, str]) -> dict[str, Tensor]:
    """Read tensors of the state, as they were saved."""
    tensors = load_tensors(path)
    refuse_other_content(path, hashes.get(path.name), RECORD)
    return tensors


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
        if name.startswith("cuda:") and int(name[5:]) < torch.cuda.device_count():
            torch.cuda.set_rng_state(state, name)


def states_of_others(ranks: Ranks, device: torch.device) -> dict[str, Tensor]:
    """Collect the random states of all processes but the first, as every process must."""
    collected = {"cpu": ranks.gathered(torch.get_rng_state())}
    if device.type == "cuda":
        collected["cuda"] = ranks.gathered(torch.cuda.get_rng_state(device))
    return {
        f"rank{rank}.{kind}": states[rank]
        for kind, states in collected.items()
        for rank in range(1, ranks.size)
    }


def restore_own_random(
    states: dict[str, Tensor], rank: int, device: torch.device, update: int
) -> None:
    """Put back the random numbers of a process; one that the checkpoint does not know begins."""
    if f"rank{rank}.cpu" not in states:
        torch.manual_seed(seed_of(torch.initial_seed(), update))
        return
    torch.set_rng_state(states[f"rank{rank}.cpu"])
    if device.type == "cuda" and f"rank{rank}.cuda" in states:
        torch.cuda.set_rng_state(states[f"rank{rank}.cuda"], device)
