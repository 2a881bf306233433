"""Heads to choose from, and the file that keeps a choice."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from nmt.alignment.head import (
    ALIGN,
    Choice,
    Head,
    candidates,
    default_head,
    load_choice,
    save_choice,
)
from nmt.errors import CheckpointError
from nmt.files import write_json
from tests.fuzz.damage import DAMAGES

CHOICE = Choice(Head(1, None, "reads"), "alignment error rate", 0.25, 7)


@pytest.mark.parametrize(
    ("layers", "layer"),
    [([2], 0), ([2, 2], 0), ([4, 4, 4], 1), ([8] * 6, 4), ([2, None, 2], 0), ([None, None, 3], 2)],
)
def test_the_default_is_the_last_layer_but_one_that_gives_weights(
    layers: list[int | None], layer: int
) -> None:
    assert default_head(layers) == Head(layer, None, "predicts")


def test_every_head_and_their_mean_can_be_chosen_at_both_positions() -> None:
    found = candidates([2, None, 1])
    assert len(found) == len(set(found)) == 2 * (3 + 1)
    assert {each.layer for each in found} == {0, 2}
    assert Head(2, 0, "reads") not in found  # it is the mean
    assert default_head([2, None, 1]) in found
    assert candidates([None]) == []


@pytest.mark.parametrize("choice", [CHOICE, Choice(Head(0, 3, "predicts"), "x", -1.5, 1)])
def test_a_choice_is_kept(tmp_path: Path, choice: Choice) -> None:
    assert load_choice(tmp_path) is None
    save_choice(tmp_path, choice)
    assert load_choice(tmp_path) == choice
    assert [path.name for path in tmp_path.iterdir()] == [ALIGN]


@pytest.mark.parametrize(
    "change",
    [
        {"layer": -1}, {"layer": True}, {"layer": "0"}, {"layer": None}, {"head": -1},
        {"head": 1.0}, {"position": "writes"}, {"criterion": 1}, {"value": "low"}, {"format": 2},
        {"pairs": None}, {"value": float("nan")}, {"value": 10**400}, {"more": 1}, {"layer": 2**31},
    ],
    ids=str,
)  # fmt: skip
def test_an_odd_choice_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    save_choice(tmp_path, CHOICE)
    table = json.loads((tmp_path / ALIGN).read_text())
    table.pop("checksum")
    write_json(tmp_path / ALIGN, {**table, **change})
    with pytest.raises(CheckpointError, match="is not of this version; remove it and choose again"):
        load_choice(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{", "", '{"format": 1}', "null"])
def test_what_is_no_choice_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / ALIGN).write_text(text)
    with pytest.raises(CheckpointError, match="remove it and choose again with nmt align --choose"):
        load_choice(tmp_path)


def test_damage_is_refused_or_makes_no_difference(tmp_path: Path) -> None:
    save_choice(tmp_path, CHOICE)
    path, refused = tmp_path / ALIGN, 0
    before = path.read_bytes()
    for seed in range(600):
        generator = random.Random(seed)
        path.write_bytes(generator.choice(DAMAGES)(before, generator))
        try:
            assert load_choice(tmp_path) == CHOICE, f"seed {seed}"
        except CheckpointError:
            refused += 1
    assert refused > 400


def test_an_edited_choice_and_a_link_elsewhere_are_refused(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    save_choice(model, CHOICE)
    path = model / ALIGN
    path.write_text(path.read_text().replace('"layer": 1', '"layer": 0'))
    with pytest.raises(CheckpointError, match="damaged or was edited"):
        load_choice(model)
    path.rename(tmp_path / ALIGN)
    path.symlink_to(tmp_path / ALIGN)
    with pytest.raises(CheckpointError, match="is no plain file of its folder"):
        load_choice(model)
