"""Text from a language model, by itself and as a say in translation."""

from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.errors import DataError
from nmt.generate import TextGenerator
from nmt.model.compute import Compute
from nmt.model.directory import (
    LanguagePackage,
    TranslationPackage,
    load_language_package,
    load_package,
)
from nmt.search.config import SearchConfig
from nmt.search.fusion import LanguagePrior
from nmt.translate import Translator

COMPUTE = Compute(torch.device("cpu"), torch.float32)
SAMPLES = {"method": "sample", "beam": 1, "limit_pieces": 9}
BEAM = {"beam": 3, "nbest": 2, "limit_pieces": 7}
METHODS = {"sample": {**SAMPLES, "nbest": 2}, "top-p": {**SAMPLES, "top_p": 0.7}, "beam": BEAM}


@pytest.fixture(scope="module")
def package(trained_language: Path) -> LanguagePackage:
    return load_language_package(trained_language)


@pytest.fixture(scope="module")
def translating(trained: Path) -> TranslationPackage:
    return load_package(trained)


@pytest.fixture(scope="module")
def prompts(toy: Path) -> list[str]:
    """Take beginnings of lines, and nothing, which is a prompt too."""
    lines = (toy / "test.tgt").read_text().split("\n")[:-1]
    return [" ".join(line.split()[: number % 3]) for number, line in enumerate(lines)]


def generator(package: LanguagePackage, **search: Any) -> TextGenerator:
    settings = SearchConfig(**search)
    return TextGenerator(package.model, package.segmenters.target, settings, COMPUTE)


@torch.inference_mode()
def next_log_probs(model: Any, ids: list[int], source: tuple[Any, Any]) -> torch.Tensor:
    """Compute what may follow some ids, from all of them at once."""
    states = model.predict(source, torch.tensor([ids]), torch.tensor([len(ids)]))
    return (states[0, -1] @ model.output_weight().mT).log_softmax(-1)


NOTHING = (torch.zeros((1, 0), dtype=torch.long), torch.zeros(1, dtype=torch.long))


def test_greedy_search_is_the_obvious_loop(package: LanguagePackage, prompts: list[str]) -> None:
    found = generator(package, beam=1, limit_pieces=8).generate(prompts)
    segmenter = package.segmenters.target
    for prompt, continuation in zip(prompts, found, strict=True):
        begun = segmenter.encode_lines([prompt])[0]
        ids, total = [segmenter.start_id, *begun], 0.0
        for place in range(len(begun)):
            total += float(next_log_probs(package.model, ids[: place + 1], NOTHING)[begun[place]])
        for step in range(8):
            log_probs = next_log_probs(package.model, ids, NOTHING)
            best = segmenter.eos_id if step == 7 else int(log_probs.argmax())
            total += float(log_probs[best])
            if best == segmenter.eos_id:
                break
            ids.append(best)
        (candidate,) = continuation.candidates
        assert continuation.prompt == prompt
        assert candidate.text == segmenter.decode(ids[1:])
        assert candidate.log_prob == pytest.approx(total, rel=1e-4)
        assert candidate.text.startswith(prompt)


@pytest.mark.parametrize("search", METHODS.values(), ids=METHODS.keys())
def test_a_prompt_alone_is_that_prompt_among_others(
    package: LanguagePackage, prompts: list[str], search: dict[str, Any]
) -> None:
    writer = generator(package, **search)
    together = writer.generate(prompts)
    narrow = generator(package, **search, batch_tokens=1).generate(prompts)
    for number, (prompt, expected) in enumerate(zip(prompts, together, strict=True), 1):
        (alone,) = writer.generate([prompt], number)
        for other in (alone, narrow[number - 1]):
            assert [each.text for each in other.candidates] == [
                each.text for each in expected.candidates
            ]
            assert [each.log_prob for each in other.candidates] == pytest.approx(
                [each.log_prob for each in expected.candidates], rel=1e-4
            )


def test_samples_differ_by_line_and_number_and_begin_alike(package: LanguagePackage) -> None:
    found = generator(package, **SAMPLES, nbest=3).generate([""] * 8)
    assert len({each.text for one in found for each in one.candidates}) > 12
    fewer = generator(package, **SAMPLES).generate([""] * 8)
    first = [[each.candidates[0] for each in continuations] for continuations in (fewer, found)]
    few, many = ([each.text for each in candidates] for candidates in first)
    assert few == many
    few, many = ([each.log_prob for each in candidates] for candidates in first)
    assert few == pytest.approx(many, rel=1e-6)  # rows of a product are rounded by their number


@pytest.mark.parametrize("search", [SAMPLES, BEAM], ids=["sample", "beam"])
def test_no_text_is_longer_than_allowed(package: LanguagePackage, search: dict[str, Any]) -> None:
    segmenter = package.segmenters.target
    short = generator(package, **{**search, "limit_pieces": 3}).generate(["", "m", "mnop"])
    for prompt, one in zip(["", "m", "mnop"], short, strict=True):
        most = len(segmenter.encode_lines([prompt])[0]) + 3 - 1  # the end counts
        assert all(len(segmenter.encode_lines([e.text])[0]) <= most for e in one.candidates)
    whole = generator(package, **{**search, "limit_pieces": 1000}).generate(["m"] * 4)
    assert len(whole) == 4


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("m" * 200, r"line 8: the prompt has \d+ pieces, but the model can write at most 63 "),
        ("日本", "line 8: the prompt holds characters that the model lacks"),
    ],
)
def test_what_a_model_cannot_begin_with_is_refused(
    package: LanguagePackage, prompt: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        generator(package, **SAMPLES).generate(["", prompt], 7)


def translator(
    package: TranslationPackage, prior: LanguagePrior | None = None, **search: Any
) -> Translator:
    search = {"limit_ratio": 1.0, "limit_extra": 3, **search}
    return Translator(package.model, package.segmenters, SearchConfig(**search), COMPUTE, prior)


@pytest.fixture(scope="module")
def sources(toy: Path) -> list[str]:
    return (toy / "test.src").read_text().split("\n")[:-1]


def test_fused_greedy_search_is_the_obvious_loop(
    translating: TranslationPackage, package: LanguagePackage, sources: list[str]
) -> None:
    weight, segmenter = 0.7, translating.segmenters.target
    found = translator(translating, LanguagePrior(package.model, weight), beam=1).translate(sources)
    for line, translation in zip(sources, found, strict=True):
        if not line:
            continue
        own = [*translating.segmenters.source.encode_lines([line])[0], segmenter.eos_id]
        source = (torch.tensor([own]), torch.tensor([len(own)]))
        ids, total = [segmenter.start_id], 0.0
        for step in range(limit := len(own) + 3):
            fused = next_log_probs(translating.model, ids, source)
            fused = fused + weight * next_log_probs(package.model, ids, NOTHING)
            best = segmenter.eos_id if step == limit - 1 else int(fused.argmax())
            total += float(fused[best])
            if best == segmenter.eos_id:
                break
            ids.append(best)
        (candidate,) = translation.candidates
        assert candidate.text == segmenter.decode(ids[1:])
        assert candidate.log_prob == pytest.approx(total, rel=1e-4)
        assert candidate.score == pytest.approx(total / (step + 1), rel=1e-4)


@pytest.mark.parametrize(
    "search",
    [{"beam": 3}, {"beam": 4, "groups": 2}, {"beam": 1, "method": "sample", "nbest": 2}],
    ids=["beam", "diverse", "sample"],
)
def test_a_language_model_without_weight_changes_nothing(
    translating: TranslationPackage,
    package: LanguagePackage,
    sources: list[str],
    search: dict[str, Any],
) -> None:
    without = list(translator(translating, **search).translate(sources))
    for weight, same in ((0.0, True), (1.0, False)):
        fused = translator(translating, LanguagePrior(package.model, weight), **search)
        assert (list(fused.translate(sources)) == without) == same


def test_fusion_works_with_coverage_prefixes_and_rules(
    translating: TranslationPackage, package: LanguagePackage, sources: list[str], toy: Path
) -> None:
    prior = LanguagePrior(package.model, 0.3)
    search = {"beam": 3, "coverage_beta": 0.2, "no_repeat_ngram": 2}
    together = translator(translating, prior, **search)
    prefixes = [line.split(" ")[0] for line in (toy / "test.tgt").read_text().split("\n")[:-1]]
    found = together.translate_together(sources, 1, prefixes)
    assert all(each.text.startswith(prefix) for each, prefix in zip(found, prefixes, strict=True))
    for number, (line, prefix) in enumerate(zip(sources, prefixes, strict=True), 1):
        (alone,) = together.translate_together([line], number, [prefix])
        assert alone.text == found[number - 1].text
        assert alone.candidates[0].score == pytest.approx(
            found[number - 1].candidates[0].score, rel=1e-4
        )


def test_no_translation_is_longer_than_the_language_model_reads(
    translating: TranslationPackage, package: LanguagePackage, sources: list[str]
) -> None:
    prior = LanguagePrior(package.model, 0.3)
    before, package.model.max_length = package.model.max_length, 3
    try:
        found = list(translator(translating, prior, beam=2).translate(sources))
        with pytest.raises(DataError, match=r"the prefix has .* but the model can write at most 2"):
            translator(translating, prior).translate_together(["ab"], 1, ["mnopmnop"])
    finally:
        package.model.max_length = before
    segmenter = package.segmenters.target
    assert max(len(segmenter.encode_lines([each.text])[0]) for each in found) <= 2
