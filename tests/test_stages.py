"""Which stages Make does again: by content, tried with stages that take no time."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
QUIETLY = ("--no-print-directory",)
STAGES = ("clean", "split", "segment", "encode", "train", "translate", "score")

# Stages whose outputs depend on what those of nmt do. Segmenters here know capitals alone.
FAKE = """#!/usr/bin/env bash
set -eu
if [ "$1" = settings ]; then exec PYTHON -m nmt "$@"; fi
echo "$1" >> LOG
output="" files=() last="" names=()
for word in "$@"; do
    case "$last" in
        --output) output="$word" ;;
        --output-source | --output-target) names+=("$word") ;;
        --model | --ref | --config) files+=("$word") ;;
    esac
    if [ -f "$word" ] && [ "$last" != --config ]; then files+=("$word"); fi
    last="$word"
done
case "$1" in
    clean) cp "$2" "${names[0]}"; cp "$3" "${names[1]}" ;;
    split)
        mkdir -p "$output"
        for side in source target; do
            name="$2"; [ $side = source ] || name="$3"
            sed -n 1,2p "$name" > "$output/test.$side"
            sed -n 3,4p "$name" > "$output/dev.$side"
            sed -n '5,$p' "$name" > "$output/train.$side"
        done ;;
    segment) cat "$3" "$4" | tr -cd '[:upper:]' | fold -w1 | sort -u > "$output" ;;
    encode) mkdir -p "$output"; cat "${files[@]}" > "$output/corpus.json" ;;
    train)
        mkdir -p "$output/best"
        cat "$5/corpus.json" config.toml | grep -v beam > "$output/best/model.safetensors"
        echo settings > "$output/best/config.toml"
        touch "$output/finished.json" ;;
    translate) { grep beam config.toml; cat "$3"; } > "$output" ;;
    score) cat "$2" > "$output" ;;
esac
"""
CONFIG = """
[training]
learning_rate = 0.001
[search]
beam = 3
[score]
lowercase = false
[clean]
min_words = 1
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


class Recipe:
    """The template's stages on small texts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.out = folder / "out"
        shutil.copytree(TOP / "recipes" / "template", folder / "recipes" / "own")
        for name in ("pipeline.mk", "environment.mk"):
            shutil.copy(TOP / "recipes" / name, folder / "recipes")
        self.config = folder / "recipes" / "own" / "config.toml"
        self.config.write_text(CONFIG)
        for side in ("source", "target"):
            lines = "".join(f"Line {n} of the {side}\n" for n in range(12))
            (folder / f"my.{side}").write_text(lines)
        (folder / "nmt").write_text(
            FAKE.replace("PYTHON", sys.executable).replace("LOG", str(self.log))
        )
        (folder / "nmt").chmod(0o755)
        (folder / "installed").touch()

    def make(self, *arguments: str, status: int = 0, flags: Sequence[str] = QUIETLY) -> str:
        """Run Make in the recipe's folder and return all that it says."""
        values = {
            "SOURCE_TEXT": self.folder / "my.source", "TARGET_TEXT": self.folder / "my.target",
            "WORK": self.out, "NMT": self.folder / "nmt", "INSTALLED": self.folder / "installed",
            "STAMP": f"{sys.executable} -m nmt.stamps", "PACKAGING": "",
        }  # fmt: skip
        given = [f"{name}={value}" for name, value in values.items()]
        environment = {**os.environ, "PYTHONPATH": str(TOP), "MAKEFLAGS": ""}
        done = subprocess.run(
            ["make", *flags, *given, *arguments], cwd=self.config.parent,
            capture_output=True, text=True, check=False, env=environment,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    def done(self, *arguments: str) -> list[str]:
        """Run Make and list the stages that it did."""
        self.log.write_text("")
        self.make(*arguments)
        return self.log.read_text().split()

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a text at the first place."""
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Run all stages."""
    made = Recipe(tmp_path)
    assert made.done() == list(STAGES)
    return made


@pytest.mark.sampled(2)
@pytest.mark.parametrize("flags", [[], ["-k"], ["--keep-going"], ["-j", "2"]], ids=" ".join)
def test_with_or_without_flags_all_is_made(tmp_path: Path, flags: list[str]) -> None:
    recipe = Recipe(tmp_path)
    recipe.log.write_text("")
    recipe.make(flags=flags)
    assert recipe.log.read_text().split() == list(STAGES)


def test_touching_does_nothing_and_a_letter_does_what_hangs_on_it(recipe: Recipe) -> None:
    assert recipe.done() == []
    for name in ("my.source", "out/joint.model", "out/corpus/corpus.json", "out/parts/dev.source"):
        (recipe.folder / name).touch()
    assert "nmt " not in recipe.make("-n")
    assert recipe.done() == []
    assert recipe.make().strip() == (recipe.out / "score.txt").read_text().strip()
    recipe.edit("out/parts/train.source", "of", "oF")
    assert recipe.done() == list(STAGES[2:-1])  # whose translation is the same
    recipe.edit("out/parts/test.target", "of", "or")
    assert recipe.done() == ["score"]


@pytest.mark.slow
def test_settings_do_what_they_concern(recipe: Recipe) -> None:
    config = str(recipe.config)
    recipe.edit(config, "beam = 3", "beam = 4  # wider")
    assert recipe.done() == ["translate", "score"]
    recipe.edit(config, "  # wider", "")
    recipe.edit(config, "[clean]", "[encode]\nmax_pieces = 256  # as by default\n[clean]")
    assert recipe.done() == []
    recipe.edit(config, "lowercase = false", "lowercase = true")
    assert recipe.done("OPTIONS=") == ["score"]
    assert recipe.done("OPTIONS=--set training.warmup=7")[:1] == ["train"]


@pytest.mark.slow
def test_what_was_removed_or_replaced_by_hand_is_seen(recipe: Recipe) -> None:
    model = recipe.out / "joint.model"
    model.unlink()
    assert "segment learn" in recipe.make("-n")
    assert recipe.done() == ["segment"]  # it is the same as before
    before = model.read_text()
    model.write_text("X\n")
    assert recipe.done() == ["encode", "train", "translate"]  # of which the last is the same
    model.write_text(before)
    os.utime(model, ns=(10**18, 10**18))  # as if moved there
    assert recipe.done() == ["segment", "encode", "train", "translate"]
    (recipe.out / "score.txt").unlink()
    assert recipe.done() == ["score"]
    (recipe.out / "test.hypothesis.target").write_text("mended by hand\n")
    assert recipe.done() == ["score"]
    (recipe.out / "test.hypothesis.target").unlink()
    assert recipe.done() == ["translate", "score"]
    shutil.rmtree(recipe.out / "run")
    assert recipe.done() == ["train"]
    shutil.rmtree(recipe.out / "run" / "best")
    told = recipe.make(status=2)
    assert "best/model.safetensors is gone, although the stage that makes it is done" in told


@pytest.mark.slow
def test_a_line_that_moves_from_one_text_to_the_other_is_seen(recipe: Recipe) -> None:
    source, target = (recipe.out / "parts" / f"dev.{side}" for side in ("source", "target"))
    first, *rest = target.read_text().splitlines(keepends=True)
    source.write_text(source.read_text() + first)
    target.write_text("".join(rest))
    assert recipe.done()[:1] == ["train"]


@pytest.mark.slow
def test_a_dry_run_says_what_is_to_be_done_and_does_nothing(recipe: Recipe) -> None:
    before = {path: path.stat().st_mtime_ns for path in recipe.out.rglob("*")}
    assert "nmt " not in recipe.make("-n")
    recipe.edit(str(recipe.config), "0.001", "0.002")
    said = recipe.make("-n")
    stages = [each for each in STAGES if f"/nmt {each} " in said]
    assert stages == ["train", "translate", "score"]
    after = {path: path.stat().st_mtime_ns for path in recipe.out.rglob("*")}
    assert before == after
    assert recipe.done() == ["train", "translate"]
    shutil.rmtree(recipe.out)
    said = recipe.make("-n")
    assert [each for each in STAGES if f"/nmt {each} " in said] == list(STAGES)
    assert not recipe.out.exists()


def test_settings_that_are_refused_stop_make_in_one_line(tmp_path: Path) -> None:
    recipe = Recipe(tmp_path)
    recipe.config.write_text("[training]\nwarm = 3\n")
    told = [line for line in recipe.make(status=2).split("\n") if line.startswith("nmt: ")]
    assert told == ["nmt: unknown setting training.warm; did you mean 'warmup'?"]
