"""What reads each format, and what it finds, to be compared."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nmt.corpus.encoded import EncodedCorpus
from nmt.experiment import read_experiment
from nmt.launch.start import resume
from nmt.launch.workbench import Workbench
from nmt.model.directory import load_package, weights_of
from nmt.settings import load_table
from nmt.show import describe
from nmt.text.lines import read_lines
from nmt.training.checkpoint import load_state
from nmt.training.crash import load_evidence
from nmt.training.optimizer import optimizer_tensors

Found = dict[str, Any]  # values that can be compared, by name


@dataclass(frozen=True)
class Format:
    """Files that are read together.

    Attributes:
        files: Those to damage.
        read: Gives what they hold.
        sealed: Whether damage that goes unseen is a fault; else only how it is refused matters.
    """

    folder: Path
    files: list[str]
    read: Callable[[Path], Found]
    sealed: bool = True
    undamaged: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.files:
            self.undamaged[name] = (self.folder / name).read_bytes()


def bits(tensors: dict[str, torch.Tensor]) -> dict[str, bytes]:
    """Give the bytes of tensors, so that what is not a number equals itself."""
    return {name: each.contiguous().numpy().tobytes() for name, each in tensors.items()}


def read_model(folder: Path) -> Found:
    package = load_package(folder)
    assert package.model.shortlist is not None
    return {
        **package.metadata,
        "suggested": bits(package.model.shortlist.tensors()),
        "settings": package.settings,
        "weights": bits(weights_of(package.model)),
        "segmenters": package.segmenters.hashes(),
    }


def state_reader(bench: Workbench) -> Callable[[Path], Found]:
    def read_state(folder: Path) -> Found:
        updater = bench.updater
        progress = load_state(folder, updater)
        return {
            **dataclasses.asdict(progress),
            "weights": bits(weights_of(updater.model)),
            "optimizer": bits(optimizer_tensors(updater.model, updater.optimizer)),
            "random": torch.get_rng_state().numpy().tobytes(),
        }

    return read_state


def read_run(folder: Path) -> Found:
    """Do what `nmt train --resume` of a finished run and `nmt show` do."""
    report = describe(folder)
    logged = ("logged", "validations", "averages", "disk_bytes")  # of the log, which has no hash
    return {
        "summary": resume(folder),
        "report": {name: value for name, value in report.items() if name not in logged},
    }


def read_corpus(folder: Path) -> Found:
    """Read a corpus as training does, then as `nmt check corpus`."""
    corpus = EncodedCorpus(folder)
    numbers = np.arange(len(corpus))
    for side in corpus.record.sides:
        corpus.lengths_of(side, numbers)
        corpus.lines(side, 0, len(corpus))
    corpus.refuse_damage()
    return {
        "record": corpus.record,
        **{side: [corpus.sequence(side, number).tobytes() for number in numbers]
           for side in corpus.record.sides},
    }  # fmt: skip


def read_crash(folder: Path) -> Found:
    evidence = load_evidence(folder)
    return {
        **read_model(folder),
        **evidence.numbers(),
        "update": evidence.update,
        "precision": evidence.precision,
        "random": bits(dict(evidence.random)),
        "batches": [
            [getattr(batch, each.name).tobytes() for each in dataclasses.fields(batch)]
            for batch in evidence.batches
        ],
    }


def read_settings(folder: Path) -> Found:
    return {"experiment": read_experiment(load_table(folder / "toy.toml"))}


def text_reader(name: str) -> Callable[[Path], Found]:
    return lambda folder: {"lines": list(read_lines(folder / name))}


def same(found: Any, expected: Any) -> bool:
    """Tell whether all that was there is there still."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return all(name in found and same(found[name], expected[name]) for name in expected)
    if isinstance(expected, float):  # what is not a number equals itself
        return json.dumps(found) == json.dumps(expected)
    return bool(found == expected)
