"""The model that a training starts from: its shape holds, but for what attention may gain."""

import dataclasses
from pathlib import Path

from nmt.attention.additions import with_additions
from nmt.attention.config import ROLES, AttentionSections
from nmt.corpus.corpora import Corpora
from nmt.corpus.encoded import EncodedCorpus
from nmt.errors import CheckpointError, ConfigError
from nmt.experiment import Experiment, read_experiment
from nmt.launch.development import hashes_of
from nmt.model.config import ModelConfig
from nmt.model.directory import read_metadata, resolve
from nmt.settings import Table, load_table, to_table

FREE = ("dropout", "ffn_dropout", "preset")  # settings of a model that are no part of its shape


def with_kind_of(table: Table, parent: str | Path | None) -> Table:
    """Let settings that name no kind of model be of the kind of a parent without a source.

    Defaults depend on it; all else of a parent's shape comes by `with_parent`.
    """
    model = table.get("model", {})
    if parent is None or not isinstance(model, dict) or {"arch", "preset"} & model.keys():
        return table
    given = read_experiment(load_table(resolve(parent) / "config.toml")).model
    return table if given.has_source else {**table, "model": {**model, "arch": given.arch}}


def with_parent(experiment: Experiment, parent: Path | None) -> Experiment:
    """Give a fine-tuned model the shape of its parent; dropout may differ, attention gain parts.

    Raises:
        CheckpointError: There is no parent, or it was trained with other segmenters.
        ConfigError: Another shape was asked for.
    """
    if parent is None:
        return experiment
    given = read_experiment(load_table(resolve(parent) / "config.toml"))
    refuse_other_shape(experiment.model, given.model)
    corpus = Corpora(experiment.data.train).first
    refuse_other_segmenters(parent, corpus, given.model.has_source)
    return dataclasses.replace(
        experiment,
        model=dataclasses.replace(
            given.model,
            dropout=experiment.model.dropout,
            ffn_dropout=experiment.model.ffn_dropout,
        ),
        attention=with_more_attention(given.attention, experiment.attention),
    )


def with_more_attention(given: AttentionSections, asked: AttentionSections) -> AttentionSections:
    """Add to each role what is asked for and can be added to trained weights."""
    roles = ((role, getattr(given, role), getattr(asked, role)) for role in ROLES)
    return AttentionSections(**{each[0]: with_additions(*each) for each in roles})


def refuse_other_shape(asked: ModelConfig, given: ModelConfig) -> None:
    """Refuse settings that ask a fine-tuned model for another shape than its parent has.

    What is as by default was not asked for.
    """
    if asked.has_source and not given.has_source:
        raise ConfigError("--from names a language model; say so: --arch lm")
    table, parent, usual = (to_table(each) for each in (asked, given, ModelConfig()))
    for name, value in table.items():
        if name not in FREE and value not in (parent[name], usual[name]):
            raise ConfigError(
                f"model.{name} = {value} was asked for, but --from takes the shape of its "
                f"model, which has {parent[name]}; leave the setting out"
            )


def refuse_other_segmenters(parent: Path, corpus: EncodedCorpus, has_source: bool) -> None:
    """Refuse a corpus that was encoded with other segmenters than a model knows."""
    folder = resolve(parent)
    if read_metadata(folder).get("segmenters") != hashes_of(corpus, has_source):
        raise CheckpointError(
            f"{parent} was trained with another segmenter than {corpus.folder} was "
            f"encoded with; encode with {folder}/source.model and target.model"
        )
