"""`nmt average` end to end."""

import itertools
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.files import read_json, sha256, write_json
from nmt.model.directory import WEIGHTS, load_package, resolve, save_package
from nmt.model.tensors import load_tensors
from nmt.settings import assign, load_table, save_table

Command = Callable[..., Any]
Change = Callable[[str, str, Any], str]


@pytest.fixture
def models(nmt: Command, trained: Path) -> list[str]:
    """Write three models of one shape: the best of a run, and two with their weights moved."""
    package = load_package(trained)
    for number in range(3):
        Path(f"m{number}").mkdir()
        metadata = {**package.metadata, "update": 10 * number}
        save_package(Path(f"m{number}"), replace(package, metadata=metadata))
        generator = torch.Generator().manual_seed(number)
        for weight in package.model.parameters():
            weight.data += torch.empty_like(weight).normal_(generator=generator)
    return ["m0", "m1", "m2"]


@pytest.fixture
def changed(models: list[str]) -> Change:
    """Copy the first model with one setting changed."""

    def change(name: str, setting: str, value: Any) -> str:
        shutil.copytree(models[0], name)
        table = load_table(f"{name}/config.toml")
        assign(table, setting, value)
        save_table(table, f"{name}/config.toml")
        return name

    return change


def weights(folder: str | Path) -> dict[str, torch.Tensor]:
    return load_tensors(Path(folder) / WEIGHTS)


def test_the_average_of_a_model_with_itself_is_itself(nmt: Command, models: list[str]) -> None:
    assert nmt("average", *[models[1]] * 3, "--output", "same").status == 0
    assert Path("same", WEIGHTS).read_bytes() == Path(models[1], WEIGHTS).read_bytes()


def test_the_average_of_two_is_their_mean(nmt: Command, models: list[str]) -> None:
    finished = nmt("average", "m0", "m1", "--output", "mean")
    assert finished == (0, "", "mean: the average of 2 models\n  m0\n  m1\n")
    one, other, mean = map(weights, ("m0", "m1", "mean"))
    for name, weight in mean.items():
        torch.testing.assert_close(weight, (one[name] + other[name]) / 2)
        assert not torch.equal(weight, one[name])


def test_the_order_is_no_matter(nmt: Command, models: list[str]) -> None:
    found = set()
    for number, order in enumerate(itertools.permutations(models)):
        assert nmt("average", *order, "--output", f"a{number}", "--quiet").err == ""
        found.add(sha256(f"a{number}/{WEIGHTS}"))
    assert len(found) == 1


def test_the_result_is_a_model_that_translates(nmt: Command, trained: Path, toy: Path) -> None:
    checkpoint = str(resolve(trained).resolve())
    assert nmt("average", str(trained), checkpoint, "--output", "averaged").status == 0
    text = str(toy / "test.src")
    expected = nmt("translate", str(trained), text)
    assert nmt("translate", "averaged", text).out == expected.out
    assert expected.out.count("\n") == 9


def test_the_last_of_a_run_are_its_newest_checkpoints(nmt: Command, trained: Path) -> None:
    names = sorted(trained.glob("checkpoints/update-*"), key=lambda path: int(path.name[7:]))[-2:]
    assert nmt("average", str(trained), "--last", "2", "--output", "last").status == 0
    assert nmt("average", *map(str, names), "--output", "named").status == 0
    for path in Path("last").iterdir():
        assert path.read_bytes() == Path("named", path.name).read_bytes()


def test_metadata_says_what_was_averaged_and_claims_no_score(
    nmt: Command, models: list[str]
) -> None:
    nmt("average", "m2", "m1", "--output", "mean")
    metadata, part = read_json("mean/metadata.json"), read_json("m1/metadata.json")
    assert part["dev"]
    del part["origin"]  # of one run, where an average may be of several
    own = {"averaged": metadata["averaged"], "weights": sha256("mean/model.safetensors")}
    assert {**part, "update": 20, "dev": {}, **own} == metadata
    assert metadata["averaged"] == [
        {"model": name, "update": update, "weights": sha256(f"{name}/{WEIGHTS}")}
        for name, update in (("m2", 20), ("m1", 10))
    ]
    assert load_table("mean/config.toml") == load_table("m2/config.toml")


def test_a_corpus_is_named_only_if_all_learnt_from_it(nmt: Command, models: list[str]) -> None:
    write_json("m1/metadata.json", {**read_json("m1/metadata.json"), "corpus": "another"})
    nmt("average", "m0", "m1", "--output", "mean")
    assert "corpus" not in read_json("mean/metadata.json")


def test_dropout_and_search_may_differ(nmt: Command, models: list[str], changed: Change) -> None:
    others = [changed("d", "model.dropout", 0.3), changed("s", "search.beam", 7)]
    assert nmt("average", "m0", *others, "--output", "same").status == 0
    assert load_table("same/config.toml") == load_table("m0/config.toml")


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("model.num_heads", 4, "its model.num_heads is 4, not 2"),
        ("model.norm", "post", "its model.norm is 'post', not 'pre'"),
        ("model.model_size", 8, "its model.model_size is 8, not 16"),
    ],
)
def test_another_shape_is_refused_even_if_the_weights_would_fit(
    nmt: Command, changed: Change, setting: str, value: Any, message: str
) -> None:
    finished = nmt("average", "m0", changed("other", setting, value), "--output", "mean")
    assert finished == (1, "", f"nmt: other is not the same model as m0: {message}\n")
    assert not Path("mean").exists()


def test_other_segmenters_are_refused(nmt: Command, models: list[str]) -> None:
    metadata = read_json("m1/metadata.json")
    metadata["segmenters"]["target"] = "another"
    write_json("m1/metadata.json", metadata)
    finished = nmt("average", "m0", "m1", "--output", "mean")
    assert finished == (
        1, "", "nmt: m1 has other segmenters than m0; only models that were trained with the same "
        "ones can be averaged\n",
    )  # fmt: skip


def test_damaged_weights_leave_nothing(nmt: Command, models: list[str]) -> None:
    Path("m1", WEIGHTS).write_bytes(b"half")
    finished = nmt("average", "m0", "m1", "--output", "mean")
    assert (finished.status, finished.out) == (1, "")
    assert finished.err.startswith(f"nmt: m1/{WEIGHTS} is damaged or incomplete: ")
    assert sorted(path.name for path in Path().iterdir()) == models


def test_a_folder_that_exists_is_left_alone(nmt: Command, models: list[str]) -> None:
    finished = nmt("average", "m0", "m1", "--output", "m2")
    assert finished == (1, "", "nmt: m2 exists already; choose another name or remove it\n")
    assert json.loads(Path("m2/metadata.json").read_text())["update"] == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("m0", "none"), "none does not exist; a MODEL is a model directory or a run"),
        (("m0", "--last", "2"), "m0 holds no run (no manifest.json)"),
        (("m0", "odd"), "odd/config.toml: unknown setting model.nose; did you mean 'norm'?"),
    ],
)
def test_what_is_no_model_or_run_is_refused(
    nmt: Command, changed: Change, arguments: tuple[str, ...], message: str
) -> None:
    changed("odd", "model.nose", "pre")
    finished = nmt("average", *arguments, "--output", "mean")
    assert (finished.status, finished.out) == (1, "")
    assert finished.err.startswith(f"nmt: {message}")
    assert finished.err.count("\n") == 1
    assert not Path("mean").exists()


def test_more_checkpoints_than_a_run_has_are_refused(nmt: Command, trained: Path) -> None:
    Path("run").symlink_to(trained)
    count = len(list(trained.glob("checkpoints/update-*")))
    finished = nmt("average", "run", "--last", str(count + 1), "--output", "mean")
    assert finished == (
        1, "", f"nmt: run has {count} checkpoints, but --last is {count + 1}; lower it, or train "
        "with a higher training.keep\n",
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [("m0",), ("m0", "m1", "--last", "2"), ("m0", "--last", "1")])
def test_fewer_than_two_models_are_a_usage_error(nmt: Command, arguments: tuple[str, ...]) -> None:
    finished = nmt("average", *arguments, "--output", "mean")
    assert finished.status == 2
    assert "two models or more, or one run and --last N" in finished.err or "x>=2" in finished.err


def test_help_ends_with_an_example(nmt: Command) -> None:
    assert "Example:\n  nmt average " in nmt("average", "--help").out
