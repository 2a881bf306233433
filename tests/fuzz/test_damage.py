"""A damaged file of any format is refused as a user's error, or makes no difference at all."""

import gzip
import lzma
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nmt.errors import NmtError
from nmt.experiment import Experiment
from nmt.launch.start import Start, train
from nmt.launch.workbench import Workbench
from nmt.model.embeddings import Embeddings
from tests.fuzz.damage import DAMAGES
from tests.fuzz.readers import (
    Format,
    read_corpus,
    read_crash,
    read_model,
    read_run,
    read_settings,
    same,
    state_reader,
    text_reader,
)

MOST_SECONDS = 60  # an alarm ends what hangs
QUICK, ALL = 208, 10_000  # damages of all formats together
TENSORS = [
    "model.safetensors",
    "shortlist.safetensors",
    "config.toml",
    "source.model",
    "target.model",
    "metadata.json",
]
SIDES = [
    f"{side}.{part}{offsets}.bin"
    for side in ("source", "target")
    for part in ("ids", "text")
    for offsets in ("", ".offsets")
]
STATE = ["state/optimizer.safetensors", "state/random.safetensors", "state/progress.json"]
FORMATS = ["model", "state", "run", "corpus", "crash", "settings", "gz", "xz"]


@pytest.fixture(scope="session")
def short(
    tmp_path_factory: pytest.TempPathFactory, experiment: Callable[..., Experiment]
) -> Experiment:
    return experiment("training.max_updates=2", "training.validate_every=1")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, short: Experiment) -> Path:
    """Train a run whose second update is skipped, so that it has all that a run may have."""
    folder = tmp_path_factory.mktemp("fuzz") / "run"
    embed, calls = Embeddings.forward, []

    def embedded(self: Embeddings, *args: torch.Tensor) -> torch.Tensor:
        calls.append(self.training)
        bad = self.training and sum(calls) in (3, 4)  # source and target of the second update
        return embed(self, *args) + (torch.nan if bad else 0.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Embeddings, "forward", embedded)
        train(Start(short, folder))
    return folder


@pytest.fixture(scope="session")
def formats(
    tmp_path_factory: pytest.TempPathFactory, finished: Path, toy: Path, short: Experiment
) -> dict[str, Format]:
    """Copy one of each kind, to be damaged."""
    folder = tmp_path_factory.mktemp("formats")
    for name in ("model", "state"):
        shutil.copytree(finished / "last", folder / name)
    shutil.copytree(finished / "crash" / "update-2", folder / "crash")
    shutil.copytree(finished, folder / "run", symlinks=True)
    shutil.copytree(toy / "corpus", folder / "corpus")
    shutil.copy(toy / "toy.toml", folder)
    text = (toy / "train.src").read_bytes()
    (folder / "text.gz").write_bytes(gzip.compress(text))
    (folder / "text.xz").write_bytes(lzma.compress(text))
    corpus = [*SIDES, "corpus.json", "source.model", "target.model"]
    run = ["manifest.json", "config.toml", "finished.json", "metrics.jsonl"]
    crash = ["crash.json", "batches.safetensors", "random.safetensors", *TENSORS]
    state = [*STATE, "model.safetensors", "metadata.json"]
    return {
        "model": Format(folder / "model", TENSORS, read_model),
        "state": Format(folder / "state", state, state_reader(Workbench.prepare(short))),
        "run": Format(folder / "run", run, read_run),
        "corpus": Format(folder / "corpus", corpus, read_corpus),
        "crash": Format(folder / "crash", crash, read_crash),
        "settings": Format(folder, ["toy.toml"], read_settings, sealed=False),
        "gz": Format(folder, ["text.gz"], text_reader("text.gz")),
        "xz": Format(folder, ["text.xz"], text_reader("text.xz")),
    }


def assert_refused_or_the_same(each: Format, seeds: range) -> None:
    """Damage a file for each seed, and read the whole."""
    expected = each.read(each.folder)
    for seed in seeds:
        generator = random.Random(seed)
        name = generator.choice(each.files)
        before, path = each.undamaged[name], each.folder / name
        other = each.undamaged[generator.choice(each.files)]
        damage = generator.choice(DAMAGES)
        after = other if generator.random() < 0.1 else damage(before, generator)
        path.write_bytes(after)
        signal.alarm(MOST_SECONDS)
        try:
            found = each.read(each.folder)
        except NmtError as error:
            assert str(error)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {damage.__name__} of {name}") from error
        else:
            unseen = each.sealed and name != "metrics.jsonl" and not same(found, expected)
            assert not unseen, f"seed {seed}: {damage.__name__} of {name} went unseen"
        finally:
            signal.alarm(0)
            path.write_bytes(before)
    assert same(each.read(each.folder), expected)


@pytest.mark.parametrize("name", FORMATS)
def test_some_damage_of_each_format(formats: dict[str, Format], name: str) -> None:
    assert_refused_or_the_same(formats[name], range(QUICK // len(FORMATS)))


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_much_damage_of_each_format(formats: dict[str, Format], name: str) -> None:
    first = 1000
    assert_refused_or_the_same(formats[name], range(first, first + ALL // len(FORMATS)))


def refused_by_segmenters(toy: Path, folder: Path, seeds: range) -> int:
    """Count the damaged segmenters that another process refused; it must live to tell."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.segmenters", str(toy / "joint.model"), str(folder),
         str(seeds.start), str(seeds.stop)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    *_, last = finished.stdout.splitlines()
    assert finished.returncode == 0, f"{last}: {finished.stderr[-2000:]}"
    return int(last)


def test_some_damaged_segmenters_end_no_process(toy: Path, tmp_path: Path) -> None:
    assert 10 < refused_by_segmenters(toy, tmp_path, range(100)) < 100


@pytest.mark.slow
def test_many_damaged_segmenters_end_no_process(toy: Path, tmp_path: Path) -> None:
    assert refused_by_segmenters(toy, tmp_path, range(1000, 6000)) > 500


@pytest.mark.parametrize("name", [*TENSORS, *STATE])
def test_a_file_that_is_gone_is_refused(formats: dict[str, Format], name: str) -> None:
    each = formats["state" if name in STATE else "model"]
    (each.folder / name).unlink()
    try:
        with pytest.raises(NmtError):
            each.read(each.folder)
    finally:
        (each.folder / name).write_bytes(each.undamaged[name])
