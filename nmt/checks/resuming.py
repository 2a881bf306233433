"""Whether a run that was stopped ends as one that was not: tried out on a run's own settings."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import nmt
from nmt.checks.witnessed import Orders, write_orders
from nmt.errors import CheckpointError
from nmt.experiment import Experiment, read_experiment
from nmt.files import read_json, sha256
from nmt.launch.manifest import refuse_changed_inputs
from nmt.model.inventory import WEIGHTS
from nmt.settings import load_table, save_table, to_table
from nmt.text.lines import read_lines
from nmt.training.run import Run

DEV_PAIRS = 4  # are enough to choose a best by
STOPS = (signal.SIGTERM, signal.SIGKILL)

Trace = list[dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """What one training came to.

    Attributes:
        told: What it was.
        broken: The first difference from the one that nothing stopped; empty if there is none.
    """

    told: str
    broken: str = ""


@dataclass(frozen=True)
class Ending:
    """What a training left: a line for each update that it did, and the hashes of its state."""

    trace: Trace
    state: dict[str, str]
    resumed_from: int = 0


@dataclass(frozen=True)
class Trial:
    """Short trainings by the settings of a run, in a folder of their own.

    Attributes:
        settings: A file of settings.
        parent: The model to fine-tune; empty for none.
        updates: Of each training.
        every: Updates between checkpoints.
    """

    folder: Path
    settings: Path
    parent: str
    updates: int
    every: int

    @classmethod
    def prepare(cls, run: Path, folder: Path, updates: int) -> "Trial":
        """Read a run, which stays as it is, and write settings for short trainings.

        Raises:
            CheckpointError: There is no run, or its data have changed.
        """
        manifest = Run(run).manifest()
        experiment = read_experiment(load_table(run / "config.toml"))
        refuse_changed_inputs(manifest, experiment, run)
        every = updates // 3
        settings = folder / "settings.toml"
        save_table(to_table(shortened(experiment, folder, updates, every)), settings)
        return cls(folder, settings, manifest["parent"] or "", updates, every)

    @property
    def stop_after(self) -> int:
        """Give an update between two checkpoints, where there is one."""
        return self.every + (self.every + 1) // 2

    def outcomes(self) -> Iterator[Outcome]:
        """Train straight, then stopped by each signal and resumed, and compare."""
        straight = self.finish(self.orders("straight"))
        weights = straight.trace[-1]["weights"][:12]
        yield Outcome(f"straight: {self.updates} updates, weights {weights}")
        all_same = True
        for number in STOPS:
            stopped = self.stop_and_finish(number)
            broken = first_difference(straight, stopped)
            all_same &= not broken
            name = number.name.removeprefix("SIG")
            yield Outcome(
                f"{name} after update {self.stop_after}, resumed from update "
                f"{stopped.resumed_from}",
                broken,
            )
        if not all_same:
            again = first_difference(straight, self.finish(self.orders("again")))
            told = "straight again, to see whether this machine computes twice the same"
            yield Outcome(told, again)

    def orders(self, name: str) -> Orders:
        """Order a training that nothing stops."""
        return Orders(
            settings=str(self.settings),
            run=str(self.folder / name),
            parent=self.parent,
            trace=str(self.folder / f"{name}.jsonl"),
        )

    def stop_and_finish(self, number: signal.Signals) -> Ending:
        """Train, stop by a signal, and resume."""
        orders = self.orders(number.name)
        stopping = dataclasses.replace(
            orders, stop_after=self.stop_after, signal_number=int(number)
        )
        status = self.start(stopping)
        if status not in (-number, 128 + number):
            raise self.failed(orders, f"it should have ended by {number.name}")
        resumed_from = max(Run(Path(orders.run)).updates(), default=0)
        return dataclasses.replace(self.finish(orders), resumed_from=resumed_from)

    def finish(self, orders: Orders) -> Ending:
        """Train, or go on, to the end, and remove what the training made."""
        if self.start(orders):
            raise self.failed(orders, "")
        lines = Path(orders.trace).read_text(encoding="utf-8").splitlines()
        return Ending([json.loads(line) for line in lines], state_of(Path(orders.run)))

    def start(self, orders: Orders) -> int:
        """Run a training in a process of its own and return how it ended."""
        path = self.folder / "orders.json"
        write_orders(orders, path)
        # The same code as here, from whatever folder `nmt` was started.
        paths = [str(Path(nmt.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        with self.messages(orders).open("ab") as stream:
            return subprocess.run(
                [sys.executable, "-m", "nmt.checks.witnessed", str(path)],
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=environment,
                check=False,
            ).returncode  # fmt: skip

    def messages(self, orders: Orders) -> Path:
        """Name the file of what a training says."""
        return Path(f"{orders.run}.log")

    def failed(self, orders: Orders, reason: str) -> CheckpointError:
        """Say why a training did not do as ordered."""
        said = self.messages(orders).read_text(encoding="utf-8", errors="replace").split("\n")
        last = [line for line in said if line.strip()][-1:] or ["it said nothing"]
        words = last[0].removeprefix("nmt: ")
        name = Path(orders.run).name
        return CheckpointError(f"the training {name!r} failed: {reason or words}")


def shortened(experiment: Experiment, folder: Path, updates: int, every: int) -> Experiment:
    """Keep all settings but how long training is, how often it saves, and on what it validates."""
    training = dataclasses.replace(
        experiment.training,
        max_updates=updates, validate_every=every, budget="", patience=0, average=0, keep=1,
    )  # fmt: skip
    data = experiment.data
    source = first_lines(data.dev_source, folder / "dev.source")
    target = first_lines(data.dev_target, folder / "dev.target")
    data = dataclasses.replace(data, dev_source=source, dev_target=target)
    return dataclasses.replace(experiment, training=training, data=data)


def first_lines(text: str, path: Path) -> str:
    """Copy the first lines of a text, if there is one, and name the copy."""
    if not text:
        return ""
    lines = islice(read_lines(text), DEV_PAIRS)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def state_of(run: Path) -> dict[str, str]:
    """Hash what a resumed training would start from, times apart."""
    last = run / "last"
    progress = read_json(last / "state" / "progress.json")
    progress.pop("seconds")
    progress.pop("files")  # hashes of what is hashed here
    progress["totals"].pop("seconds")
    files = [last / WEIGHTS, *sorted((last / "state").glob("*.safetensors"))]
    hashes = {str(path.relative_to(last)): sha256(path) for path in files}
    return {**hashes, **{f"the {name!r} of progress": str(progress[name]) for name in progress}}


def first_difference(straight: Ending, other: Ending) -> str:
    """Name where a training departed from the one that nothing stopped."""
    expected = {entry["update"]: entry for entry in straight.trace}
    for entry in other.trace:
        update, right = entry["update"], expected.get(entry["update"])
        if right is None:
            return f"update {update} should not have come"
        if entry["batches"] != right["batches"]:
            return f"update {update}: other batches"
        if entry["weights"] != right["weights"]:
            return f"update {update}: the same batches, but other weights"
    missing = expected.keys() - {entry["update"] for entry in other.trace}
    if missing:
        return f"update {min(missing)} never came"
    return differing_state(straight.state, other.state)


def differing_state(straight: dict[str, str], other: dict[str, str]) -> str:
    """Name what differs after the last update, if anything does."""
    names: Sequence[str] = [name for name in straight if other.get(name) != straight[name]]
    return f"after the last update: {names[0]} differs" if names else ""
