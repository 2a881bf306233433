"""What CTranslate2 holds computes the same there: every shape, number for number."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.attention.variants import VARIANTS
from nmt.errors import CheckpointError, ConfigError
from nmt.export.limits import CTRANSLATE2, Shape, refuse_unheld
from nmt.model.compute import Compute, ComputeConfig
from nmt.model.directory import Package
from nmt.search.config import SearchConfig
from nmt.translate import Translator

pytest.importorskip("ctranslate2", reason="needs CTranslate2: pip install 'nmt[ctranslate2]'")

from nmt.export.engine import Engine, open_engine
from nmt.export.folder import read_export, write_export

MakePackage = Callable[..., Package]
FP32 = Compute(torch.device("cpu"), torch.float32)
HERE = ComputeConfig(device="cpu", threads=1)


def own(**config: Any) -> dict[str, Any]:
    return {"encoder": config, "decoder": config}


def everywhere(**config: Any) -> dict[str, Any]:
    return {**own(**config), "cross": config}


SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "pre": ({}, {}),
    "post": ({}, {"norm": "post"}),
    "rms": ({}, {"norm_kind": "rms"}),
    "post rms": ({}, {"norm": "post", "norm_kind": "rms"}),
    "gated": ({}, {"feed_forward": "gated"}),
    "post gated": ({}, {"norm": "post", "feed_forward": "gated"}),
    "learned positions": ({}, {"positions": "learned"}),
    "no positions": ({}, {"positions": "none"}),
    "tied output": ({}, {"tie": "target"}),
    "nothing tied": ({}, {"tie": "none"}),
    "deep encoder": ({}, {"encoder_layers": 5, "decoder_layers": 1}),
    "multi-query": (everywhere(variant="mqa"), {}),
    "grouped": (everywhere(variant="gqa"), {}),
    "grouped, post": (own(variant="gqa"), {"norm": "post"}),
    "rotary and sines": (own(variant="rotary"), {}),
    "rotary": (own(variant="rotary"), {"positions": "none", "norm": "post"}),
    "rotary, odd heads": (own(variant="rotary"), {"model_size": 20}),
    "rotary, grouped, gated, rms": (
        own(variant="rotary", key_value_heads=2), {"feed_forward": "gated", "norm_kind": "rms"},
    ),
    "relative and sines": (own(variant="shaw", max_distance=3), {}),
    "relative": (own(variant="shaw", max_distance=3), {"positions": "none", "norm": "post"}),
    "relative, multi-query": (own(variant="shaw", max_distance=3, key_value_heads=1), {}),
    "relative, general": (own(variant="shaw", max_distance=3, score="general"), {}),
    "relative in the encoder": ({"encoder": {"variant": "shaw"}}, {}),
    "bucketed": (
        own(variant="bucketed", buckets=8, max_distance=8),
        {"encoder_distinct": 1, "decoder_layers": 1},
    ),
    "alibi": ({"decoder": {"variant": "alibi"}}, {"positions": "none"}),
    "dot": (everywhere(variant="dot"), {}),
    "general": (everywhere(variant="general"), {}),
    "general, one matrix": (everywhere(variant="general-shared"), {}),
    "tied queries": (everywhere(variant="tied-qk"), {}),
    "tied values": (everywhere(variant="tied-kv"), {}),
    "tied values, rotary": (own(variant="rotary", tied="key-value"), {}),
    "gates": (everywhere(variant="gated-heads"), {}),
    "pruned": (
        {
            "encoder": {"heads": ["2", "3"]},
            "decoder": {"heads": ["1", "4", "0"]},
            "cross": {"heads": ["3", "2", "1"]},
        },
        {},
    ),
    "one memory": ({"cross": {"variant": "shared-kv"}}, {}),
    "one memory, grouped": ({"cross": {"variant": "shared-kv", "key_value_heads": 2}}, {}),
    "layers shared": ({}, {"encoder_distinct": 1, "decoder_distinct": 2}),
}  # fmt: skip


def write(package: Package, tmp_path: Path, quantization: str = "float32") -> Path:
    folder = tmp_path / "exported"
    folder.mkdir()
    write_export(package, folder, CTRANSLATE2, quantization)
    return folder


def forced(package: Package, source: list[int], target: list[int]) -> list[float]:
    """Compute the log-probability of each id of a target, and of its end."""
    first, end = package.segmenters.target.start_id, package.segmenters.target.eos_id
    ids, read = torch.tensor([[*source, end]]), torch.tensor([[first, *target]])
    with torch.inference_mode():
        memory = package.model.encode(ids, torch.tensor([ids.size(1)]))
        states = package.model.decode(memory, read, torch.tensor([read.size(1)]))
        log_probs = (states @ package.model.output_weight().mT).log_softmax(-1)[0]
    return [float(row[id_]) for row, id_ in zip(log_probs, [*target, end], strict=True)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", SHAPES)
def test_an_export_computes_what_the_model_computes(
    make_package: MakePackage, lines: list[str], tmp_path: Path, hasty: None, name: str
) -> None:
    attention, settings = SHAPES[name]
    package = make_package(attention, **settings)
    folder = write(package, tmp_path)
    segmenter = package.segmenters.source
    pairs = [(lines[0], lines[1] + lines[2]), (lines[3], lines[5])]  # of different lengths
    ids = [(segmenter.encode(source), segmenter.encode(target)) for source, target in pairs]
    sides = [[[segmenter.texts[id_] for id_ in pair[side]] for pair in ids] for side in (0, 1)]
    found = Engine(folder, "cpu", 1).score(*sides)
    for mine, theirs in zip((forced(package, *pair) for pair in ids), found, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-4)
    search = SearchConfig(stop="ctranslate2", **package.settings["search"], nbest=2)
    expected = Translator(package.model, package.segmenters, search, FP32).translate(lines)
    others = open_engine(read_export(folder), search, HERE).translate(lines)
    for translation, other in zip(expected, others, strict=True):
        assert [c.text for c in other.candidates] == [c.text for c in translation.candidates]
        for mine, theirs in zip(translation.candidates, other.candidates, strict=True):
            assert theirs.score == pytest.approx(mine.score, abs=1e-4)
            assert theirs.log_prob == pytest.approx(mine.log_prob, abs=2e-3)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_table_of_variants_says_what_can_be_exported(
    make_package: MakePackage, name: str
) -> None:
    """In one role at least, and where the model is made for it."""
    held = []
    for role in sorted(VARIANTS[name].roles):
        package = make_package(
            {role: {"variant": name}}, positions="none", encoder_distinct=1, decoder_distinct=1
        )
        try:
            refuse_unheld(Shape.of(package.settings), CTRANSLATE2)
        except ConfigError:
            held.append(False)
        else:
            held.append(True)
    assert any(held) == (not VARIANTS[name].obstacle)


@pytest.mark.parametrize("quantization", ["int8", "bfloat16"])
def test_a_quantized_export_computes_nearly_the_same(
    make_package: MakePackage, lines: list[str], tmp_path: Path, hasty: None, quantization: str
) -> None:
    package = make_package(own(variant="rotary"))
    before = {name: weight.clone() for name, weight in package.model.named_parameters()}
    folder = write(package, tmp_path, quantization)
    plain = tmp_path / "plain"
    plain.mkdir()
    write_export(package, plain, CTRANSLATE2, "float32")
    assert (folder / "model.bin").stat().st_size < (plain / "model.bin").stat().st_size
    for name, weight in package.model.named_parameters():
        assert torch.equal(weight, before[name]), "exporting changes no model"
    segmenter = package.segmenters.source
    ids = segmenter.encode(lines[0])
    pieces = [[segmenter.texts[id_] for id_ in ids]]
    (found,) = Engine(folder, "cpu", 1).score(pieces, pieces)
    assert found == pytest.approx(forced(package, ids, ids), abs=1.0)
    assert found != pytest.approx(forced(package, ids, ids), abs=1e-4)


def test_a_folder_that_the_library_cannot_load_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"CTranslate2 cannot load {tmp_path}: Unable to"):
        Engine(tmp_path, "cpu", 1)


def test_a_translation_does_not_depend_on_what_stands_beside_it(
    make_package: MakePackage, lines: list[str], tmp_path: Path, hasty: None
) -> None:
    export = read_export(write(make_package(), tmp_path))
    options = {"stop": "ctranslate2", **export.settings["search"]}
    together = list(open_engine(export, SearchConfig(**options), HERE).translate(lines))
    narrow = open_engine(export, SearchConfig(**options, batch_tokens=1), HERE)
    alone = [narrow.translate_together([line])[0] for line in lines]
    assert [each.text for each in together] == [each.text for each in alone]
    assert [each.text for each in together if not each.source] == [""]
