"""A model directory gives back what was packed, and says what is wrong with it."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import nmt
from nmt.attention.config import AttentionSections
from nmt.errors import CheckpointError, DataError
from nmt.files import read_json, sha256, write_json
from nmt.model.build import build_model
from nmt.model.card import model_card
from nmt.model.config import ModelConfig, with_preset
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import (
    Package,
    Segmenters,
    count_parameters,
    load_package,
    resolve,
    save_package,
    weights_of,
)
from nmt.model.tensors import save_tensors
from nmt.settings import Table, build
from nmt.text.config import SegmentConfig
from nmt.text.learning import learn_segmenter
from nmt.text.segmenter import Segmenter
from tests.model.damages import DAMAGES, edit, give, shortlist

MODEL = {
    "preset": "transformer-tiny",
    "encoder_layers": 2,
    "decoder_layers": 1,
    "model_size": 8,
    "num_heads": 2,
    "max_length": 12,
}
METADATA = {"update": 7, "corpus": "abc", "dev": {"bleu": {"value": 12.3456, "signature": "s|1"}}}


def learn(folder: Path, vocab_size: int) -> Segmenter:
    """Learn a segmenter of so many pieces."""
    config = SegmentConfig(kind="bpe", vocab_size=vocab_size, byte_fallback=False)
    lines = ["the quick brown fox jumps over the lazy dog", "the other fox sat there"]
    return learn_segmenter(lines, folder / "small.model", config)


@pytest.fixture(scope="session")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    return learn(tmp_path_factory.mktemp("segmenter"), 36)


@pytest.fixture(scope="session")
def other_segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    return learn(tmp_path_factory.mktemp("segmenter"), 34)


Pack = Callable[..., Package]


@pytest.fixture(scope="session")
def pack(segmenter: Segmenter) -> Pack:
    """Make a package of a small model with fresh weights."""

    def make(target: Segmenter = segmenter, **settings: Any) -> Package:
        table: Table = {"model": {**MODEL, **settings}, "search": {"beam": 3}}
        config = build(ModelConfig, with_preset(table["model"]))
        torch.manual_seed(1)
        sizes = segmenter.vocab_size, target.vocab_size
        model = build_model(config, AttentionSections(), *sizes)
        return Package(model, Segmenters(segmenter, target), table, METADATA)

    return make


@pytest.fixture
def folder(pack: Pack, tmp_path: Path) -> Path:
    """Write a model directory, to be damaged."""
    path = tmp_path / "model"
    path.mkdir()
    save_package(path, pack())
    return path


def states(model: EncoderDecoder) -> Tensor:
    """Run a model on two sentences, the second padded."""
    ids, lengths = torch.tensor([[4, 9, 11, 2], [5, 2, 0, 0]]), torch.tensor([4, 2])
    with torch.inference_mode():
        return model.eval().decode(model.encode(ids, lengths), ids, lengths) @ (
            model.output_weight().mT
        )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"tie": "none", "norm": "pre"},
        {"tie": "target", "positions": "learned"},
        {"encoder_layers": 1, "decoder_layers": 2},
        {"preset": "rnn-tiny"},
        {"preset": "rnn-tiny", "arch": "rnn", "cell": "gru", "feeding": "bahdanau", "tie": "none"},
    ],
    ids=str,
)
def test_a_model_that_is_saved_and_loaded_computes_the_same(
    pack: Pack, tmp_path: Path, settings: dict[str, Any]
) -> None:
    package = pack(**settings)
    save_package(tmp_path, package)
    loaded = load_package(tmp_path)
    assert not loaded.model.training
    assert torch.equal(states(loaded.model), states(package.model))
    assert loaded.settings == package.settings
    assert loaded.segmenters.hashes() == package.segmenters.hashes()
    assert loaded.segmenters.source is loaded.segmenters.target


def test_a_model_that_is_saved_again_is_byte_for_byte_the_same(
    folder: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    again.mkdir()
    save_package(again, load_package(folder))
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_two_segmenters_stay_two(
    pack: Pack, tmp_path: Path, segmenter: Segmenter, other_segmenter: Segmenter
) -> None:
    package = pack(other_segmenter, tie="target")
    save_package(tmp_path, package)
    loaded = load_package(tmp_path)
    assert loaded.segmenters.source.sha256 == segmenter.sha256
    assert loaded.segmenters.target.sha256 == other_segmenter.sha256
    assert torch.equal(states(loaded.model), states(package.model))


@pytest.mark.parametrize(("tie", "num_matrices"), [("all", 1), ("target", 2), ("none", 3)])
def test_a_shared_matrix_is_stored_once(
    pack: Pack, tmp_path: Path, tie: str, num_matrices: int
) -> None:
    package = pack(tie=tie)
    save_package(tmp_path, package)
    stored = load_file(tmp_path / "model.safetensors")
    shape = (package.segmenters.source.vocab_size, 8)
    assert sum(weight.shape == shape for weight in stored.values()) == num_matrices
    assert sum(weight.numel() for weight in stored.values()) == count_parameters(package.model)


def test_a_directory_is_inert_and_complete(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        "model.safetensors", "config.toml", "source.model", "target.model", "metadata.json",
        "README.md",
    }  # fmt: skip
    assert not any(path.is_symlink() for path in folder.iterdir())


def test_metadata_says_what_the_model_is(folder: Path, segmenter: Segmenter) -> None:
    metadata = read_json(folder / "metadata.json")
    assert metadata == {
        "format": 1,
        "nmt": nmt.__version__,
        "segmenters": {"source": segmenter.sha256, "target": segmenter.sha256},
        **METADATA,
        "settings": sha256(folder / "config.toml"),
        "weights": sha256(folder / "model.safetensors"),
    }
    assert load_package(folder).metadata == metadata


@pytest.mark.parametrize("names", [["settings"], ["weights"], ["settings", "weights"]], ids=str)
def test_a_directory_of_an_older_version_without_hashes_still_loads(
    folder: Path, names: list[str]
) -> None:
    metadata = read_json(folder / "metadata.json")
    for name in names:
        del metadata[name]
    write_json(folder / "metadata.json", metadata)
    assert load_package(folder).metadata == metadata


def test_the_card_tells_a_person_what_the_model_is(folder: Path, pack: Pack) -> None:
    card = (folder / "README.md").read_text()
    count = count_parameters(pack().model)
    assert "A Transformer, made by nmt " in card
    assert f"2 + 1 layers of width 8, {count:,} parameters" in card
    assert "Trained for 7 updates" in card
    assert "`abc`" in card
    assert "* bleu: 12.35 (`s|1`)\n" in card


def test_the_card_says_what_a_model_was_made_from_and_by_what() -> None:
    origin = {
        "inputs": {"train": "aa", "dev_source": "bb", "parent": "cc"}, "torch": "2", "python": "3",
        "libraries": {"numpy": "1"}, "machine": "abacus, 2 threads", "processes": 1,
        "compute": {"device": "cpu", "precision": "fp32", "threads": 2},
    }  # fmt: skip
    settings = {"training": {"learning_rate": 0.5}, "search": {"beam": 4}}
    metadata = {"nmt": "1", "origin": origin, "weights": "dd", "segmenters": {"source": "ee"}}
    card = model_card(settings, metadata, 0)
    for line in (
        "* training corpus: `aa`", "* development set, source: `bb`",
        "* weights it began with: `cc`", "* weights: `dd`", "* segmenter of the source: `ee`",
        "* training.learning_rate: 0.5", "* versions: Python 3, torch 2, numpy 1",
        "* machine: abacus, 2 threads, fp32 on cpu, 1 processes",
        "Unless told otherwise it searches by beam 4.",
    ):  # fmt: skip
        assert f"\n{line}\n" in card


def test_the_card_names_the_architecture() -> None:
    def card(**model: Any) -> str:
        return model_card({"model": model}, {"nmt": "1"}, 0)

    assert "A Transformer, made by nmt 1: " in card()
    assert "A recurrent encoder-decoder (LSTM, attention as Luong's), made" in card(arch="rnn")
    other = card(arch="rnn", cell="gru", feeding="bahdanau")
    assert "A recurrent encoder-decoder (GRU, attention as Bahdanau's), made" in other


def test_weights_keep_their_type_from_disk_to_model(folder: Path) -> None:
    path = folder / "model.safetensors"
    exact = load_file(path)
    save_file({name: weight.half() for name, weight in exact.items()}, path)
    edit(folder, weights=sha256(path))
    for name, weight in weights_of(load_package(folder).model).items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, exact[name].half().float())


def test_a_shortlist_is_kept_and_a_folder_without_one_has_none(
    folder: Path, tmp_path: Path
) -> None:
    assert load_package(folder).model.shortlist is None
    (tmp_path / "again").mkdir()
    give(folder, shortlist())
    package = load_package(folder)
    assert package.model.shortlist is not None
    torch.testing.assert_close(package.model.shortlist.tensors(), shortlist())
    save_package(tmp_path / "again", package)
    again = load_package(tmp_path / "again")
    assert again.model.shortlist is not None
    torch.testing.assert_close(again.model.shortlist.tensors(), shortlist())
    again.model.shortlist = None
    (tmp_path / "without").mkdir()
    save_package(tmp_path / "without", again)
    assert "shortlist" not in read_json(tmp_path / "without" / "metadata.json")
    assert load_package(tmp_path / "without").model.shortlist is None


def test_a_shortlist_that_metadata_do_not_name_is_not_read(folder: Path) -> None:
    (folder / "shortlist.safetensors").write_bytes(b"anything")
    assert load_package(folder).model.shortlist is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_directory_is_refused_with_what_is_wrong(folder: Path, damage: str) -> None:
    harm, kind, message = DAMAGES[damage]
    harm(folder)
    with pytest.raises(kind, match=re.escape(message)) as caught:
        load_package(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_segmenter_of_another_hash_is_refused(
    folder: Path, other_segmenter: Segmenter, side: str
) -> None:
    other_segmenter.save(folder / f"{side}.model")
    with pytest.raises(
        CheckpointError,
        match=rf"{side}.model is not the segmenter that this model was trained with .* original",
    ):
        load_package(folder)


def test_a_model_is_a_directory_or_the_best_of_a_run(folder: Path) -> None:
    run = folder.parent
    assert resolve(folder) == folder
    with pytest.raises(CheckpointError, match=r"holds no model \(no metadata.json\) and no run"):
        resolve(run)
    (run / "manifest.json").write_text("{}")
    with pytest.raises(CheckpointError, match="has no checkpoint yet: training has not validated"):
        resolve(run)
    (run / "best").symlink_to("model")
    assert resolve(run) == run / "best"
    assert torch.equal(states(load_package(run).model), states(load_package(folder).model))


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError,
        match=f"{tmp_path}/none does not exist; a MODEL is a model directory or a run",
    ):
        load_package(tmp_path / "none")


def test_tensors_that_cannot_be_written_are_a_users_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"cannot write {tmp_path}/none/weights: "):
        save_tensors({"weight": torch.ones(1)}, tmp_path / "none" / "weights")


def test_views_are_saved_as_what_they_show(tmp_path: Path) -> None:
    whole = torch.arange(6.0).view(2, 3)
    save_tensors({"turned": whole.mT}, tmp_path / "weights")
    assert torch.equal(load_file(tmp_path / "weights")["turned"], whole.mT)


def test_a_package_of_two_segmenters_keeps_their_order(
    pack: Pack, tmp_path: Path, other_segmenter: Segmenter
) -> None:
    package = pack(other_segmenter, tie="none")
    swapped = Segmenters(package.segmenters.target, package.segmenters.source)
    save_package(tmp_path, replace(package, segmenters=swapped))
    with pytest.raises(CheckpointError, match=r"does not fit its config.toml"):
        load_package(tmp_path)
