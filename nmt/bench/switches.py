"""What single settings cost and bring in training: the same updates by turns, with and without."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nmt.bench.flops import wait_for
from nmt.bench.training import Work, make_updater, synthetic_batches
from nmt.bench.turns import Work as Turn
from nmt.bench.turns import by_turns
from nmt.experiment import read_experiment
from nmt.model.compute import prepare
from nmt.settings import assign
from nmt.training.update import Totals


@dataclass(frozen=True)
class Switch:
    """A change of settings.

    Attributes:
        name: What the change does.
        settings: Dotted names and the values they are given.
    """

    name: str
    settings: Mapping[str, Any]


def everywhere(setting: str, value: object) -> dict[str, object]:
    """Set attention alike in all its places."""
    return {f"attention.{role}.{setting}": value for role in ("encoder", "decoder", "cross")}


SWITCHES = (
    Switch("float32 throughout", {"compute.precision": "fp32"}),
    Switch("attention by the fused kernel", everywhere("kernel", "fused")),
    Switch("scores of a batch whole", {"training.loss_chunk": 0}),
    Switch("no dropout", {"model.dropout": 0.0}),
    Switch("dropout on attention weights", everywhere("dropout", 0.1)),
    Switch(
        "rotary positions",
        {f"attention.{role}.variant": "rotary" for role in ("encoder", "decoder")},
    ),
    Switch("activations made again", {"training.recompute": True}),
    Switch("a moving average of weights", {"training.ema": 0.999}),
)


@dataclass(frozen=True)
class Brought:
    """What a switch brings.

    Attributes:
        name: As of the switch.
        tokens_per_second: Median over the updates with it.
        ratio: Median of its speed over that without it.
    """

    name: str
    tokens_per_second: float
    ratio: float


def measure_switches(table: Mapping[str, Any], work: Work) -> Iterator[Brought]:
    """Yield what each switch brings to a training as settings describe it."""
    plain = updates(table, work)
    for switch in SWITCHES:
        changed = copy.deepcopy(dict(table))
        for name, value in switch.settings.items():
            assign(changed, name, value)
        speed, ratio = by_turns(updates(changed, work), plain, work.updates)
        yield Brought(switch.name, speed, ratio)


def updates(table: Mapping[str, Any], work: Work) -> Turn:
    """Prepare updates of a fresh model."""
    experiment = read_experiment(table)
    compute = prepare(experiment.compute, training=True)
    updater, batches = make_updater(experiment, work, compute), list(synthetic_batches(work))

    def update(number: int) -> float:
        updater.update([batches[number]], Totals())
        wait_for(compute.device)
        return batches[number].tokens

    return update
