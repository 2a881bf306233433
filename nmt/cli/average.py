"""The command `nmt average`."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.settings import Table

if TYPE_CHECKING:
    from nmt.model.directory import Package

log = logging.getLogger(__name__)

SECTIONS = ("model", "attention")
FOR_TRAINING = {"preset", "dropout", "ffn_dropout", "kernel"}  # no translation depends on these


@click.command(
    cls=NmtCommand,
    example="""
    nmt average run --last 5 --output averaged
    nmt average run-1 run-2 run-3/checkpoints/update-4000 --output averaged
    """,
)
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--last",
    metavar="N",
    type=click.IntRange(min=2),
    help="Average the last N checkpoints of the one run given.",
)
@click.option("--output", required=True, type=click.Path(), help="Model directory to write.")
@verbosity_options
def average(models: tuple[str, ...], last: int | None, output: str) -> None:
    """Average the weights of each MODEL: a model directory, a run (its best), a checkpoint.

    They must have the same shape and segmenters. All other settings are those of the first. The
    average has scores of its own only when it is scored; metadata.json says what went into it.
    """
    from nmt.files import atomic_folder
    from nmt.model.directory import save_package

    parts = find_parts(models, last)
    with atomic_folder(output) as folder:
        save_package(folder, average_package(parts))
    log.info("%s: the average of %d models", output, len(parts))
    for part in parts:
        log.info("  %s", part)


def find_parts(models: Sequence[str], last: int | None) -> list[Path]:
    """Find the model directories to average.

    Raises:
        CheckpointError: One is missing, or the run has not so many checkpoints.
    """
    from nmt.model.directory import resolve

    if last is None and len(models) > 1:
        return [resolve(model) for model in models]
    if last is not None and len(models) == 1:
        return last_checkpoints(Path(models[0]), last)
    raise click.UsageError("give two models or more, or one run and --last N")


def last_checkpoints(folder: Path, last: int) -> list[Path]:
    """Name the last checkpoints of a run."""
    from nmt.errors import CheckpointError
    from nmt.training.run import Run

    run = Run(folder)
    run.manifest()  # refuses what is no run
    updates = run.updates()
    if len(updates) < last:
        raise CheckpointError(
            f"{folder} has {len(updates)} checkpoints, but --last is {last}; lower it, or train "
            "with a higher training.keep"
        )
    return [run.checkpoint(update) for update in updates[-last:]]


def average_package(parts: Sequence[Path]) -> "Package":
    """Make a model of the average weights of others.

    Raises:
        CheckpointError: They have not the same shape or segmenters, or one is damaged.
    """
    from nmt.model.directory import copy_weights, load_any, read_metadata
    from nmt.training.averaging import average_weights

    records = [read_metadata(part) for part in parts]
    for part, record in zip(parts, records, strict=True):
        refuse_other_segmenters(part, record, parts[0], records[0])
        refuse_other_shape(part, parts[0])
    package = load_any(parts[0])
    copy_weights(package.model, average_weights(parts), parts[0])
    return replace(package, metadata=average_metadata(parts, records))


def refuse_other_segmenters(
    part: Path, record: Mapping[str, Any], first: Path, first_record: Mapping[str, Any]
) -> None:
    """Refuse a model whose ids mean other pieces."""
    from nmt.errors import CheckpointError

    if record.get("segmenters") != first_record.get("segmenters"):
        raise CheckpointError(
            f"{part} has other segmenters than {first}; only models that were trained with the "
            "same ones can be averaged"
        )


def refuse_other_shape(part: Path, first: Path) -> None:
    """Refuse a model that computes something else, even where its weights would fit."""
    from nmt.errors import CheckpointError

    wanted = shape_of(first)
    for name, value in shape_of(part).items():
        if value != wanted[name] and name.rpartition(".")[2] not in FOR_TRAINING:
            raise CheckpointError(
                f"{part} is not the same model as {first}: its {name} is {value!r}, "
                f"not {wanted[name]!r}"
            )


def shape_of(part: Path) -> Table:
    """Read the settings of a model, by their dotted names, with defaults where none is given."""
    from nmt.errors import CheckpointError, ConfigError
    from nmt.experiment import read_experiment
    from nmt.settings import load_table, to_table
    from nmt.show import flat

    table = load_table(part / "config.toml")
    try:
        known = read_experiment({name: table.get(name, {}) for name in SECTIONS})
    except ConfigError as error:
        raise CheckpointError(f"{part / 'config.toml'}: {error}") from None
    return flat({name: to_table(getattr(known, name)) for name in SECTIONS})


def average_metadata(parts: Sequence[Path], records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Say what an average was made from; the scores of its parts are not its own."""
    from nmt.files import sha256
    from nmt.model.inventory import WEIGHTS

    made_from = [
        {"model": str(part), "update": record.get("update"), "weights": sha256(part / WEIGHTS)}
        for part, record in zip(parts, records, strict=True)
    ]
    metadata: dict[str, Any] = {"update": max(record.get("update", 0) for record in records)}
    corpora = {record.get("corpus", "") for record in records}
    if len(corpora) == 1 and all(corpora):
        metadata["corpus"] = corpora.pop()
    return {**metadata, "dev": {}, "averaged": made_from}
