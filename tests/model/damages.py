"""What can be wrong with a model directory, and what is then said."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nmt.errors import CheckpointError, ConfigError, DataError, NmtError
from nmt.files import read_json, sha256, write_json
from nmt.settings import load_table, save_table


def rewrite(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Change the stored weights."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path)


def edit(folder: Path, **values: object) -> None:
    """Change metadata."""
    path = folder / "metadata.json"
    write_json(path, {**read_json(path), **values})


def flip(path: Path) -> None:
    """Change one bit of the last byte."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def truncate(path: Path) -> None:
    """Lose the second half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def reshape(folder: Path, **settings: int) -> None:
    """Change the shape in the settings, but not the weights."""
    table = load_table(folder / "config.toml")
    save_table({**table, "model": {**table["model"], **settings}}, folder / "config.toml")


def shortlist(**changes: Tensor) -> dict[str, Tensor]:
    """Make the tensors of a shortlist of 36 source pieces, each of which suggests one piece."""
    usual = {"frequent": torch.tensor([2, 5]), "offsets": torch.arange(37)}
    made = {**usual, "suggested": torch.arange(36).flip(0), **changes}
    return {name: each.to(torch.int32) if each.dtype == torch.int64 else each
            for name, each in made.items()}  # fmt: skip


def give(folder: Path, tensors: dict[str, Tensor]) -> None:
    """Put a shortlist into a model directory, with its hash."""
    save_file(tensors, folder / "shortlist.safetensors")
    edit(folder, shortlist=sha256(folder / "shortlist.safetensors"))


def spoil(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """Put a shortlist into a model directory, and harm it."""
    return lambda folder: (give(folder, shortlist()), change(folder / "shortlist.safetensors"))


def foreign(**changes: Tensor) -> tuple[Callable[[Path], object], type[NmtError], str]:
    return (
        lambda folder: give(folder, shortlist(**changes)),
        CheckpointError,
        "shortlist.safetensors is no shortlist of these segmenters; put the original back",
    )


def garble(folder: Path) -> None:
    """Put a shortlist that is no safetensors into a model directory, with its hash."""
    (folder / "shortlist.safetensors").write_bytes(b"PK" * 99)
    edit(folder, shortlist=sha256(folder / "shortlist.safetensors"))


BIAS = "encoder.0.attention.output.bias"
DAMAGES: dict[str, tuple[Callable[[Path], object], type[NmtError], str]] = {
    "truncated weights": (
        lambda folder: truncate(folder / "model.safetensors"),
        CheckpointError,
        "model.safetensors is damaged or incomplete: ",
    ),
    "empty weights": (
        lambda folder: (folder / "model.safetensors").write_bytes(b""),
        CheckpointError,
        "model.safetensors is damaged or incomplete: ",
    ),
    "no weights": (
        lambda folder: (folder / "model.safetensors").unlink(),
        CheckpointError,
        "model.safetensors is missing",
    ),
    "a pickle": (
        lambda folder: torch.save({"weight": torch.ones(1)}, folder / "model.safetensors"),
        CheckpointError,
        "model.safetensors is damaged or incomplete: ",
    ),
    "one bit of a weight": (
        lambda folder: flip(folder / "model.safetensors"),
        CheckpointError,
        "model.safetensors is damaged or was changed (its hash differs from metadata.json); put",
    ),
    "a digit of the metadata": (
        lambda folder: (folder / "metadata.json").write_text(
            (folder / "metadata.json").read_text().replace('"update": 7', '"update": 8')
        ),
        CheckpointError,
        "metadata.json is damaged or was edited: its checksum is another",
    ),
    "a weight less": (
        lambda folder: rewrite(folder, lambda weights: weights.pop(BIAS)),
        CheckpointError,
        f"model.safetensors does not fit its config.toml: it lacks weight {BIAS}",
    ),
    "a weight more": (
        lambda folder: rewrite(folder, lambda weights: weights.update(extra=torch.ones(1))),
        CheckpointError,
        "model.safetensors does not fit its config.toml: it has an unknown weight extra",
    ),
    "another shape": (
        lambda folder: rewrite(folder, lambda weights: weights.update({BIAS: torch.ones(9)})),
        CheckpointError,
        f"model.safetensors does not fit its config.toml: {BIAS} is (9,), but must be (8,)",
    ),
    "another depth": (
        lambda folder: reshape(folder, encoder_layers=1),
        CheckpointError,
        "does not fit its config.toml: it has an unknown weight encoder.1.",
    ),
    "a wider model": (
        lambda folder: reshape(folder, ffn_size=16),
        CheckpointError,
        "feed_forward.inner.weight is (256, 8), but must be (16, 8)",
    ),
    "another format": (
        lambda folder: edit(folder, format=2),
        CheckpointError,
        "metadata.json: format 2, but this version reads 1",
    ),
    "no format": (
        lambda folder: write_json(folder / "metadata.json", {}),
        CheckpointError,
        "metadata.json: format None, but this version reads 1",
    ),
    "metadata of another kind": (
        lambda folder: write_json(folder / "metadata.json", [1]),
        CheckpointError,
        "metadata.json: format None, but this version reads 1",
    ),
    "truncated metadata": (
        lambda folder: truncate(folder / "metadata.json"),
        CheckpointError,
        "metadata.json is not JSON: ",
    ),
    "metadata without hashes": (
        lambda folder: write_json(folder / "metadata.json", {"format": 1}),
        CheckpointError,
        "source.model is not the segmenter that this model was trained with",
    ),
    "no segmenter": (
        lambda folder: (folder / "target.model").unlink(),
        DataError,
        "target.model: No such file or directory",
    ),
    "no settings": (
        lambda folder: (folder / "config.toml").unlink(),
        ConfigError,
        "config.toml: No such file or directory",
    ),
    "an unknown setting": (
        lambda folder: reshape(folder, layers=1),
        CheckpointError,
        "config.toml: unknown setting model.layers; did you mean",
    ),
    "no shortlist where one was": (
        spoil(Path.unlink),
        CheckpointError,
        "shortlist.safetensors is missing",
    ),
    "truncated shortlist": (
        spoil(truncate),
        CheckpointError,
        "shortlist.safetensors is damaged or was changed (its hash differs from metadata.json)",
    ),
    "one bit of a shortlist": (
        spoil(flip),
        CheckpointError,
        "shortlist.safetensors is damaged or was changed (its hash differs from metadata.json)",
    ),
    "a shortlist of something else": (
        garble,
        CheckpointError,
        "shortlist.safetensors is damaged or incomplete: ",
    ),
    "a shortlist's hash of another kind": (
        lambda folder: edit(folder, shortlist=1),
        CheckpointError,
        "metadata.json is damaged: shortlist is 1",
    ),
    "a shortlist of more pieces": foreign(
        offsets=torch.arange(38), suggested=torch.zeros(37, dtype=torch.int64)
    ),
    "a shortlist of floats": foreign(frequent=torch.ones(2)),
    "a shortlist with ids beyond": foreign(suggested=torch.arange(1, 37)),
    "a shortlist without the end": foreign(frequent=torch.tensor([5])),
    "a shortlist with more": foreign(more=torch.tensor([5])),
    "a shortlist that goes back": foreign(
        offsets=torch.cat([torch.tensor([0, 9, 1]), torch.arange(3, 37)])
    ),
}
