"""A model of Marian's shape gives the same translations by `generate`, tokenizer included."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.export.limits import HUGGINGFACE
from nmt.model.compute import Compute
from nmt.model.directory import Package, Segmenters, model_of
from nmt.search.config import SearchConfig
from nmt.text.config import SegmentConfig
from nmt.text.learning import learn_segmenter
from nmt.translate import Translator

pytest.importorskip("transformers", reason="needs transformers: pip install 'nmt[huggingface]'")

from transformers import MarianMTModel, MarianTokenizer

from nmt.export.folder import read_export, write_export
from nmt.export.generation import GeneratingTranslator
from nmt.export.marian import quietly

MakePackage = Callable[..., Package]
FP32 = Compute(torch.device("cpu"), torch.float32)
SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "all tied": ({}, {}),
    "tied output": ({}, {"tie": "target"}),
    "nothing tied": ({}, {"tie": "none"}),
    "deep encoder": ({}, {"encoder_layers": 4, "decoder_layers": 1}),
    "grouped": ({"encoder": {"variant": "gqa"}, "cross": {"variant": "mqa"}}, {}),
    "general": ({"decoder": {"variant": "general"}, "cross": {"variant": "dot"}}, {}),
    "one memory": ({"cross": {"variant": "shared-kv"}}, {}),
    "layers shared": ({}, {"encoder_distinct": 1, "decoder_distinct": 2}),
}


def write(package: Package, tmp_path: Path) -> Path:
    folder = tmp_path / "exported"
    folder.mkdir()
    write_export(package, folder, HUGGINGFACE, "float32")
    return folder


@pytest.mark.parametrize("name", SHAPES)
def test_an_export_computes_what_the_model_computes(
    make_package: MakePackage, lines: list[str], tmp_path: Path, hasty: None, name: str
) -> None:
    attention, settings = SHAPES[name]
    package = make_package(attention, norm="post", **settings)
    folder, segmenter = write(package, tmp_path), package.segmenters.source
    modes = {path.stat().st_mode for path in folder.iterdir()}
    assert len(modes) == 1, "readable to whom the user's umask lets"
    assert not {"source.json", "target.json"} & {path.name for path in folder.iterdir()}
    with quietly():
        model = MarianMTModel.from_pretrained(folder).eval()
    source = torch.tensor([[*segmenter.encode(lines[0]), segmenter.eos_id]])
    target = torch.tensor([[segmenter.start_id, *segmenter.encode(lines[1])]])
    with torch.inference_mode():
        memory = package.model.encode(source, torch.tensor([source.size(1)]))
        states = package.model.decode(memory, target, torch.tensor([target.size(1)]))
        expected = states @ package.model.output_weight().mT
        found = model(input_ids=source, decoder_input_ids=target).logits
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("options", [{"beam": 3, "nbest": 2}, {"beam": 1}], ids=str)
def test_generate_gives_the_same_translations(
    make_package: MakePackage, lines: list[str], tmp_path: Path, hasty: None, options: Any
) -> None:
    package = make_package(norm="post")
    export = read_export(write(package, tmp_path))
    search = SearchConfig(stop="ctranslate2", **{**package.settings["search"], **options})
    expected = Translator(package.model, package.segmenters, search, FP32).translate(lines)
    translator = GeneratingTranslator(export, search)
    assert all(translator.cuts_alike(lines))
    assert not all(translator.cuts_alike([">>es<< text"])), "the tokenizer takes it for a language"
    for translation, other in zip(expected, translator.translate(lines), strict=True):
        best, theirs = translation.candidates[0], other.candidates[0]
        assert theirs.text == best.text
        assert theirs.score == pytest.approx(best.score, abs=1e-4)
        assert theirs.log_prob == pytest.approx(best.log_prob, abs=1e-3)
        assert len(other.candidates) == len(translation.candidates)


def test_the_tokenizer_of_two_segmenters_knows_both(
    make_package: MakePackage, lines: list[str], tmp_path: Path, hasty: None, toy: Path
) -> None:
    package = make_package(norm="post", tie="target")
    own = SegmentConfig(vocab_size=30, byte_fallback=False)
    text = (toy / "train.tgt").read_text().split("\n")[:-1]
    other = learn_segmenter(iter(text), tmp_path / "target.model", own)
    pair = Segmenters(package.segmenters.source, other)
    made = make_with(package, pair)
    folder = write(made, tmp_path)
    with quietly():
        tokenizer = MarianTokenizer.from_pretrained(folder)
    end = pair.source.eos_id
    assert tokenizer([lines[0]]).input_ids == [[*pair.source.encode(lines[0]), end]]
    search = SearchConfig(stop="ctranslate2", **package.settings["search"])
    expected = Translator(made.model, pair, search, FP32).translate(lines[:3])
    found = GeneratingTranslator(read_export(folder), search).translate(lines[:3])
    assert [each.text for each in found] == [each.text for each in expected]
    ids = other.encode(text[0])
    assert tokenizer.batch_decode([[*ids, other.eos_id]], skip_special_tokens=True) == [text[0]]


def make_with(package: Package, segmenters: Segmenters) -> Package:
    """Make the same model anew, for other segmenters."""
    model = model_of(package.settings, segmenters).eval()
    return Package(model, segmenters, package.settings, package.metadata)
