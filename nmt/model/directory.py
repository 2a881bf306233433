"""A model directory: self-contained and inert. Loading one runs no code from it.

model.safetensors   weights; shared ones are stored once
shortlist.safetensors   which target pieces source pieces suggest, if that was learnt
config.toml         every setting, resolved
source.model, target.model   the segmenters
metadata.json       format, hashes, scores
README.md           the model card
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import nmt
from nmt.attention.config import AttentionSections
from nmt.errors import CheckpointError, ConfigError, DataError
from nmt.files import read_json, sha256, write_sealed
from nmt.model.build import build_model
from nmt.model.card import model_card
from nmt.model.config import ModelConfig, with_preset
from nmt.model.contract import EncoderDecoder, SequenceModel
from nmt.model.inventory import (
    FORMAT,
    METADATA,
    SETTINGS,
    SHORTLIST,
    WEIGHTS,
    Shapes,
    refuse_foreign_files,
    refuse_odd_metadata,
    refuse_other_content,
    refuse_other_segmenter,
    refuse_other_settings,
    shapes_of,
)
from nmt.model.language import LanguageModel
from nmt.model.sentences import Breaks
from nmt.model.sharded import placed_as
from nmt.model.shortlist import Shortlist
from nmt.model.tensors import load_tensors, save_tensors
from nmt.settings import Table, build, load_table, save_table
from nmt.text.segmenter import Segmenter

MAX_TABLES = 2**29  # bytes of what a model computes for itself, such as sines of positions
UNSEEN = 2**28  # bytes that a model may take beyond its weights before it is looked at closely
MOST, MOST_LAYERS = 10_000, 128  # of a setting of attention, and of layers, likewise


@dataclass(frozen=True)
class Segmenters:
    """The segmenters of both sides; one object where one model serves both."""

    source: Segmenter
    target: Segmenter

    def hashes(self) -> dict[str, str]:
        """Give the hash of each side's model."""
        return {"source": self.source.sha256, "target": self.target.sha256}


@dataclass(frozen=True)
class Package:
    """What a model directory holds.

    Attributes:
        model: In evaluation mode.
        settings: The whole of `config.toml`.
        metadata: The whole of `metadata.json`.
    """

    model: SequenceModel
    segmenters: Segmenters
    settings: Table
    metadata: dict[str, Any]


@dataclass(frozen=True)
class TranslationPackage(Package):
    """What the directory of a model that translates holds."""

    model: EncoderDecoder


@dataclass(frozen=True)
class LanguagePackage(Package):
    """What the directory of a language model holds; its segmenters are one."""

    model: LanguageModel


def save_package(folder: Path, package: Package) -> None:
    """Fill a folder, which the caller makes appear only when complete.

    Raises:
        DataError: Something cannot be written.
    """
    save_tensors(weights_of(package.model), folder / WEIGHTS)
    save_table(package.settings, folder / SETTINGS)
    package.segmenters.source.save(folder / "source.model")
    package.segmenters.target.save(folder / "target.model")
    kept = {name: value for name, value in package.metadata.items() if name != "shortlist"}
    metadata = {
        "format": FORMAT,
        "nmt": nmt.__version__,
        "segmenters": package.segmenters.hashes(),
        **kept,
        "settings": sha256(folder / SETTINGS),
        "weights": sha256(folder / WEIGHTS),
    }
    if package.model.shortlist is not None:
        save_tensors(package.model.shortlist.tensors(), folder / SHORTLIST)
        metadata["shortlist"] = sha256(folder / SHORTLIST)
    write_sealed(folder / METADATA, metadata)
    card = model_card(package.settings, metadata, count_parameters(package.model))
    (folder / "README.md").write_text(card, encoding="utf-8")


def weights_of(model: torch.nn.Module) -> dict[str, Tensor]:
    """Name the weights; one that is shared has one name."""
    return {name: weight.detach() for name, weight in model.named_parameters()}


def count_parameters(model: torch.nn.Module) -> int:
    """Count weights, shared ones once."""
    return sum(weight.numel() for weight in model.parameters())


def resolve(path: str | Path) -> Path:
    """Find the model directory that MODEL means: itself, or the best of a run.

    Raises:
        CheckpointError: There is no model here.
    """
    folder = Path(path)
    for candidate in (folder, folder / "best"):
        if (candidate / "metadata.json").is_file():
            return candidate
    if not folder.is_dir():
        raise CheckpointError(f"{folder} does not exist; a MODEL is a model directory or a run")
    if (folder / "manifest.json").is_file():
        raise CheckpointError(f"{folder} has no checkpoint yet: training has not validated once")
    if (folder / "export.json").is_file():
        raise CheckpointError(
            f"{folder} is an export for another program; nmt translate --engine ctranslate2 can "
            "use one in that format"
        )
    raise CheckpointError(f"{folder} holds no model (no metadata.json) and no run")


def load_package(path: str | Path) -> TranslationPackage:
    """Load a model that translates, as `load_any` does.

    Raises:
        CheckpointError: It is of another kind, or cannot be loaded.
    """
    package = load_any(path)
    if not isinstance(package.model, EncoderDecoder):
        raise CheckpointError(
            f"{path} is a language model, which has no source; name a model that translates (a "
            "language model writes with nmt generate)"
        )
    return TranslationPackage(package.model, package.segmenters, package.settings, package.metadata)


def load_language_package(path: str | Path) -> LanguagePackage:
    """Load a language model, as `load_any` does.

    Raises:
        CheckpointError: It is of another kind, or cannot be loaded.
    """
    package = load_any(path)
    if not isinstance(package.model, LanguageModel):
        raise CheckpointError(
            f"{path} is a model that translates; name a language model (nmt train --arch lm)"
        )
    return LanguagePackage(package.model, package.segmenters, package.settings, package.metadata)


def load_any(path: str | Path) -> Package:
    """Load a model directory, or the best model of a run; it is trusted in nothing.

    Raises:
        CheckpointError: Something is missing, damaged, of another format, or does not fit.
    """
    folder = resolve(path)
    refuse_foreign_files(folder)
    metadata = read_metadata(folder)
    settings = load_table(folder / SETTINGS)
    segmenters = load_segmenters(folder, metadata)
    model = fitting_model(settings, segmenters, folder)
    refuse_other_settings(folder, metadata)
    tensors = weights_in(folder)
    copy_weights(model, tensors, folder / WEIGHTS)
    model.shortlist = shortlist_in(folder, metadata, segmenters)
    return Package(model.eval(), segmenters, settings, metadata)


def fitting_model(settings: Table, segmenters: Segmenters, folder: Path) -> SequenceModel:
    """Make the model that settings describe, if it is that of the weights, however large.

    One that may take more than its weights is made without memory first. Only what a user's own
    module does cannot be.

    Raises:
        CheckpointError: The settings are no model's, or another's.
    """
    try:
        build(AttentionSections, settings.get("attention", {}), "attention")
        if not (is_own(settings) or is_ordinary(settings, segmenters, folder)):
            with torch.device("meta"):
                refuse_unfit(model_of(settings, segmenters), folder)
        model = model_of(settings, segmenters)
    except ConfigError as error:
        raise CheckpointError(f"{folder / SETTINGS}: {error}") from None
    except (RuntimeError, OverflowError, MemoryError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise CheckpointError(f"{folder / SETTINGS}: no such model can be: {reason}") from None
    if not is_own(settings):
        refuse_unfit(model, folder)
    return model


def refuse_unfit(model: SequenceModel, folder: Path) -> None:
    """Refuse a model whose tables are absurd, or whose weights are not those of the file."""
    tables = sum(each.nbytes for each in model.buffers())
    if tables > MAX_TABLES:
        raise CheckpointError(f"{folder / SETTINGS}: such a model needs tables of {tables:,} bytes")
    refuse_other_shapes(model, shapes_of(folder / WEIGHTS), folder / WEIGHTS)


def is_ordinary(settings: Table, segmenters: Segmenters, folder: Path) -> bool:
    """Tell from settings alone that a model takes little more than the file of its weights.

    A model without memory tells exactly, but PyTorch loads modules for a second to make one.
    """
    config = build(ModelConfig, with_preset(settings.get("model", {})), "model")
    sections = settings.get("attention", {}).values()
    numbers = [each for section in sections for each in section.values() if isinstance(each, int)]
    layers, size = config.encoder_layers + config.decoder_layers, config.model_size
    words = 2 * (segmenters.source.vocab_size + segmenters.target.vocab_size) + config.max_length
    values = size * (words + layers * (16 * size + 3 * config.ffn_size))
    path = folder / WEIGHTS
    room = 2 * path.stat().st_size + UNSEEN if path.is_file() else 0
    few = max(numbers, default=0) <= MOST and layers <= MOST_LAYERS
    return few and values * torch.float32.itemsize <= room


def is_own(settings: Table) -> bool:
    """Tell whether attention is a module of the user's own, which may not know of this."""
    return any(":" in each["variant"] for each in settings.get("attention", {}).values()
               if "variant" in each)  # fmt: skip


def model_of(settings: Table, segmenters: Segmenters) -> SequenceModel:
    """Make the model that settings describe, with fresh weights."""
    config = build(ModelConfig, with_preset(settings.get("model", {})), "model")
    attention = build(AttentionSections, settings.get("attention", {}), "attention")
    return model_for(config, attention, segmenters)


def model_for(
    config: ModelConfig, attention: AttentionSections, segmenters: Segmenters
) -> SequenceModel:
    """Make a model of what segmenters produce, with fresh weights.

    Raises:
        ConfigError: The piece that ends a sentence is in neither vocabulary.
    """
    sizes = segmenters.source.vocab_size, segmenters.target.vocab_size
    model = build_model(config, attention, *sizes)
    if config.sentence_break:
        both = segmenters.source, segmenters.target
        model.breaks = Breaks(*(break_id(each, config.sentence_break) for each in both))
    return model


def break_id(segmenter: Segmenter, piece: str) -> int:
    """Find the id of the piece that ends a sentence, or say that there is none."""
    found = segmenter.id_of(piece)
    if found is None:
        raise ConfigError(
            f"model.sentence_break = {piece!r} is no piece of {segmenter.path}; learn it with "
            f"segment.user_symbols"
        )
    return found


def read_metadata(folder: Path) -> dict[str, Any]:
    """Read `metadata.json` and check its format."""
    path = folder / METADATA
    try:
        metadata: dict[str, Any] = read_json(path)
    except DataError as error:
        raise CheckpointError(str(error)) from None
    refuse_odd_metadata(metadata, path)
    return metadata


def load_segmenters(folder: Path, metadata: Mapping[str, Any]) -> Segmenters:
    """Load both segmenters, which must be those that the model was trained with."""
    loaded = {}
    for side in ("source", "target"):
        path = folder / f"{side}.model"
        refuse_other_segmenter(path, metadata)
        loaded[side] = Segmenter.load(path)
    same = loaded["source"].sha256 == loaded["target"].sha256
    return Segmenters(loaded["source"], loaded["source"] if same else loaded["target"])


def weights_in(folder: Path) -> dict[str, Tensor]:
    """Read the weights of a model directory, as they were saved.

    Those of the first versions have no hash.

    Raises:
        CheckpointError: The file is missing, damaged, or was changed.
    """
    metadata = read_metadata(folder) if (folder / METADATA).is_file() else {}
    tensors = load_tensors(folder / WEIGHTS)
    refuse_other_content(folder / WEIGHTS, metadata.get("weights"))
    return tensors


def shortlist_in(
    folder: Path, metadata: Mapping[str, Any], segmenters: Segmenters
) -> Shortlist | None:
    """Read the shortlist of a model directory; those without one have none in their metadata.

    Raises:
        CheckpointError: The file is missing, damaged, was changed, or is of other segmenters.
    """
    if "shortlist" not in metadata:
        return None
    path = folder / SHORTLIST
    refuse_other_content(path, metadata["shortlist"])
    found = Shortlist.of(load_tensors(path))
    sizes = segmenters.source.vocab_size, segmenters.target.vocab_size
    if found is None or not found.fits(sizes, segmenters.target.eos_id):
        raise CheckpointError(f"{path} is no shortlist of these segmenters; put the original back")
    return found


def load_weights(model: torch.nn.Module, path: Path) -> None:
    """Copy weights from a file into a model of the same shape.

    Raises:
        CheckpointError: A weight is missing, is one too many, or has another shape.
    """
    copy_weights(model, load_tensors(path), path)


def refuse_other_shapes(model: torch.nn.Module, found: Shapes, path: Path) -> None:
    """Refuse weights of another model.

    Raises:
        CheckpointError: A weight is missing, is one too many, or has another shape.
    """
    expected = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    if odd := sorted(expected.keys() ^ found.keys()):
        kind = "lacks" if odd[0] in expected else "has an unknown"
        raise CheckpointError(f"{path} does not fit its config.toml: it {kind} weight {odd[0]}")
    for name, shape in expected.items():
        if found[name] != shape:
            raise CheckpointError(
                f"{path} does not fit its config.toml: {name} is {found[name]}, but must be {shape}"
            )


@torch.no_grad()
def copy_weights(model: torch.nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy named tensors into a model, all of them and no others."""
    refuse_other_shapes(model, {name: tuple(each.shape) for name, each in tensors.items()}, path)
    for name, weight in model.named_parameters():
        weight.copy_(placed_as(tensors[name], weight))
