"""A tokenizer that cannot run here is refused with the command that brings it."""

import importlib.util
import re
from pathlib import Path

import pytest
import sacrebleu.utils
import sentencepiece
from sacrebleu.tokenizers import tokenizer_spm

from nmt.errors import ConfigError
from nmt.scoring.config import TOKENIZERS, ScoreConfig
from nmt.scoring.metrics import corpus_scores
from nmt.scoring.tokenizers import refuse_unavailable

LINES = ["the cat sat on the mat", "a dog sat there on the floor", "the end of the text is near"]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep sacreBLEU's files in an empty folder of our own; return where models go."""
    monkeypatch.setattr(sacrebleu.utils, "SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr(tokenizer_spm, "SACREBLEU_DIR", str(tmp_path))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.mark.parametrize(("tokenize", "extra"), [("ja-mecab", "ja"), ("ko-mecab", "ko")])
def test_a_tokenizer_without_its_package_is_refused(
    tokenize: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    message = (
        f"'{tokenize}' needs packages that are not installed: pip install 'sacrebleu[{extra}]'"
    )
    with pytest.raises(ConfigError, match=re.escape(message)):
        corpus_scores(LINES, [LINES], ScoreConfig(tokenize=tokenize))


@pytest.mark.parametrize("tokenize", ["flores101", "flores200", "spBLEU-1K"])
@pytest.mark.parametrize("empty", [False, True], ids=["missing", "empty"])
def test_a_tokenizer_without_its_file_is_refused_not_fetched(
    tokenize: str, empty: bool, models: Path
) -> None:
    url = tokenizer_spm.SPM_MODELS[tokenize]["url"]
    path = models / Path(url).name
    if empty:
        path.touch()
    message = f"'{tokenize}' needs the file {path}: curl -fL --create-dirs -o {path} {url}"
    with pytest.raises(ConfigError, match=re.escape(message)):
        corpus_scores(LINES, [LINES], ScoreConfig(tokenize=tokenize))


def test_a_tokenizer_with_its_file_counts_pieces(models: Path, tmp_path: Path) -> None:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES), model_prefix=str(tmp_path / "m"), vocab_size=30,
        hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    (tmp_path / "m.model").rename(models / "flores200sacrebleuspm")
    model = sentencepiece.SentencePieceProcessor(str(models / "flores200sacrebleuspm"))
    changed = [line.replace("sat", "is sitting") for line in LINES]
    pieces = [[" ".join(model.encode(line, out_type=str)) for line in t] for t in (changed, LINES)]
    by_name = corpus_scores(changed, [LINES], ScoreConfig(tokenize="flores200"), ["bleu"])
    by_hand = corpus_scores(pieces[0], [pieces[1]], ScoreConfig(tokenize="none"), ["bleu"])
    assert by_name["bleu"].value == by_hand["bleu"].value > 0
    assert "|tok:flores200|" in by_name["bleu"].signature


@pytest.mark.parametrize("tokenize", TOKENIZERS[:4] + TOKENIZERS[-1:])
def test_a_tokenizer_that_needs_nothing_is_available(tokenize: str) -> None:
    refuse_unavailable(tokenize)


def test_other_metrics_need_no_tokenizer(models: Path) -> None:
    config = ScoreConfig(tokenize="flores200")
    assert corpus_scores(LINES, [LINES], config, ["chrf"])["chrf"].value == 100.0
