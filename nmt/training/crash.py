"""What is written down of a skipped update, so that it can be seen again.

A model directory with the weights as they were, and beside it

batches.safetensors   ids and lengths of every batch
random.safetensors    the states of all random numbers before the update
crash.json            update, numbers, and the sentences as text; written last

B sentences, S source length, T target length.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nmt.corpus.batches import Batch
from nmt.errors import CheckpointError
from nmt.files import read_json, sha256, write_sealed
from nmt.model.directory import Package, Segmenters, save_package
from nmt.model.inventory import refuse_other_content
from nmt.model.tensors import load_tensors, save_tensors

RECORD = "crash.json"
TENSORS = ("batches.safetensors", "random.safetensors")
MAX_RECORD = 2**28  # bytes; it holds the sentences of an update


@dataclass(frozen=True)
class Evidence:
    """A skipped update.

    Attributes:
        update: Its number, from 1.
        loss: The mean over its target tokens.
        gradient_norm: The length of its gradient.
        precision: Type of its matrix products.
        batches: What it was to learn from.
        random: States of all random numbers before it.
    """

    update: int
    loss: float
    gradient_norm: float
    precision: str
    batches: Sequence[Batch]
    random: Mapping[str, Tensor]

    def numbers(self) -> dict[str, str]:
        """Spell what JSON has no numbers for."""
        return {"loss": str(self.loss), "gradient_norm": str(self.gradient_norm)}


def save_evidence(folder: Path, package: Package, evidence: Evidence) -> None:
    """Fill a folder, which the caller makes appear only when complete."""
    save_package(folder, package)
    tensors = {
        f"{number}.{field.name}": torch.from_numpy(getattr(batch, field.name))
        for number, batch in enumerate(evidence.batches)
        for field in fields(Batch)
    }
    save_tensors(tensors, folder / "batches.safetensors")
    save_tensors(evidence.random, folder / "random.safetensors")
    record = {
        "update": evidence.update,
        **evidence.numbers(),
        "precision": evidence.precision,
        "batches": [pairs_of(batch, package.segmenters) for batch in evidence.batches],
        "files": {name: sha256(folder / name) for name in TENSORS},
    }
    write_sealed(folder / RECORD, record)


def load_evidence(folder: Path) -> Evidence:
    """Read what `save_evidence` wrote.

    Raises:
        CheckpointError: There is none here, or something of it is missing or damaged.
    """
    path = folder / RECORD
    if not path.is_file():
        raise CheckpointError(
            f"{folder} holds no skipped update (no {RECORD}); name a folder such as "
            "RUN/crash/update-7"
        )
    record: dict[str, Any] = read_json(path, MAX_RECORD)
    tensors, random = (load_tensors(folder / name) for name in TENSORS)
    try:
        for name in TENSORS:
            refuse_other_content(folder / name, dict(record.get("files", {})).get(name), RECORD)
        batches = [batch_of(tensors, number) for number in range(len(record["batches"]))]
        loss, norm = float(record["loss"]), float(record["gradient_norm"])
        return Evidence(record["update"], loss, norm, record["precision"], batches, random)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None


def batch_of(tensors: Mapping[str, Tensor], number: int) -> Batch:
    """Put a batch together again."""
    names = [field.name for field in fields(Batch)]
    return Batch(**{name: tensors[f"{number}.{name}"].numpy() for name in names})


def pairs_of(batch: Batch, segmenters: Segmenters) -> list[dict[str, str]]:
    """Turn a batch back into text."""
    return [
        {
            "source": segmenters.source.decode(batch.source[row, : source_length - 1].tolist()),
            "target": segmenters.target.decode(batch.target[row, 1:target_length].tolist()),
        }
        for row, (source_length, target_length) in enumerate(
            zip(batch.source_lengths, batch.target_lengths, strict=True)
        )
    ]
