"""What a training will take: memory, data and time."""

import dataclasses
import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from nmt.corpus.batches import BatchStream
from nmt.experiment import Experiment
from nmt.launch.parent import with_parent
from nmt.launch.start import refuse_unready
from nmt.launch.workbench import Workbench
from nmt.model.compute import choose_device
from nmt.model.directory import count_parameters
from nmt.plan.available import available, parse_size
from nmt.plan.peak import Peak, fit, worst_batch
from nmt.plan.probes import Probes, update_memory
from nmt.training.budget import Speed, parse_budget, plan_updates, probe

log = logging.getLogger(__name__)

Report = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """What is to be planned.

    Attributes:
        experiment: Settings, as for a training.
        parent: The model to fine-tune; None for fresh weights.
        memory: Bytes there are for tensors, as 4G; empty for what is free.
        fit: Whether to choose the largest data.batch_tokens that has room.
        updates: How many to time; 0 for none.
    """

    experiment: Experiment
    parent: Path | None = None
    memory: str = ""
    fit: bool = False
    updates: int = 5


def make_plan(question: Question) -> Report:
    """Say what a training would take, as plain values that JSON knows.

    Raises:
        NmtError: Whatever would be wrong with the training; or there is no room for it.
    """
    refuse_unready(question.experiment)
    experiment = with_parent(question.experiment, question.parent)
    memory = memory_for(question)
    bench = Workbench.prepare(experiment)
    held, probes = prepare_probes(bench, experiment, memory)
    room, tokens = memory - held.bytes, experiment.data.batch_tokens
    if question.fit:
        tokens = fit(bench.stream, probes, room, tokens)
    stream = bench.stream.with_budget(tokens)
    peak = worst_batch(stream, probes)
    return {
        "batch_tokens": tokens,
        "parameters": count_parameters(bench.model),
        "memory": memory_report(held, peak, memory),
        "worst_batch": dataclasses.asdict(peak.shape),
        "data": (data := data_report(bench, stream, experiment)),
        "dropped": dict(bench.corpus.dropped),
        "time": time_report(bench, stream, experiment, question.updates, data),
    }


def memory_for(question: Question) -> int:
    """Tell how many bytes there are, before anything is loaded."""
    if question.memory:
        return parse_size(question.memory)
    return available(choose_device(question.experiment.compute.device))


@dataclass(frozen=True)
class Held:
    """Bytes that are held all the time, and those of the gradients, which come and go."""

    model: int
    optimizer: int
    gradients: int
    average: int

    @property
    def bytes(self) -> int:
        """Sum what is held when an update begins."""
        return self.model + self.optimizer + self.average


def prepare_probes(bench: Workbench, experiment: Experiment, memory: int) -> tuple[Held, Probes]:
    """Make one update of one pair, count what is held from then on, and be ready to measure."""
    stream = bench.stream
    bench.model.train()
    first = stream.batch(stream.plan(0)[0])
    measure = update_memory(bench.updater, experiment.training.accumulate, first)
    weights = [each for each in bench.model.parameters() if each.requires_grad]
    tensors = [*bench.model.parameters(), *bench.model.buffers()]
    states = bench.updater.optimizer.state.values()
    memories = [each for state in states for each in state.values() if isinstance(each, Tensor)]
    moving = bench.updater.moving is not None
    average = 4 * count_parameters(bench.model) if moving else 0  # in float32
    held = Held(size_of(tensors), size_of(memories), size_of(weights), average)
    return held, Probes(measure, memory - held.bytes)


def size_of(tensors: Iterable[Tensor]) -> int:
    """Sum the bytes of tensors."""
    return sum(each.nbytes for each in tensors)


def memory_report(held: Held, peak: Peak, memory: int) -> Report:
    """Split the peak into its parts; warn where it is more than there is."""
    total = held.bytes + peak.update_bytes
    if total > memory:
        log.warning(
            "the worst batch takes %s bytes, but there are %s; nmt plan --fit finds a "
            "data.batch_tokens that has room", f"{total:,}", f"{memory:,}",
        )  # fmt: skip
    return {
        "model_bytes": held.model,
        "optimizer_bytes": held.optimizer,
        "average_bytes": held.average,
        "gradients_bytes": held.gradients,
        "activations_bytes": max(0, peak.update_bytes - held.gradients),
        "peak_bytes": total,
        "available_bytes": memory,
    }


def data_report(bench: Workbench, stream: BatchStream, experiment: Experiment) -> Report:
    """Count what an epoch holds."""
    accumulate = experiment.training.accumulate
    shapes = [stream.shape(numbers) for numbers in stream.plan(0)]
    sides = ("source", "target") if experiment.model.has_source else ("target",)
    tokens = {side: sum(getattr(shape, f"{side}_tokens") for shape in shapes) for side in sides}
    padded = sum(shape.pairs * getattr(shape, side) for shape in shapes for side in sides)
    return {
        "pairs": len(bench.corpus),
        "source_tokens": tokens.get("source", 0),
        "target_tokens": tokens["target"],
        "padding": 1 - sum(tokens.values()) / padded,
        "batches": len(shapes),
        "updates_per_epoch": math.ceil(len(shapes) / accumulate),
    }


def time_report(
    bench: Workbench, stream: BatchStream, experiment: Experiment, updates: int, data: Report
) -> Report:
    """Time some updates, and say how long an epoch and all training take without validation."""
    config = experiment.training
    if not updates:
        return {}
    second = probe(
        bench.model, stream, config, bench.compute, lambda _: None, updates=updates
    ).update
    budget = parse_budget(config.budget)
    planned = plan_updates(budget, Speed(second, 0.0), config) if budget else config.max_updates
    epochs = planned * config.accumulate / data["batches"]
    return {
        "update_milliseconds": 1000 * second,
        "epoch_seconds": second * data["batches"] / config.accumulate,
        "updates": planned,
        "epochs": epochs,
        "training_seconds": second * planned,
    }
