"""A folder made to harm whoever opens it is refused at once, in little memory; nothing runs."""

import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.files import read_json, sha256, write_sealed

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 20.0  # most take some milliseconds; the machine may be busy
WEIGHTS, SHORTLIST = "model.safetensors", "shortlist.safetensors"


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.system, (f"touch {self.path}",)


def seal(folder: Path) -> None:
    """Make all hashes right again, as whoever made the folder would."""
    metadata = read_json(folder / "metadata.json")
    metadata |= {"settings": sha256(folder / "config.toml"), "weights": sha256(folder / WEIGHTS)}
    metadata["segmenters"] = {
        side: sha256(folder / f"{side}.model") for side in ("source", "target")
    }
    if SHORTLIST in {each.name for each in folder.iterdir()}:
        metadata["shortlist"] = sha256(folder / SHORTLIST)
    write_sealed(folder / "metadata.json", metadata)


def weights(content: bytes) -> Callable[[Path], None]:
    return lambda folder: ((folder / WEIGHTS).write_bytes(content) and None) or seal(folder)


def shortlist(content: bytes) -> Callable[[Path], None]:
    return lambda folder: ((folder / SHORTLIST).write_bytes(content) and None) or seal(folder)


def lists(frequent: bytes, offsets: bytes, suggested: bytes, dtype: str = "I32") -> bytes:
    """Spell a shortlist, its numbers given as bytes."""
    table, end = {}, 0
    for name, each in (("frequent", frequent), ("offsets", offsets), ("suggested", suggested)):
        table[name] = {
            "dtype": dtype,
            "shape": [len(each) // 4],
            "data_offsets": [end, end + len(each)],
        }
        end += len(each)
    return header(table) + frequent + offsets + suggested


def numbers(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def header(table: object) -> bytes:
    spelt = json.dumps(table).encode()
    return struct.pack("<Q", len(spelt)) + spelt


def settings(old: str, new: str) -> Callable[[Path], None]:
    """Change a line of the settings."""

    def change(folder: Path) -> None:
        path = folder / "config.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        seal(folder)

    return change


def before_settings(text: str) -> Callable[[Path], None]:
    return settings("", text)


def metadata(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "metadata.json"
        write_sealed(path, {**read_json(path), **changes})

    return change


def link(name: str, target: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return change


def pipe(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return change


def large(name: str, size: int) -> Callable[[Path], None]:
    """Make a file of so many bytes that takes no room on disk."""

    def change(folder: Path) -> None:
        with (folder / name).open("r+b") as stream:
            stream.truncate(size)

    return change


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def no_segmenter(folder: Path) -> None:
    (folder / "target.model").write_bytes(b"\xff" * 99)
    seal(folder)


F32 = {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 2**62]}
NO_LIST = f"{SHORTLIST} is no shortlist of these segmenters"
MODELS: dict[str, tuple[Callable[[Path], object], str]] = {
    # weights
    "zip": (weights(b"PK\x03\x04" + b"\0" * 99), f"{WEIGHTS} is damaged or incomplete"),
    "endless header": (weights(struct.pack("<Q", 2**62)), f"{WEIGHTS} is damaged or incomplete"),
    "large header": (
        weights(struct.pack("<Q", 9 * 10**7) + b" " * 10**6),
        f"{WEIGHTS} is damaged or incomplete",
    ),
    "absurd shape": (weights(header({"a": F32})), f"{WEIGHTS} is damaged or incomplete"),
    "deep header": (
        weights(struct.pack("<Q", 200_000) + b"[" * 200_000),
        f"{WEIGHTS} is damaged or incomplete",
    ),
    "path in a name": (
        weights(header({"../../../tmp/x": {**F32, "shape": [0], "data_offsets": [0, 0]}})),
        "does not fit its config.toml",
    ),
    # shortlist
    "list of a zip": (shortlist(b"PK\x03" + b"\0" * 99), f"{SHORTLIST} is damaged or incomplete"),
    "list of absurd shape": (
        shortlist(header(dict.fromkeys(("frequent", "offsets", "suggested"), F32))),
        f"{SHORTLIST} is damaged or incomplete",
    ),
    "list of floats": (shortlist(lists(numbers(2), numbers(*[0] * 61), b"", "F32")), NO_LIST),
    "list that falls": (
        shortlist(lists(numbers(2), numbers(0, 9, *[1] * 59), numbers(0))), NO_LIST
    ),
    "list far beyond": (
        shortlist(lists(numbers(2), numbers(0, *[2**31 - 1] * 60), numbers(0))), NO_LIST
    ),
    "list below": (shortlist(lists(numbers(2), numbers(*[-(2**31)] * 61), b"")), NO_LIST),
    "list of odd ids": (shortlist(lists(numbers(2), numbers(0, *[1] * 60), numbers(-1))), NO_LIST),
    "list without end": (shortlist(lists(numbers(3), numbers(*[0] * 61), b"")), NO_LIST),
    "list that repeats": (
        shortlist(lists(numbers(2), numbers(0, *[10**6] * 60), numbers(5) * 10**6)), NO_LIST
    ),
    "endless list": (large(SHORTLIST, 2**40), f"{SHORTLIST} has more than 268,435,456 bytes"),
    "list elsewhere": (link(SHORTLIST, "/dev/zero"), f"{SHORTLIST} is a link out of its folder"),
    "list of a pipe": (pipe(SHORTLIST), f"{SHORTLIST} is no plain file"),
    # settings
    "wide": (settings("model_size = 16", "model_size = 1048576"), "does not fit its config"),
    "wider": (settings("model_size = 16", f"model_size = {10**12}"), "model.model_size must be "),
    "deep": (settings("encoder_layers = 1", "encoder_layers = 512"), "does not fit its config"),
    "deeper": (
        settings("encoder_layers = 1", f"encoder_layers = {10**9}"),
        "model.encoder_layers must be at most 512",
    ),
    "long": (settings("max_length = 64", f"max_length = {2**24}"), "needs tables of 2,147,483,648"),
    "code": (settings('variant = "multi-head"', 'variant = "os:system"'), "would run code"),
    "nested arrays": (before_settings("a = " + "[" * 100_000 + "\n"), "cannot read settings from"),
    "nested tables": (before_settings("a = " + "{a=" * 50_000 + "\n"), "cannot read settings from"),
    "key of many parts": (before_settings("a." * 100_000 + "a = 1\n"), "more than 500 dots"),
    "keys of many parts": (before_settings(".".join("a" * 400) + " = 1\n"), "is nested deeper"),
    "endless settings": (large("config.toml", 2**40), "config.toml has more than 262,144 bytes"),
    # metadata
    "nested metadata": (metadata(history=nested(900)), "metadata.json is nested deeper than 32"),
    "deeply nested metadata": (
        lambda folder: (folder / "metadata.json").write_text("[" * 10**6),
        "metadata.json is not JSON",
    ),
    "endless metadata": (large("metadata.json", 2**40), "has more than 16,777,216 bytes"),
    "odd segmenters": (metadata(segmenters=["a"]), "metadata.json is damaged: segmenters is ['a']"),
    "odd origin": (metadata(origin={"inputs": 5}), "metadata.json is damaged: origin.inputs is 5"),
    "odd scores": (metadata(dev={"bleu": {"value": "x"}}), "metadata.json is damaged: dev.bleu"),
    # what stands in the folder
    "link to weights": (link(WEIGHTS, "/dev/zero"), f"{WEIGHTS} is a link out of its folder"),
    "link to text": (link("source.model", "../../secret"), "source.model is a link out of its fo"),
    "link to settings": (link("config.toml", "/etc/passwd"), "config.toml is a link out of its"),
    "pipe": (pipe(WEIGHTS), f"{WEIGHTS} is no plain file"),
    "pipe of settings": (pipe("config.toml"), "config.toml is no plain file"),
    "endless segmenter": (large("source.model", 2**40), "source.model has more than 268,435,456"),
    "no segmenter": (
        no_segmenter,
        "target.model is not a SentencePiece model",
    ),
}  # fmt: skip
CORPORA: dict[str, tuple[dict[str, Any], str]] = {
    "path in a side": ({"sides": ["../../x", "target"]}, "sides cannot be so"),
    "absolute side": ({"sides": ["/etc/passwd"]}, "sides cannot be so"),
    "objects": ({"dtype": "O"}, "dtype cannot be so"),
    "many lines": ({"lines": 10**30}, "source is incomplete"),
    "odd pieces": ({"pieces": 3}, "pieces cannot be so"),
    "odd segmenters": ({"segmenters": {"source": 1}}, "segmenters cannot be so"),
    "nested": ({"dropped": {"a": nested(200)}}, "corpus.json is nested deeper than 32"),
}


@pytest.fixture(scope="module")
def told(
    tmp_path_factory: pytest.TempPathFactory, trained: Path, toy: Path
) -> dict[str, list[dict[str, Any]]]:
    """Make all folders, and open them one after the other in a process of little memory."""
    models, corpora = (
        tmp_path_factory.mktemp(name, numbered=False) for name in ("models", "corpora")
    )
    (models / "secret").write_text("secret")
    for name, (change, _) in MODELS.items():
        change(Path(shutil.copytree(trained / "best", models / name)))
    trap = Path(shutil.copytree(trained / "best", models / "pickle"))
    (trap / WEIGHTS).write_bytes(pickle.dumps(Trap(models / "sprung")))
    seal(trap)
    for name, (changes, _) in CORPORA.items():
        path = Path(shutil.copytree(toy / "corpus", corpora / name)) / "corpus.json"
        write_sealed(path, {**read_json(path), **changes})
    shutil.copytree(trained / "best", models / "harmless")
    paths = [str(models / name) for name in (*MODELS, "pickle", "harmless")]
    finished = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.hostile", *paths, *(str(corpora / n) for n in CORPORA)],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert not (models / "sprung").exists()
    found: dict[str, list[dict[str, Any]]] = {}
    for line in finished.stdout.splitlines():
        each = json.loads(line)
        found.setdefault(f"{each['name']} {each['read'] == 'EncodedCorpus'}", []).append(each)
    return found


ONLY_LOADED = {
    "wide", "wider", "deep", "deeper", "long", "code", "path in a name", "list of a zip",
    *(name for name, (_, message) in MODELS.items() if message == NO_LIST), "list of absurd shape",
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_hostile_model_is_refused(told: dict[str, list[dict[str, Any]]], name: str) -> None:
    loaded, shown = told[f"{name} False"]
    assert loaded["kind"] == "refused", loaded
    assert MODELS[name][1] in loaded["message"]
    assert shown["kind"] == ("success" if name in ONLY_LOADED else "refused"), shown
    assert max(loaded["seconds"], shown["seconds"]) < MOST_SECONDS


@pytest.mark.parametrize("name", CORPORA)
def test_a_hostile_corpus_is_refused(told: dict[str, list[dict[str, Any]]], name: str) -> None:
    (opened,) = told[f"{name} True"]
    assert opened["kind"] == "refused", opened
    assert CORPORA[name][1] in opened["message"]
    assert opened["seconds"] < MOST_SECONDS


def test_a_pickle_is_not_opened(told: dict[str, list[dict[str, Any]]]) -> None:
    for each in told["pickle False"]:
        assert each["kind"] == "refused"
        assert f"{WEIGHTS} is damaged or incomplete" in each["message"]


def test_what_is_harmless_loads_in_the_same_memory(told: dict[str, list[dict[str, Any]]]) -> None:
    assert [each["kind"] for each in told["harmless False"]] == ["success", "success"]
