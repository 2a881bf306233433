"""All sections of settings as one experiment: what a file of settings may hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from nmt.attention.config import AttentionSections, refuse_undone
from nmt.corpus.config import DataConfig, EncodeConfig
from nmt.model.compute import ComputeConfig
from nmt.model.config import ModelConfig, refuse_unfit_attention, with_preset
from nmt.scoring.config import ScoreConfig
from nmt.search.config import SearchConfig
from nmt.settings import build
from nmt.suspect.config import SuspectConfig
from nmt.text.config import CleanConfig, SegmentConfig, SplitConfig
from nmt.training.config import TrainingConfig

Section = TypeVar("Section")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Every setting of the chain, so that one file can serve all its commands."""

    clean: CleanConfig = field(default=CleanConfig())
    split: SplitConfig = field(default=SplitConfig())
    segment: SegmentConfig = field(default=SegmentConfig())
    encode: EncodeConfig = field(default=EncodeConfig())
    data: DataConfig = field(default=DataConfig())
    model: ModelConfig = field(default=ModelConfig())
    attention: AttentionSections = field(default=AttentionSections())
    training: TrainingConfig = field(default=TrainingConfig())
    search: SearchConfig = field(default=SearchConfig())
    suspect: SuspectConfig = field(default=SuspectConfig())
    score: ScoreConfig = field(default=ScoreConfig())
    compute: ComputeConfig = field(default=ComputeConfig())


def read_experiment(table: Mapping[str, Any]) -> Experiment:
    """Make an experiment from a table of settings, its preset resolved.

    Raises:
        ConfigError: Anything in the table is unknown or wrong.
    """
    model = table.get("model", {})
    resolved = {"model": with_preset(model)} if isinstance(model, Mapping) else {}
    attention = table.get("attention")
    if isinstance(attention, Mapping):
        refuse_undone(attention)
    experiment = build(Experiment, {**table, **resolved})
    refuse_unfit_attention(experiment.model, experiment.attention)
    return experiment


def section(kind: type[Section], table: Mapping[str, Any]) -> Section:
    """Make one section from a table, having checked all of it."""
    experiment = read_experiment(table)
    values = (getattr(experiment, each.name) for each in fields(Experiment))
    return next(value for value in values if isinstance(value, kind))
