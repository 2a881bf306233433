"""A run folder: where everything of one training lives.

config.toml      settings, resolved          manifest.json   inputs, versions, machine
metrics.jsonl    one line an event           train.log       what was said
checkpoints/update-N/   a model directory and state/
crash/update-N/  updates that were skipped   best, last      links to checkpoints
finished.json   written last, when training is over
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import UnionType
from typing import Any

from nmt.errors import CheckpointError
from nmt.files import (
    atomic_folder,
    atomic_write,
    cannot_write,
    point,
    read_json,
    sha256,
    write_sealed,
)
from nmt.settings import Table, save_table, spelt_table

CHECKPOINT = re.compile(r"update-(\d+)")


class Run:
    """The files of a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkpoints = folder / "checkpoints"
        self.crashes = folder / "crash"
        self.metrics = folder / "metrics.jsonl"
        self.log = folder / "train.log"
        self.finished = folder / "finished.json"
        self.listeners: list[Callable[[str, dict[str, Any]], None]] = []

    def create(self) -> None:
        """Make the folder."""
        self.checkpoints.mkdir(parents=True, exist_ok=True)

    def checkpoint(self, update: int) -> Path:
        """Name the checkpoint of an update."""
        return self.checkpoints / f"update-{update}"

    def updates(self) -> list[int]:
        """List the updates of which there is a checkpoint, which is whole if it is there."""
        return numbered(self.checkpoints) if self.checkpoints.is_dir() else []

    @contextmanager
    def new_checkpoint(self, name: str) -> Iterator[Path]:
        """Give a folder that becomes the checkpoint of that name when it is complete."""
        with atomic_folder(self.checkpoints / name, replace=True) as folder:
            yield folder

    def crash(self, update: int) -> Path:
        """Name the folder of a skipped update."""
        return self.crashes / f"update-{update}"

    @contextmanager
    def new_crash(self, update: int, keep: int) -> Iterator[Path]:
        """Give a folder that becomes that of a skipped update; so many newest stay."""
        with atomic_folder(self.crash(update), replace=True) as folder:
            yield folder
        newest = numbered(self.crashes)[-keep:]
        remove_others(self.crashes, {self.crash(each).name for each in newest})

    def link(self, name: str, checkpoint: Path) -> None:
        """Point `best` or `last` to a checkpoint."""
        point(self.folder / name, checkpoint)

    def prune(self, kept: set[str]) -> None:
        """Remove checkpoints that are not among the names kept, and what a kill left half-made."""
        remove_others(self.checkpoints, kept)

    def record(self, event: str, values: dict[str, Any]) -> None:
        """Add a line to metrics.jsonl, and tell whoever listens.

        Raises:
            DataError: The disk is full, or refuses.
        """
        try:
            with self.metrics.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"event": event, **values}) + "\n")
        except OSError as error:
            raise cannot_write(self.metrics, error) from error
        for listener in self.listeners:
            listener(event, values)

    def forget_after(self, update: int) -> None:
        """Drop the lines of metrics.jsonl about what is done again after a kill."""
        if not self.metrics.is_file():
            return
        lines = self.metrics.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
        kept = [line for line in lines if is_until(line, update)]
        with atomic_write(self.metrics) as stream:
            stream.write("".join(f"{line}\n" for line in kept).encode(errors="surrogateescape"))

    def keep_settings(self, settings: Table) -> None:
        """Write down what the run is made by from now on.

        Its hash goes first, beside those before it, so that a kill between leaves a run that is
        whole.
        """
        path = self.folder / "manifest.json"
        manifest = read_json(path)
        if "settings" in manifest:
            digest = hashlib.sha256(spelt_table(settings)).hexdigest()
            write_sealed(path, {**manifest, "settings": [*manifest["settings"], digest]})
        save_table(settings, self.folder / "config.toml")

    def finish(self, summary: dict[str, Any]) -> None:
        """Say that training is over."""
        write_sealed(self.finished, summary)

    def summary(self) -> dict[str, Any]:
        """Read what `finish` wrote.

        Raises:
            CheckpointError: It is damaged.
        """
        summary: dict[str, Any] = read_json(self.finished)
        refuse_lacking(summary, self.finished, update=int, seconds=int | float)
        return summary

    def is_finished(self) -> bool:
        """Tell whether training is over."""
        return self.finished.is_file()

    def manifest(self) -> dict[str, Any]:
        """Read what the run was started with.

        Raises:
            CheckpointError: There is no run here, or its manifest is damaged.
        """
        path = self.folder / "manifest.json"
        if not path.is_file():
            raise CheckpointError(f"{self.folder} holds no run (no manifest.json)")
        manifest: dict[str, Any] = read_json(path)
        refuse_lacking(manifest, path, requested=dict, inputs=dict, parent=str | None)
        return manifest


def refuse_changed_settings(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse settings that are not those that a run was started with, or later planned itself.

    Runs that the first versions started have no hash of them.

    Raises:
        CheckpointError: They have another hash, or cannot be read.
    """
    path = folder / "config.toml"
    try:
        found = sha256(path)
        known = manifest.get("settings", [found])
        changed = not isinstance(known, list) or found not in known
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from None
    if changed:
        raise CheckpointError(
            f"{path} has changed since {folder} was started (its hash differs from "
            "manifest.json); put it back, or start another run with --config"
        )


class ReadOnlyRun(Run):
    """A run as all processes but the first see it: they leave writing to that one."""

    def create(self) -> None:
        """Make nothing."""

    def link(self, name: str, checkpoint: Path) -> None:
        """Leave links alone."""

    def prune(self, kept: set[str]) -> None:
        """Remove nothing."""

    def record(self, event: str, values: dict[str, Any]) -> None:
        """Write nothing."""

    def forget_after(self, update: int) -> None:
        """Leave metrics.jsonl alone."""

    def keep_settings(self, settings: Table) -> None:
        """Write nothing."""

    def finish(self, summary: dict[str, Any]) -> None:
        """Leave it to the first process to say so."""


def refuse_lacking(table: Any, path: Path, **kinds: type | UnionType) -> None:
    """Refuse a table that lacks an entry, or has one of another kind."""
    known = table if isinstance(table, dict) else {}
    for name, kind in kinds.items():
        if name not in known or not isinstance(known[name], kind):
            raise CheckpointError(f"{path} is damaged: {name} is not as it was written")


def numbered(folder: Path) -> list[int]:
    """List the updates that have a folder of their own in this one."""
    names = (CHECKPOINT.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(match[1]) for match in names if match)


def remove_others(folder: Path, kept: set[str]) -> None:
    """Remove the folders in this one that are not among the names kept."""
    for path in folder.iterdir():
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def is_until(line: str, update: int) -> bool:
    """Tell whether a line of metrics.jsonl is whole and came before this update's checkpoint."""
    try:
        entry = json.loads(line)
        return bool(entry["update"] <= update and entry["event"] != "average")  # that comes after
    except (ValueError, KeyError, TypeError, RecursionError):
        return False  # empty, or cut short by a kill
