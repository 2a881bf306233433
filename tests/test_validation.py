"""In-loop scores are those of translating the raw text and scoring it as users do."""

from pathlib import Path

import pytest
import torch

from nmt.model.compute import Compute
from nmt.model.directory import Package, load_package
from nmt.scoring.config import ScoreConfig
from nmt.scoring.metrics import corpus_scores
from nmt.search.config import SearchConfig
from nmt.text.lines import read_lines
from nmt.translate import Translator
from nmt.validation import Validator

COMPUTE = Compute(torch.device("cpu"), torch.float32)


@pytest.fixture
def package(trained: Path) -> Package:
    return load_package(trained)


@pytest.mark.parametrize("score", [ScoreConfig(), ScoreConfig(lowercase=True, tokenize="char")])
@pytest.mark.parametrize("search", [SearchConfig(beam=1), SearchConfig(beam=3, batch_tokens=8)])
def test_a_validation_is_a_translation_and_a_score(
    toy: Path, package: Package, search: SearchConfig, score: ScoreConfig
) -> None:
    sources, references = (list(read_lines(toy / f"dev.{side}")) for side in ("src", "tgt"))
    references = [line.upper() if number % 2 else line for number, line in enumerate(references)]
    translator = Translator(package.model, package.segmenters, search, COMPUTE)
    hypotheses = [each.text for line in sources for each in translator.translate([line])]
    validator = Validator(sources, references, package.segmenters, search, score)
    scores = validator(package.model, COMPUTE)
    assert scores == corpus_scores(hypotheses, [references], score)
    assert list(scores) == ["bleu", "chrf"]
    assert scores["chrf"].value > 1


def test_a_validation_leaves_the_model_as_it_was(toy: Path, package: Package) -> None:
    lines = list(read_lines(toy / "dev.src"))
    before = {name: weight.clone() for name, weight in package.model.state_dict().items()}
    random = torch.get_rng_state()
    validator = Validator(lines, lines, package.segmenters, SearchConfig(beam=2), ScoreConfig())
    assert validator(package.model, COMPUTE) == validator(package.model, COMPUTE)
    torch.testing.assert_close(dict(package.model.state_dict()), before, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), random)
