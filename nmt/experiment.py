"""All sections of settings as one experiment: what a file of settings may hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from nmt.attention.config import AttentionSections, refuse_undone
from nmt.corpus.config import DataConfig, EncodeConfig
from nmt.errors import ConfigError
from nmt.model.compute import ComputeConfig
from nmt.model.config import ModelConfig, refuse_unfit_attention, with_preset
from nmt.scoring.config import ScoreConfig
from nmt.search.config import SearchConfig, inherited
from nmt.settings import Table, build, plain
from nmt.suspect.config import SuspectConfig
from nmt.text.config import CleanConfig, SegmentConfig, SplitConfig
from nmt.training.config import LOSSES, TrainingConfig

Section = TypeVar("Section")

USUAL: dict[str, dict[str, Table]] = {  # of an architecture, in place of defaults
    "lm": {
        "training": {"best_metric": "perplexity", "label_smoothing": 0.0},
        "search": {"method": "sample", "beam": 1},
    }
}
OF_A_SOURCE = {
    "data": ("dev_source",),
    "search": (
        "source_tag",
        "coverage_beta",
        "limit_ratio",
        "limit_extra",
        "max_pieces",
        "shortlist",
        "batch_invariant",
    ),
}
INSTEAD = {
    "dev_source": ", and name the text as data.dev_target",
    "limit_ratio": ", and set search.limit_pieces",
    "limit_extra": ", and set search.limit_pieces",
}


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
    arch = resolved.get("model", {}).get("arch", "")
    experiment = build(Experiment, {**with_usual(table, arch), **resolved})
    refuse_unfit_attention(experiment.model, experiment.attention)
    refuse_unheeded(experiment)
    refuse_cut_matrices(experiment)
    return experiment


def with_usual(table: Mapping[str, Any], arch: str) -> Table:
    """Put what is usual for an architecture under what is asked for."""
    usual, merged = USUAL.get(arch, {}), dict(table)
    for name, values in usual.items():
        asked = table.get(name, {})
        if isinstance(asked, Mapping):
            kept = inherited(values, asked) if name == SearchConfig.section else values
            merged[name] = {**kept, **asked}
    return merged


def refuse_unheeded(experiment: Experiment) -> None:
    """Refuse settings that a model without a source cannot heed, or that only such a one can.

    Raises:
        ConfigError: Naming the setting and the architecture.
    """
    if experiment.model.has_source:
        if experiment.search.limit_pieces != SearchConfig().limit_pieces:
            raise ConfigError(
                f"search.limit_pieces = {experiment.search.limit_pieces} is for "
                "model.arch = 'lm'; a translation ends by search.limit_ratio and search.limit_extra"
            )
        return
    for name, keys in OF_A_SOURCE.items():
        own = getattr(experiment, name)
        for key in keys:
            if (value := getattr(own, key)) != getattr(type(own)(), key):
                raise ConfigError(
                    f"{name}.{key} = {plain(value)!r}, but model.arch = 'lm' has no source; leave "
                    f"it out{INSTEAD.get(key, '')}"
                )
    if (metric := experiment.training.best_metric) not in LOSSES:
        raise ConfigError(
            f"training.best_metric = {metric!r} scores translations, but model.arch = 'lm' makes "
            f"none; choose one of {', '.join(LOSSES)}"
        )


def refuse_cut_matrices(experiment: Experiment) -> None:
    """Refuse an optimizer that needs whole matrices where each process has a part of them.

    Raises:
        ConfigError: Naming both settings.
    """
    if experiment.training.optimizer == "muon" and experiment.compute.sharding == "fsdp":
        raise ConfigError(
            "training.optimizer = 'muon' moves matrices as a whole, but compute.sharding = 'fsdp' "
            "cuts them into parts; take 'adamw', or 'ddp'"
        )


def section(kind: type[Section], table: Mapping[str, Any]) -> Section:
    """Make one section from a table, having checked all of it."""
    experiment = read_experiment(table)
    values = (getattr(experiment, each.name) for each in fields(Experiment))
    return next(value for value in values if isinstance(value, kind))
