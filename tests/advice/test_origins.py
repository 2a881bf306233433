"""Where values come from when nobody said anything, and how settings are found by name."""

import dataclasses

import pytest

from nmt.advice.lines import leaves
from nmt.advice.origins import Explained, chosen, explained
from nmt.errors import ConfigError
from nmt.experiment import Experiment, read_experiment
from nmt.settings import Table, to_table


def of(table: Table) -> dict[str, Explained]:
    return {each.name: each for each in explained(read_experiment(table), {})}


def test_every_setting_is_explained_with_its_value() -> None:
    values = {name: each.value for name, each in of({}).items()}
    assert values == dict(leaves(to_table(read_experiment({}))))
    assert all(each.doc for each in of({}).values())


def test_without_a_word_values_come_from_default_preset_and_variant() -> None:
    found = of({"model": {"preset": "transformer-base"},
                "attention": {"encoder": {"variant": "shaw"}}})  # fmt: skip
    assert found["model.model_size"].source == "preset transformer-base"
    assert (found["model.model_size"].value, found["model.model_size"].default) == (512, 256)
    assert found["model.dropout"].source == "default"
    assert found["attention.encoder.positions"].source == "variant shaw"
    assert found["attention.encoder.max_distance"].value == 16
    assert found["attention.decoder.positions"].source == "default"


def test_what_was_said_wins() -> None:
    experiment = read_experiment({"model": {"model_size": 64}})
    (size,) = chosen(list(explained(experiment, {"model.model_size": "--set"})),
                     ["model.model_size"])  # fmt: skip
    assert (size.value, size.source) == (64, "--set")


def test_names_are_sections_or_settings() -> None:
    settings = list(explained(Experiment(), {}))
    assert chosen(settings, []) == settings
    assert [each.name for each in chosen(settings, ["search.beam"])] == ["search.beam"]
    roles = [chosen(settings, [f"attention.{role}"]) for role in ("encoder", "decoder", "cross")]
    assert [each for role in roles for each in role] == chosen(settings, ["attention"])
    count = len(dataclasses.fields(Experiment().search))
    assert len(chosen(settings, ["search", "search.beam"])) == count


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("training.warmpu", "no setting or section is called 'training.warmpu'; "
         "did you mean training.warmup?"),
        ("warmup", "no setting or section is called 'warmup'; did you mean training.warmup?"),
        ("trainning", "no setting or section is called 'trainning'; did you mean training?"),
        ("bem", "no setting or section is called 'bem'; did you mean search.beam?"),
        ("modle.seeed", "no setting or section is called 'modle.seeed'; did you mean "
         "compute.seed or segment.seed or split.seed?"),
        ("xyzzy", "no setting or section is called 'xyzzy'; sections are attention, clean, "),
    ],
)  # fmt: skip
def test_an_unknown_name_is_refused_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        chosen(list(explained(Experiment(), {})), [name])
    assert str(refused.value).startswith(message)
