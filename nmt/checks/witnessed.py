"""A training whose every update is noted, and that may be stopped: a program of its own.

`python -m nmt.checks.witnessed ORDERS.json` trains, or resumes, as `nmt train` does.
"""

import hashlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from torch import nn

from nmt.corpus.batches import Batch
from nmt.errors import NmtError
from nmt.experiment import read_experiment
from nmt.files import read_json, write_json
from nmt.launch.start import Start, resume, train
from nmt.settings import load_table
from nmt.training.loop import Trainer


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What a training is to do.

    Attributes:
        settings: A file of settings.
        run: The run folder; resumed if it is there.
        parent: The model to fine-tune; empty for none.
        trace: A file to which each update adds a line of JSON.
        stop_after: The update after which a signal is sent; 0 for none.
        signal_number: Which signal.
    """

    settings: str
    run: str
    parent: str
    trace: str
    stop_after: int = 0
    signal_number: int = 0

    def witness(self, trainer: Trainer, batches: Sequence[Batch]) -> None:
        """Note an update, and send the signal when it is time."""
        update = trainer.progress.update
        entry = {
            "update": update,
            "batches": hash_of_batches(batches),
            "weights": hash_of_weights(trainer.updater.model),
        }
        with Path(self.trace).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")
        if update == self.stop_after:
            os.kill(os.getpid(), self.signal_number)


def write_orders(orders: Orders, path: Path) -> None:
    """Write orders for `main` to read."""
    write_json(path, asdict(orders))


def hash_of_batches(batches: Sequence[Batch]) -> str:
    """Hash all ids of an update, and where each batch and sentence ends."""
    digest = hashlib.sha256()
    for batch in batches:
        for field in fields(batch):
            array = getattr(batch, field.name)
            digest.update(repr(array.shape).encode() + array.tobytes())
    return digest.hexdigest()


def hash_of_weights(model: nn.Module) -> str:
    """Hash all weights, bit by bit."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.named_parameters()):
        values = weight.detach().cpu().contiguous().view(torch.uint8)
        digest.update(name.encode() + values.numpy().tobytes())
    return digest.hexdigest()


def main(path: str) -> int:
    """Do as ordered and return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    orders = Orders(**read_json(path))
    Trainer.witnesses.append(orders.witness)
    try:
        if (Path(orders.run) / "manifest.json").is_file():
            resume(Path(orders.run))
        else:
            parent = Path(orders.parent) if orders.parent else None
            experiment = read_experiment(load_table(orders.settings))
            train(Start(experiment, Path(orders.run), parent))
    except NmtError as error:
        sys.stderr.write(f"nmt: {error}\n")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
