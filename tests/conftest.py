"""A toy language pair, made once: texts, a joint segmenter, an encoded corpus, settings, a run."""

import json
import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # elsewhere deferred, so that tests of text alone need not wait for torch
    from nmt.experiment import Experiment

SETTINGS = """
[segment]
vocab_size = 60
byte_fallback = false
normalization = "identity"

[data]
train = "{folder}/corpus"
dev_source = "{folder}/dev.src"
dev_target = "{folder}/dev.tgt"
batch_tokens = 128

[model]
encoder_layers = 1
decoder_layers = 1
model_size = 16
ffn_size = 32
num_heads = 2
max_length = 64

[training]
max_updates = 6
warmup = 3
learning_rate = 0.03
log_every = 2
validate_every = 2
average = 2
keep = 2
best_metric = "chrf"

[search]
beam = 2
limit_ratio = 1.0
limit_extra = 3

[compute]
precision = "fp32"
threads = 1
"""
LANGUAGE = """
[data]
train = "{folder}/corpus"
dev_target = "{folder}/dev.tgt"
batch_tokens = 128

[model]
arch = "lm"
decoder_layers = 1
model_size = 16
ffn_size = 32
num_heads = 2
max_length = 64

[training]
max_updates = 6
warmup = 3
learning_rate = 0.03
log_every = 2
validate_every = 2
average = 2
keep = 2

[search]
limit_pieces = 12

[compute]
precision = "fp32"
threads = 1
"""
TIMES = {"seconds", "tokens_per_second", "checksum", "folder"}  # or what depends on them

# A shell starts its background jobs deaf to Ctrl-C, and so would be what the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before slow ones are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave all but one in so many cases of a test that is `sampled` to the slow tests."""
    seen: Counter[str] = Counter()
    for item in items:
        sampled = item.get_closest_marker("sampled")
        if sampled is None or item.get_closest_marker("slow"):
            continue
        test = item.nodeid.partition("[")[0]
        if seen[test] % sampled.args[0]:
            item.add_marker(pytest.mark.slow)
        seen[test] += 1


def make_texts(folder: Path) -> None:
    """Write texts in two languages whose words correspond one to one, in order."""
    generator = random.Random(1)
    sources, targets = (
        ["".join(generator.choices(letters, k=generator.randint(2, 4))) for _ in range(24)]
        for letters in ("abdeiklm", "mnoprstu")
    )
    dictionary = dict(zip(sources, targets, strict=True))
    for name, size in (("train", 120), ("dev", 12), ("test", 9)):
        lines = [generator.choices(sources, k=generator.randint(2, 5)) for _ in range(size)]
        if name != "train":
            lines[4] = []  # an empty line is a line
        source = [" ".join(words) for words in lines]
        target = [" ".join(dictionary[word] for word in words) for words in lines]
        (folder / f"{name}.src").write_text("".join(f"{line}\n" for line in source))
        (folder / f"{name}.tgt").write_text("".join(f"{line}\n" for line in target))


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with {train,dev,test}.{src,tgt}, joint.model, corpus, toy.toml and lm.toml."""
    from nmt.corpus.config import EncodeConfig
    from nmt.corpus.encode import encode_corpus
    from nmt.experiment import read_experiment
    from nmt.settings import load_table
    from nmt.text.learning import learn_segmenter
    from nmt.text.lines import read_lines, read_pairs

    folder = tmp_path_factory.mktemp("toy")
    make_texts(folder)
    (folder / "toy.toml").write_text(SETTINGS.format(folder=folder))
    (folder / "lm.toml").write_text(LANGUAGE.format(folder=folder))
    config = read_experiment(load_table(folder / "toy.toml")).segment
    texts = folder / "train.src", folder / "train.tgt"
    lines = (line for text in texts for line in read_lines(text))
    joint = learn_segmenter(lines, folder / "joint.model", config)
    encode_corpus(read_pairs(*texts), [joint, joint], folder / "corpus", EncodeConfig())
    return folder


@pytest.fixture(scope="session")
def experiment(toy: Path) -> "Callable[..., Experiment]":
    """Make the toy's settings, with changes such as `"training.max_updates=3"`."""
    return changed(toy / "toy.toml")


@pytest.fixture(scope="session")
def language(toy: Path) -> "Callable[..., Experiment]":
    """Make the settings of a language model of the toy's target, with changes as `experiment`."""
    return changed(toy / "lm.toml")


def changed(path: Path) -> "Callable[..., Experiment]":
    """Make what reads settings with changes."""
    from nmt.experiment import read_experiment
    from nmt.settings import assign, load_table, parse_assignment

    def make(*changes: str) -> "Experiment":
        table = load_table(path)
        for change in changes:
            assign(table, *parse_assignment(change))
        return read_experiment(table)

    return make


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, experiment: "Callable[..., Experiment]"
) -> Path:
    """Train a run until it translates some words, for tests that only read it."""
    from nmt.launch.start import Start, train

    folder = tmp_path_factory.mktemp("trained") / "run"
    longer = ("training.max_updates=60", "training.validate_every=15", "training.log_every=10")
    train(Start(experiment(*longer), folder))
    return folder


@pytest.fixture(scope="session")
def trained_language(
    tmp_path_factory: pytest.TempPathFactory, language: "Callable[..., Experiment]"
) -> Path:
    """Train a language model until it knows some words, for tests that only read it."""
    from nmt.launch.start import Start, train

    folder = tmp_path_factory.mktemp("trained") / "lm"
    longer = ("training.max_updates=60", "training.validate_every=15", "training.log_every=10")
    train(Start(language(*longer), folder))
    return folder


@pytest.fixture
def run(tmp_path: Path, trained: Path) -> Path:
    """Copy the trained run, for tests that change it."""
    return Path(shutil.copytree(trained, tmp_path / "run", symlinks=True))


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no disk; what a power cut would leave is nothing that a test could see."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: Path, hasty: None) -> Path:
    """Copy the toy pair to a folder and go there; all of toy.toml's paths are relative."""
    shutil.copytree(toy, tmp_path, dirs_exist_ok=True)
    (tmp_path / "toy.toml").write_text(SETTINGS.format(folder="."))
    (tmp_path / "lm.toml").write_text(LANGUAGE.format(folder="."))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, Any]]:
    """Read a whole run, to be compared with another: everything but the log and times."""

    def read(folder: Path) -> dict[str, Any]:
        paths = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
        return {
            str(path.relative_to(folder)): content(path)
            for path in paths
            if path.name != "train.log"
        }

    return read


def content(path: Path) -> Any:
    """Read a file, or where a link points."""
    if path.is_symlink():
        return path.readlink()
    if path.suffix == ".json":
        return timeless(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return [timeless(json.loads(line)) for line in path.read_text().splitlines()]
    return path.read_bytes()


def timeless(value: Any) -> Any:
    """Leave out, at every depth, what time told, and where it was."""
    if isinstance(value, dict):
        return {key: timeless(each) for key, each in value.items() if key not in TIMES}
    return value
