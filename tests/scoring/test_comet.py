"""COMET, with a stand-in for its package: a score is the share of words found in the reference."""

import sys
from pathlib import Path

import pytest

from nmt.errors import ConfigError, DataError
from nmt.scoring.checks import Material
from nmt.scoring.comet import comet_measure
from nmt.scoring.resampling import Resampling, assess
from nmt.scoring.texts import Text

STAND_IN = """
import json, pathlib, types

def load_from_checkpoint(path, local_files_only=False):
    assert local_files_only
    print("what a package prints is no answer")
    return Model(float(pathlib.Path(path).read_text()))

class Model:
    def __init__(self, factor):
        self.factor = factor

    def predict(self, samples, gpus, num_workers, progress_bar):
        assert all(set(sample) == {"src", "mt", "ref"} for sample in samples)
        shared = [set(each["mt"].split()) & set(each["ref"].split()) for each in samples]
        scores = [
            self.factor * len(both) / len(each["ref"].split())
            for both, each in zip(shared, samples)
        ]
        return types.SimpleNamespace(scores=scores)
"""
SOURCE = Text("source", ["eins zwei", "drei vier", "é"])
REFERENCE = Text("ref", ["one two", "three four", "é"])
SYSTEMS = [Text("a", ["one two", "three", "e"]), Text("b", ["two", "three four", "é"])]
MATERIAL = Material(SYSTEMS, [REFERENCE], SOURCE)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the stand-in and what it asks for where another Python finds them."""
    folder = tmp_path / "packages"
    metadata = folder / "unbabel_comet-9.8.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: unbabel-comet\nVersion: 9.8\n")
    (folder / "comet.py").write_text(STAND_IN)
    (folder / "torch.py").write_text("class cuda:\n    is_available = staticmethod(bool)\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "wmt22"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "model.ckpt").write_text("0.8")
    return folder


def test_scores_are_the_means_of_lines_in_per_cent(package: Path, model: Path) -> None:
    comet = comet_measure(model, "", MATERIAL)
    assert comet.line_scores(SYSTEMS[0]) == pytest.approx([80, 40, 0])
    assert [comet.score(each).value for each in SYSTEMS] == pytest.approx([40, 200 / 3])
    assert comet.score(SYSTEMS[1], [0, 2]).value == pytest.approx(60)
    assert comet.score(SYSTEMS[0]).name == "COMET"


def test_the_signature_names_model_and_package(package: Path, model: Path) -> None:
    comet = comet_measure(model, sys.executable, MATERIAL)
    assert comet.score(SYSTEMS[0]).signature == "nrefs:1|model:wmt22|version:9.8"


@pytest.mark.parametrize("paired", ["bootstrap", "randomisation"])
def test_it_is_resampled_as_other_metrics_are(package: Path, model: Path, paired: str) -> None:
    asked = Resampling(paired=paired, confidence=True, samples=200)
    first, second = assess(SYSTEMS, comet_measure(model, "", MATERIAL), asked)
    assert first.p_value is None
    assert second.p_value
    assert 0 < second.p_value <= 1
    assert second.interval
    assert abs(second.interval.mean - second.score.value) < 5
    assert "|seed:12345|model:wmt22|" in second.score.signature


def test_what_lies_in_the_current_folder_is_not_the_package(
    package: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "comet.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    assert comet_measure(model, "", MATERIAL).score(SYSTEMS[0]).value == pytest.approx(40)


def test_a_missing_package_is_one_line(model: Path, package: Path) -> None:
    (package / "comet.py").unlink()
    message = (
        r"^--comet needs the package unbabel-comet, but \S+ has no module 'comet'; "
        r"install it in an environment of its own and give its Python to --comet-python$"
    )
    with pytest.raises(ConfigError, match=message):
        comet_measure(model, "", MATERIAL)


def test_a_failure_of_the_package_is_its_last_line(package: Path, model: Path) -> None:
    (model / "checkpoints" / "model.ckpt").write_text("no number")
    message = r"^COMET failed: ValueError: could not convert string to float: 'no number'$"
    with pytest.raises(DataError, match=message):
        comet_measure(model, "", MATERIAL)


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    message = r"^--comet \S+: no COMET model; its folder holds checkpoints/model.ckpt$"
    with pytest.raises(ConfigError, match=message):
        comet_measure(tmp_path / "none", "", MATERIAL)


def test_a_missing_program_is_refused(model: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--comet-python no-python: No such file"):
        comet_measure(model, "no-python", MATERIAL)


def test_several_references_are_refused(model: Path) -> None:
    two = Material(SYSTEMS, [REFERENCE, REFERENCE], SOURCE)
    with pytest.raises(ConfigError, match=r"^--comet compares with one reference, not 2$"):
        comet_measure(model, "", two)
