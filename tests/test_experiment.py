"""One file of settings for the whole chain."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from nmt.errors import ConfigError
from nmt.experiment import Experiment, read_experiment, section
from nmt.model.config import PRESETS, ModelConfig
from nmt.search.config import SearchConfig
from nmt.settings import load_table, save_table, to_table

SECTIONS = [field for field in dataclasses.fields(Experiment) if field.name != "attention"]


def test_nothing_said_is_every_default() -> None:
    assert read_experiment({}) == Experiment()


def lm(**table: Any) -> dict[str, Any]:
    return {"model": {"arch": "lm"}, **table}


def test_a_language_model_is_chosen_by_perplexity_and_samples_unless_told() -> None:
    usual = read_experiment(lm())
    assert (usual.training.best_metric, usual.training.label_smoothing) == ("perplexity", 0.0)
    assert (usual.search.method, usual.search.beam) == ("sample", 1)
    told = read_experiment(
        lm(
            training={"best_metric": "loss", "label_smoothing": 0.1},
            search={"method": "beam", "nbest": 2},
        )
    )
    assert (told.training.best_metric, told.training.label_smoothing) == ("loss", 0.1)
    assert told.search == SearchConfig(nbest=2)
    assert read_experiment({"model": {"preset": "lm-tiny"}}).search == usual.search


@pytest.mark.parametrize("preset", PRESETS)
def test_a_resolved_experiment_reads_back_as_itself(tmp_path: Path, preset: str) -> None:
    role, other = ("decoder", "encoder") if preset.startswith("lm") else ("cross", "encoder")
    table = {
        "model": {"preset": preset, "max_length": 96},
        "attention": {role: {"dropout": 0.2}},
    }
    experiment = read_experiment(table)
    save_table(to_table(experiment), tmp_path / "config.toml")
    assert read_experiment(load_table(tmp_path / "config.toml")) == experiment
    assert experiment.model.max_length == 96
    assert experiment.model.num_heads == PRESETS[preset]["num_heads"]
    assert getattr(experiment.attention, role).dropout == 0.2
    assert getattr(experiment.attention, other).dropout == 0.0


@pytest.mark.parametrize("field", SECTIONS, ids=lambda field: field.name)
def test_a_section_is_called_what_it_says_it_is_called(field: Any) -> None:
    assert field.type.section == field.name
    assert section(field.type, {}) == field.type()


def test_a_section_comes_from_a_table_that_is_right_as_a_whole() -> None:
    table = {"search": {"beam": 7}, "model": {"preset": "transformer-big"}}
    assert section(SearchConfig, table) == SearchConfig(beam=7)
    assert section(ModelConfig, table).model_size == PRESETS["transformer-big"]["model_size"]
    with pytest.raises(ConfigError, match=r"unknown setting model\.presets; did you mean 'preset'"):
        section(SearchConfig, {**table, "model": {"presets": "transformer-big"}})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"serch": {}}, "unknown setting serch; did you mean 'search'?"),
        ({"model": 3}, "model is a section, not a setting; write [model]"),
        ({"model": {"preset": 3}}, "model.preset: no preset 3; known here: "),
        ({"model": {"preset": ["a"]}}, "model.preset: no preset ['a']; known here: "),
        (
            {"model": {"arch": "rnn"}, "attention": {"decoder": {"dropout": 0.1}}},
            "attention.decoder.dropout = 0.1, but model.arch = 'rnn' has no self-attention; ",
        ),
        (
            {"search": {"limit_pieces": 9}},
            "search.limit_pieces = 9 is for model.arch = 'lm'; a translation ends by "
            "search.limit_ratio and search.limit_extra",
        ),
        (
            lm(data={"dev_source": "dev.en"}),
            "data.dev_source = 'dev.en', but model.arch = 'lm' has no source; leave it out, and "
            "name the text as data.dev_target",
        ),
        (
            lm(search={"source_tag": ["<2es>"]}),
            "search.source_tag = ['<2es>'], but model.arch = 'lm' has no source; leave it out",
        ),
        (
            lm(search={"method": "beam", "coverage_beta": 0.2}),
            "search.coverage_beta = 0.2, but model.arch = 'lm' has no source; leave it out",
        ),
        (
            lm(search={"limit_extra": 20}),
            "search.limit_extra = 20, but model.arch = 'lm' has no source; leave it out, and set "
            "search.limit_pieces",
        ),
        (
            lm(training={"best_metric": "bleu"}),
            "training.best_metric = 'bleu' scores translations, but model.arch = 'lm' makes none; "
            "choose one of perplexity, loss, accuracy",
        ),
        (
            lm(attention={"cross": {"variant": "additive"}}),
            "attention.cross.variant = 'additive', but model.arch = 'lm' has no encoder; ",
        ),
        (lm(training=3), "training is a section, not a setting; write [training]"),
        ({"search": {"limit_pieces": 0}}, "search.limit_pieces must be at least 1, not 0"),
        ({"attention": {"dropout": 0.1}}, "unknown setting attention.dropout; "),
        ({"attention": {"cros": {}}}, "unknown setting attention.cros; did you mean 'cross'?"),
        (
            {"training": {"optimizer": "muon"}, "compute": {"sharding": "fsdp"}},
            "training.optimizer = 'muon' moves matrices as a whole, but compute.sharding = 'fsdp' "
            "cuts them into parts; take 'adamw', or 'ddp'",
        ),
        ({"search": {"beam": 1.5}}, "search.beam must be an integer, not 1.5 (a number)"),
    ],
)
def test_what_is_wrong_anywhere_is_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        read_experiment(table)
