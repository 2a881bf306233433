"""Recipes load, and their stages can be repeated and killed."""

import gzip
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmt.experiment import read_experiment
from nmt.files import sha256
from nmt.settings import load_table
from nmt.training.budget import parse_budget

TOP = Path(__file__).parents[1]
SETTINGS_FILES = sorted(TOP.glob("recipes/*/*.toml"))
DATA = TOP / "data" / "office-help"
STAGES = ("segment learn", "encode", "train", "translate", "score")
SETTINGS = {
    "segment.vocab_size": 500, "model.model_size": 16, "model.ffn_size": 16, "model.num_heads": 2,
    "training.budget": "", "training.max_updates": 30, "training.validate_every": 5,
    "training.warmup": 3, "data.batch_tokens": 300, "search.beam": 2, "search.limit_extra": 2,
    "compute.threads": 1,
}  # fmt: skip
OPTIONS = " ".join(f"--set {name}={value}" for name, value in SETTINGS.items())

needs_make = pytest.mark.skipif(
    shutil.which("make") is None or not (TOP / ".venv" / ".installed").exists(),
    reason="needs make and the environment that it sets up",
)


@pytest.mark.parametrize("path", SETTINGS_FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_the_settings_of_a_recipe_load_and_say_how_long_it_trains(path: Path) -> None:
    table = load_table(path)
    experiment = read_experiment(table)
    assert parse_budget(experiment.training.budget) or table["training"]["max_updates"]
    assert (path.parent / "README.md").is_file()
    assert (path.parent / "Makefile").is_file()


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few lines of the corpus that ships here."""
    folder = tmp_path_factory.mktemp("texts")
    for split, lines in (("train", 400), ("dev", 10), ("test", 10)):
        for side in ("en", "de"):
            with gzip.open(DATA / f"{split}.en-de.{side}.gz", "rb") as stream:
                text = b"".join(next(stream) for _ in range(lines))
            (folder / f"{split}.en-de.{side}.gz").write_bytes(gzip.compress(text))
    return folder


def chain(texts: Path, work: Path, more: str = "") -> list[str]:
    """Give the command that makes the default recipe small."""
    values = {"DATA": texts, "WORK": work, "TARGET": "de", "OPTIONS": OPTIONS + more}
    recipe = str(TOP / "recipes" / "office-help")
    return ["make", "--no-print-directory", "-C", recipe, *(f"{k}={v}" for k, v in values.items())]


def run_chain(texts: Path, work: Path, more: str = "") -> str:
    """Run the chain to its end and return all that it says."""
    done = subprocess.run(chain(texts, work, more), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def killed_after(texts: Path, work: Path, seconds: float) -> None:
    """Run the chain and kill it, and all that it started, without warning."""
    process = subprocess.Popen(
        chain(texts, work), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def uninterrupted(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A chain that ran through."""
    work = tmp_path_factory.mktemp("uninterrupted")
    said = run_chain(texts, work)
    assert all(f"nmt {stage}" in said for stage in STAGES)
    assert said.rstrip().split("\n")[-2].startswith("BLEU ")
    yield work


@pytest.mark.slow
@needs_make
def test_made_again_nothing_is_done_but_the_score_is_shown(
    uninterrupted: Path, texts: Path
) -> None:
    score = (uninterrupted / "score.txt").read_text()
    assert run_chain(texts, uninterrupted) == score


@pytest.mark.slow
@needs_make
def test_a_touched_input_makes_nothing_and_a_changed_one_makes_the_rest(
    uninterrupted: Path, texts: Path
) -> None:
    reference = texts / "test.en-de.de.gz"
    reference.touch()
    assert "nmt " not in run_chain(texts, uninterrupted)
    before = reference.read_bytes()
    reference.write_bytes(gzip.compress(gzip.decompress(before).upper()))
    said = run_chain(texts, uninterrupted)
    assert [stage for stage in STAGES if f"nmt {stage}" in said] == ["score"]
    reference.write_bytes(before)
    run_chain(texts, uninterrupted)


@pytest.mark.slow
@needs_make
def test_settings_of_search_translate_again_but_train_nothing(
    uninterrupted: Path, texts: Path
) -> None:
    before = (uninterrupted / "run" / "manifest.json").read_bytes()
    said = run_chain(texts, uninterrupted, " --set search.beam=1")
    assert next(stage for stage in STAGES if f"nmt {stage}" in said) == "translate"
    assert (uninterrupted / "run" / "manifest.json").read_bytes() == before
    run_chain(texts, uninterrupted)


@pytest.mark.slow
@needs_make
def test_a_letter_of_the_training_text_trains_again(
    uninterrupted: Path, texts: Path, tmp_path: Path
) -> None:
    work = Path(shutil.copytree(uninterrupted, tmp_path / "work", symlinks=True))
    text = texts / "train.en-de.en.gz"
    before = text.read_bytes()
    lines = gzip.decompress(before)
    text.write_bytes(gzip.compress(lines.replace(b"e", b"u", 1)))
    said = run_chain(texts, work)
    assert [stage for stage in STAGES if f"nmt {stage}" in said][:4] == list(STAGES[:4])
    text.write_bytes(before)


@pytest.mark.slow
@needs_make
@pytest.mark.parametrize("pause", [1.5, 3.0])
def test_killed_again_and_again_the_chain_ends_with_the_same_weights(
    uninterrupted: Path, texts: Path, tmp_path: Path, pause: float
) -> None:
    for number in range(1, 6):
        killed_after(texts, tmp_path, pause + 0.7 * number)
    run_chain(texts, tmp_path)
    for name in ("run/best/model.safetensors", "test.hypothesis.de", "score.txt"):
        assert sha256(tmp_path / name) == sha256(uninterrupted / name), name


LAYOUTS = {
    "public": ("tok/{split}.lc.norm.tok.{side}", "raw/{split}.{side}.gz", "test_2016_flickr"),
    "short": ("tok/{split}.{side}.gz", "{split}.{side}.gz", "test2016"),
}


@needs_make
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_multi30k_is_found_by_its_public_names_and_by_short_ones(
    layout: tuple[str, str, str], tmp_path: Path
) -> None:
    tokens, raw, test = layout
    names = [
        each.format(split=split, side=side)
        for each in (tokens, raw)
        for split in ("train", "val", test)
        for side in ("en", "fr")
    ]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(b"a\n") if name.endswith(".gz") else b"a\n")
    values = (f"DATA={tmp_path}", f"WORK={tmp_path / 'out'}", "TARGET=fr")
    command = ["make", "-n", "-C", str(TOP / "recipes" / "multi30k"), "all", "cased", *values]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = [name for name in names if str(tmp_path / name) in said]
    assert used == [name for name in names if name.startswith("tok/") or ".fr" in name]


@needs_make
def test_without_multi30k_it_is_said_where_the_public_gets_it(tmp_path: Path) -> None:
    command = ["make", "-C", str(TOP / "recipes" / "multi30k"), f"DATA={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "git clone https://github.com/multi30k/dataset" in done.stderr
