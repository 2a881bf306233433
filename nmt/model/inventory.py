"""What a model directory must be before anything in it is opened: plain files of known content.

It may come from anyone. Torch is never imported.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from nmt import files, settings
from nmt.errors import CheckpointError
from nmt.files import sha256
from nmt.text import segmenter

FORMAT = 1
WEIGHTS = "model.safetensors"
SETTINGS = "config.toml"
METADATA = "metadata.json"
SHORTLIST = "shortlist.safetensors"
SEGMENTERS = ("source.model", "target.model")
MOST = {  # bytes; of the weights, their shapes tell how many there must be
    METADATA: files.MAX_JSON,
    SETTINGS: settings.MAX_BYTES,
    SHORTLIST: 2**28,
    **dict.fromkeys(SEGMENTERS, segmenter.MAX_BYTES),
}
KINDS: dict[str, type | tuple[type, ...]] = {
    "segmenters": dict, "dev": dict, "history": list, "averaged": list, "update": int,
    "settings": str, "weights": str, "shortlist": str, "origin": dict,
}  # fmt: skip

Shapes = dict[str, tuple[int, ...]]


def refuse_foreign_files(folder: Path) -> None:
    """Refuse what a copy of a model directory would not hold: links out of it, pipes, devices.

    Raises:
        CheckpointError: A file is no plain file of this folder.
    """
    for name in (METADATA, SETTINGS, WEIGHTS, SHORTLIST, *SEGMENTERS):
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise CheckpointError(f"{path} is a link out of its folder; put the file itself there")
        if path.exists() and not path.is_file():
            raise CheckpointError(f"{path} is no plain file; put the original back")
        if name in MOST and path.exists() and path.stat().st_size > MOST[name]:
            raise CheckpointError(
                f"{path} has more than {MOST[name]:,} bytes, which no such file has"
            )


def refuse_odd_metadata(metadata: Any, path: Path) -> None:
    """Refuse metadata of another format, or of which a part is of another kind.

    Raises:
        CheckpointError: The first that is odd is named.
    """
    known = metadata if isinstance(metadata, dict) else {}
    if known.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: format {known.get('format')!r}, but this version reads {FORMAT}"
        )
    for name, kind in KINDS.items():
        if name in known and not isinstance(known[name], kind):
            raise CheckpointError(f"{path} is damaged: {name} is {known[name]!r:.40}")
    for name in ("inputs", "libraries", "compute"):
        if not isinstance(each := known.get("origin", {}).get(name, {}), dict):
            raise CheckpointError(f"{path} is damaged: origin.{name} is {each!r:.40}")
    for name, score in known.get("dev", {}).items():
        if not isinstance(score, dict) or not isinstance(score.get("value"), int | float):
            raise CheckpointError(f"{path} is damaged: dev.{name} is {score!r:.40}")


def refuse_other_settings(folder: Path, metadata: Mapping[str, Any]) -> None:
    """Refuse settings that lost lines or were changed: what is missing would be a default.

    Directories written by the first versions have no hash of their settings.
    """
    path = folder / SETTINGS
    if "settings" in metadata and metadata["settings"] != sha256(path):
        raise CheckpointError(
            f"{path} is not as this model was saved (its hash differs from {METADATA}); put "
            "the original back, and change how it translates by options, --set or --config"
        )


def refuse_other_content(path: Path, expected: str | None, where: str = METADATA) -> None:
    """Refuse a file that is not as it was written; None where an older version kept no hash.

    Raises:
        CheckpointError: It has another hash, or cannot be read.
    """
    if expected is None:
        return
    try:
        found = sha256(path)
    except OSError as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else error.strerror
        raise CheckpointError(f"{path} {reason}") from None
    if found != expected:
        raise CheckpointError(
            f"{path} is damaged or was changed (its hash differs from {where}); put the "
            "original back"
        )


def refuse_other_segmenter(path: Path, metadata: Mapping[str, Any]) -> None:
    """Refuse a segmenter that a model was not trained with, before a library parses it."""
    expected = metadata.get("segmenters", {}).get(path.stem)
    if path.is_file() and sha256(path) != expected:
        raise CheckpointError(
            f"{path} is not the segmenter that this model was trained with "
            f"(its hash differs from {METADATA}); put the original back"
        )


def shapes_of(path: Path) -> Shapes:
    """Read names and shapes of weights from the head of their file.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    try:
        with safe_open(path, framework="numpy") as weights:
            return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or incomplete: {error}") from None


def count_parameters(path: Path) -> int:
    """Count weights from the head of their file, without reading them."""
    return sum(map(math.prod, shapes_of(path).values()))
