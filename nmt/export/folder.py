"""A folder in another program's format that needs nothing else, and is checked when it is read.

Beside that program's own files stand `source.model`, `target.model` and `config.toml` of the model,
`export.json`, which holds the hash of every other file, and a `README.md`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nmt
from nmt.errors import CheckpointError, ConfigError, DataError
from nmt.export.card import export_card
from nmt.export.extras import require
from nmt.export.limits import CTRANSLATE2, NAMES, Shape, refuse_unheld
from nmt.files import read_json, sha256, write_sealed
from nmt.model.directory import Segmenters, TranslationPackage, load_package, resolve
from nmt.model.inventory import SETTINGS, WEIGHTS
from nmt.settings import Table, load_table, save_table
from nmt.text.segmenter import Segmenter

FORMAT = 1
RECORD = "export.json"
QUANTIZATIONS = ("float32", "int8", "int8_float32", "bfloat16", "float16")

Write = Callable[[TranslationPackage, Path], None]


@dataclass(frozen=True)
class Export:
    """What an exported folder holds beside the other program's files.

    Attributes:
        settings: Those of the model.
        record: The whole of `export.json`.
    """

    folder: Path
    segmenters: Segmenters
    settings: Table
    record: dict[str, Any]


def write_export(package: TranslationPackage, folder: Path, target: str, quantization: str) -> None:
    """Fill a folder, which the caller makes appear only when complete.

    Raises:
        ConfigError: The format cannot hold the model, or its package is not installed.
    """
    refuse_unheld(Shape.of(package.settings), target)
    if target != CTRANSLATE2 and quantization != "float32":
        raise ConfigError(
            f"--quantization {quantization} is for --to {CTRANSLATE2}; {NAMES[target]} has float32"
        )
    refuse_two_ends(package.segmenters, target)
    version = require(target).__version__
    writer(target, quantization)(package, folder)
    package.segmenters.source.save(folder / "source.model")
    package.segmenters.target.save(folder / "target.model")
    save_table(package.settings, folder / SETTINGS)
    record = {
        "format": FORMAT,
        "nmt": nmt.__version__,
        "to": target,
        "version": version,
        "quantization": quantization,
        "model": {name: package.metadata.get(name) for name in ("weights", "update", "dev")},
    }
    (folder / "README.md").write_text(
        export_card(record, package.settings.get("search", {})), encoding="utf-8"
    )
    files = {path.name: sha256(path) for path in sorted(folder.iterdir())}
    write_sealed(folder / RECORD, {**record, "files": files})


def refuse_two_ends(segmenters: Segmenters, target: str) -> None:
    """Refuse segmenters that end a sentence by pieces of different names."""
    source, other = (each.texts[each.eos_id] for each in (segmenters.source, segmenters.target))
    if source != other:
        raise ConfigError(
            f"{NAMES[target]} cannot hold segmenters that end a sentence by {source!r} on one side "
            f"and {other!r} on the other; it has one such piece"
        )


def load_for_export(model: str | Path) -> TranslationPackage:
    """Load a model, and make sure that its metadata hold the hash of its weights."""
    package, weights = load_package(model), sha256(resolve(model) / WEIGHTS)
    return replace(package, metadata={**package.metadata, "weights": weights})


def writer(target: str, quantization: str) -> Write:
    """Find what writes a format."""
    if target == CTRANSLATE2:
        from nmt.export.specification import write_specified

        return lambda package, folder: write_specified(package, folder, quantization)
    from nmt.export.marian import write_marian

    return write_marian


def is_export(folder: str | Path) -> bool:
    """Tell whether a folder is an export."""
    return (Path(folder) / RECORD).is_file()


def read_export(folder: str | Path, target: str = "") -> Export:
    """Open an exported folder, all of whose files must be as they were written.

    Args:
        target: The format that it must have; empty: any.

    Raises:
        CheckpointError: It is none, one of another format, or damaged.
    """
    path = Path(folder)
    try:
        record: dict[str, Any] = read_json(path / RECORD)
    except DataError as error:
        raise CheckpointError(str(error)) from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise CheckpointError(
            f"{path / RECORD} is not of format {FORMAT}, which this version reads"
        )
    if record.get("to") not in ((target,) if target else NAMES):
        raise CheckpointError(
            f"{path} is an export to {record.get('to')}, not to {target or 'a format known here'}; "
            "export the model again"
        )
    refuse_changed(path, record.get("files"))
    source = Segmenter.load(path / "source.model")
    same = record["files"]["source.model"] == record["files"]["target.model"]
    target_side = source if same else Segmenter.load(path / "target.model")
    settings = load_table(path / SETTINGS)
    return Export(path, Segmenters(source, target_side), settings, record)


def refuse_changed(folder: Path, files: Any) -> None:
    """Refuse files that are missing, links out of the folder, or not as they were written."""
    needed = {"source.model", "target.model", SETTINGS}
    if not isinstance(files, dict) or not needed <= files.keys():
        raise CheckpointError(f"{folder / RECORD} is damaged: it does not name all files")
    for name, expected in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise CheckpointError(f"{path} is missing, or no file of this folder")
        if sha256(path) != expected:
            raise CheckpointError(
                f"{path} is damaged or was changed (its hash differs from {RECORD}); export the "
                "model again"
            )
