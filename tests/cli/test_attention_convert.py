"""`nmt attention convert` end to end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.files import read_json, sha256
from nmt.model.directory import WEIGHTS, load_package

Command = Callable[..., Any]


def test_a_converted_model_translates_and_trains_further(
    nmt: Command, here: Path, trained: Path
) -> None:
    finished = nmt("attention", "convert", str(trained), "grouped", "--key-value-heads", "1")
    assert finished.status == 0
    assert finished.err == (
        "grouped: 1 key/value head in encoder and decoder and cross; train it further with nmt "
        "train --from grouped\n"
    )
    assert len(nmt("translate", "grouped", "test.src").out.splitlines()) == 9
    again = nmt("train", "--config", "toy.toml", "--from", "grouped", "--output", "tuned")
    assert again.status == 0
    assert (
        load_package("tuned").settings["attention"]
        == (load_package("grouped").settings["attention"])
    )
    assert nmt("attention", "convert", "tuned", "no", "--key-value-heads", "1").err.startswith(
        "nmt: --key-value-heads 1: attention.encoder has 1 heads"
    )


def test_a_converted_model_says_what_it_was_made_from(
    nmt: Command, here: Path, trained: Path
) -> None:
    command = ("--key-value-heads", "1", "--roles", "decoder,cross", "--quiet")
    assert nmt("attention", "convert", str(trained), "grouped", *command).err == ""
    metadata = read_json("grouped/metadata.json")
    parent = load_package(trained).metadata
    assert metadata == {
        **parent,
        "dev": {},
        "settings": sha256(Path("grouped/config.toml")),
        "weights": sha256(Path("grouped") / WEIGHTS),
        "history": [
            {
                "operation": "convert",
                "key_value_heads": 1,
                "roles": "decoder,cross",
                "model": str(trained),
                "weights": sha256(trained / "best" / WEIGHTS),
            }
        ],
    }
    assert "history" in nmt("show", "grouped").out
    attention = load_package("grouped").settings["attention"]
    assert [attention[role]["key_value_heads"] for role in attention] == [0, 1, 1]


def test_an_unknown_role_is_refused(nmt: Command, trained: Path) -> None:
    command = ("--key-value-heads", "1", "--roles", "cros")
    finished = nmt("attention", "convert", str(trained), "out", *command)
    assert (finished.status, finished.out) == (1, "")
    assert finished.err == "nmt: --roles: no role is called 'cros'; did you mean 'cross'?\n"


@pytest.mark.parametrize("heads", ["2", "3"])
def test_nothing_is_written_when_heads_do_not_divide(
    nmt: Command, trained: Path, tmp_path: Path, heads: str
) -> None:
    finished = nmt("attention", "convert", str(trained), "out", "--key-value-heads", heads)
    assert (finished.status, finished.err.count("\n")) == (1, 1)
    assert not list(tmp_path.iterdir())


def test_what_exists_is_not_replaced(nmt: Command, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    finished = nmt("attention", "convert", str(trained), "out", "--key-value-heads", "1")
    assert finished.err == "nmt: out exists already; choose another name or remove it\n"
