"""Every piece of advice is given where it should be, alone, and not next door."""

import re
from pathlib import Path
from typing import Any

import pytest

from nmt.advice.case import Case
from nmt.advice.table import PITFALLS, name_of, pitfalls
from nmt.experiment import read_experiment
from nmt.settings import Table, assign, load_table, parse_assignment

RECIPES = Path(__file__).parents[2] / "recipes"
TRAIN = "data.train=corpus"
DEV = ("data.dev_source=a", "data.dev_target=b")
WINDOWED = "attention.encoder.variant=window"

Changes = tuple[str, ...]
Facts = dict[str, Any]

# Name, settings that call for the advice, settings near them that do not.
BY_SETTINGS: list[tuple[str, Changes, Changes]] = [
    ("no-positions", ("model.positions=none",), ("model.positions=learned",)),
    (
        "no-positions",
        ("model.positions=none", "attention.decoder.variant=rotary"),
        ("model.positions=none", "attention.encoder.variant=rotary"),
    ),
    (
        "no-positions",
        ("model.positions=none", WINDOWED),
        ("model.positions=none", WINDOWED, "attention.encoder.positions=alibi"),
    ),
    ("no-positions", ("model.positions=none",), ("model.arch=rnn",)),
    (
        "no-positions",
        ("model.positions=none", "attention.encoder.variant=linear"),
        ("model.positions=none", "attention.encoder.variant=own:Class"),
    ),
    (
        "attention-dropout",
        ("attention.encoder.dropout=0.1",),
        ("attention.encoder.dropout=0.1", "attention.encoder.variant=entmax"),
    ),
    (
        "attention-dropout",
        ("attention.cross.dropout=0.1", "attention.cross.variant=gqa"),
        ("attention.cross.dropout=0.1", "attention.cross.kernel=dense"),
    ),
    (
        "attention-dropout",
        ("attention.decoder.dropout=0.1", "attention.decoder.variant=rotary"),
        ("attention.decoder.dropout=0.1", "attention.decoder.variant=own:Class"),
    ),
    (
        "unpaid-regulators",
        ("attention.encoder.variant=gated-heads",),
        ("attention.encoder.variant=gated-heads", "attention.encoder.penalty=0.01"),
    ),
    (
        "unpaid-regulators",
        ("attention.decoder.variant=adaptive-span",),
        ("attention.decoder.variant=adaptive-span", "attention.decoder.penalty=0.01"),
    ),
    (
        "sentences-without-break",
        ("attention.encoder.variant=sentence-local",),
        ("attention.encoder.variant=sentence-local", "model.sentence_break=<eos>"),
    ),
    (
        "post-norm-without-warmup",
        ("model.norm=post", "training.warmup=99"),
        ("model.norm=post", "training.warmup=100"),
    ),
    (
        "post-norm-without-warmup",
        ("model.norm=post", "training.warmup=0"),
        ("model.norm=pre", "training.warmup=0"),
    ),
    ("high-dropout", ("model.dropout=0.6",), ("model.dropout=0.5",)),
    ("high-dropout", ("model.ffn_dropout=0.6",), ("model.ffn_dropout=0.5",)),
    ("warmup-outlasts-run", ("training.warmup=20000",), ("training.warmup=19999",)),
    (
        "warmup-outlasts-run",
        ("training.warmup=20000",),
        ("training.warmup=20000", "training.budget=8m"),
    ),
    (
        "validates-only-at-end",
        ("training.validate_every=20001",),
        ("training.validate_every=20000",),
    ),
    (
        "averages-everything",
        (TRAIN, *DEV, "training.validate_every=5000"),
        (TRAIN, *DEV, "training.validate_every=4999"),
    ),
    (
        "averages-everything",
        (TRAIN, *DEV, "training.validate_every=20000", "training.average=2"),
        (TRAIN, *DEV, "training.validate_every=20000", "training.average=1"),
    ),
    (
        "averages-everything",
        (TRAIN, *DEV, "training.validate_every=5000"),
        (TRAIN, *DEV, "training.validate_every=5000", "training.budget=8m"),
    ),
    ("idle-patience", ("training.patience=19",), ("training.patience=18",)),
    ("no-development-set", (TRAIN,), (TRAIN, *DEV)),
    ("high-learning-rate", ("training.learning_rate=0.009",), ("training.learning_rate=0.008",)),
    (
        "high-learning-rate",
        ("training.learning_rate=0.008", "model.model_size=512"),
        ("training.learning_rate=0.006", "model.model_size=512"),
    ),
    ("high-label-smoothing", ("training.label_smoothing=0.4",), ("training.label_smoothing=0.3",)),
    (
        "r-drop-without-dropout",
        ("training.r_drop=5", "model.dropout=0"),
        ("training.r_drop=5",),
    ),
    (
        "smoothed-but-chosen-by-loss",
        ("training.best_metric=loss",),
        ("training.best_metric=loss", "training.label_smoothing=0"),
    ),
    (
        "smoothed-but-chosen-by-loss",
        ("training.best_metric=perplexity",),
        ("training.best_metric=accuracy",),
    ),
    (
        "unused-weight-decay",
        ("training.optimizer=adam", "training.weight_decay=0.1"),
        ("training.optimizer=adam",),
    ),
    (
        "unused-weight-decay",
        ("training.optimizer=adam", "training.weight_decay=0.1"),
        ("training.weight_decay=0.1",),
    ),
    (
        "unused-momentum",
        ("training.momentum=0.9",),
        ("training.momentum=0.9", "training.optimizer=muon"),
    ),
    (
        "high-learning-rate",
        ("training.learning_rate=0.04", "training.optimizer=muon"),
        ("training.learning_rate=0.03", "training.optimizer=muon"),
    ),
    (
        "average-of-the-still",
        ("training.ema=0.999", "training.schedule=linear"),
        ("training.ema=0.999",),
    ),
    (
        "average-of-the-still",
        ("training.ema=0.999", "training.schedule=cosine"),
        ("training.schedule=cosine",),
    ),
    ("silent-log", ("training.log_every=20001",), ("training.log_every=20000",)),
    ("batch-below-longest", ("data.batch_tokens=256",), ("data.batch_tokens=257",)),
    ("model-below-longest", ("model.max_length=256",), ("model.max_length=257",)),
    (
        "development-is-test",
        (*DEV, 'data.test=["a"]'),
        (*DEV, 'data.test=["c"]'),
    ),
    (
        "overlap-allowed",
        ("data.allow_overlap=true", 'data.test=["c"]'),
        ("data.allow_overlap=true",),
    ),
    ("wide-beam", ("search.beam=21",), ("search.beam=20",)),
    ("wide-beam", ("search.beam=50",), ("search.beam=50", "search.nbest=50")),
    ("wide-beam", ("search.beam=50",), ("search.beam=50", "search.mbr=chrf")),
    (
        "short-translations",
        ("search.length_alpha=0", "search.beam=6"),
        ("search.length_alpha=0", "search.beam=5"),
    ),
    ("cut-translations", ("search.limit_ratio=0.9",), ("search.limit_ratio=1",)),
    ("parted-lines", ("search.max_pieces=255",), ("search.max_pieces=256",)),
    ("parted-lines", ("encode.max_pieces=300",), ("encode.max_pieces=300", "search.max_pieces=0")),
]  # fmt: skip

# Name, settings, facts that call for the advice, facts near them that do not.
BY_FACTS: list[tuple[str, Changes, Facts, Facts]] = [
    ("nothing-left", (), {"resumed": 20_000}, {"resumed": 19_999}),
    ("nothing-left", (), {"resumed": 20_001}, {}),
    (
        "warmup-outlasts-run",
        ("training.budget=8m", "training.warmup=20000"),
        {"is_planned": True},
        {"is_planned": False},
    ),
    ("batch-below-longest", ("data.batch_tokens=100",), {"longest": 101}, {"longest": 100}),
    ("model-below-longest", ("model.max_length=100",), {"longest": 101}, {"longest": 100}),
    ("parted-lines", ("search.max_pieces=99",), {"longest": 101}, {"longest": 100}),
    (  # 3 x 10 x 4096 tokens learnt, and 6 for each of the set
        "validation-outlasts-training",
        ("training.validate_every=10",),
        {"dev_tokens": 20_481},
        {"dev_tokens": 20_480},
    ),
    (
        "validation-outlasts-training",
        ("training.validate_every=10",),
        {"dev_tokens": 20_481},
        {},
    ),
    ("slow-bf16", ("compute.precision=bf16",), {"has_fast_bf16": False}, {"has_fast_bf16": True}),
    ("slow-bf16", ("compute.precision=bf16",), {"has_fast_bf16": False}, {}),
    ("too-many-threads", ("compute.threads=3",), {"cores": 2}, {"cores": 3}),
    ("too-many-threads", ("compute.threads=3",), {"cores": 2}, {}),
]


def case(*changes: str, **facts: Any) -> Case:
    table: Table = {}
    for change in changes:
        assign(table, *parse_assignment(change))
    return Case(experiment=read_experiment(table), **facts)


def found(*changes: str, **facts: Any) -> list[str]:
    return [name for name, _ in pitfalls(case(*changes, **facts))]


@pytest.mark.parametrize(("name", "wrong", "right"), BY_SETTINGS)
def test_settings_call_for_advice(name: str, wrong: Changes, right: Changes) -> None:
    assert found(*wrong) == [name]
    assert found(*right) == []


@pytest.mark.parametrize(("name", "changes", "wrong", "right"), BY_FACTS)
def test_facts_call_for_advice(name: str, changes: Changes, wrong: Facts, right: Facts) -> None:
    assert found(*changes, **wrong) == [name]
    assert found(*changes, **right) == []


def test_every_piece_of_advice_is_tried_and_has_a_name_of_its_own() -> None:
    names = [name_of(look) for look in PITFALLS]
    assert len(set(names)) == len(names)
    assert {row[0] for row in (*BY_SETTINGS, *BY_FACTS)} == set(names)


def test_the_docs_list_all_advice_in_its_order() -> None:
    page = (RECIPES.parent / "docs" / "settings.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z0-9]+(?:-[a-z0-9]+)+)` \|", page, re.M)
    assert listed == [name_of(look) for look in PITFALLS]


def test_every_piece_of_advice_is_one_line_that_says_what_why_and_what_is_right() -> None:
    cases = [case(*wrong) for _, wrong, _ in BY_SETTINGS]
    cases += [case(*changes, **facts) for _, changes, facts, _ in BY_FACTS]
    for each in cases:
        for _, pitfall in pitfalls(each):
            assert str(pitfall) == f"{pitfall.what}: {pitfall.why}; {pitfall.better}"
            assert all((pitfall.what, pitfall.why, pitfall.better))
            assert "\n" not in str(pitfall)


def test_values_are_spelt_as_in_a_file_of_settings() -> None:
    each = case("attention.encoder.dropout=0.1", "attention.cross.dropout=0.2")
    ((_, pitfall),) = pitfalls(each)
    assert pitfall.what == "attention.encoder.dropout = 0.1 and attention.cross.dropout = 0.2"
    ((_, pitfall),) = pitfalls(case("training.ema=0.999", "training.schedule=linear"))
    assert pitfall.what == 'training.ema = 0.999 and training.schedule = "linear"'


def test_the_defaults_and_the_presets_call_for_none() -> None:
    assert found(TRAIN, *DEV) == []
    for preset in ("transformer-tiny", "transformer-base", "transformer-big", "rnn-big"):
        assert found(TRAIN, *DEV, f"model.preset={preset}") == []


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*/*.toml")), ids=str)
def test_the_recipes_call_for_none(path: Path) -> None:
    assert list(pitfalls(Case(experiment=read_experiment(load_table(path))))) == []
