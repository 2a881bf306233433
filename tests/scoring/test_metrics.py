"""Scores are sacreBLEU's own, whichever way they are asked for."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF, TER

from nmt.errors import ConfigError, DataError
from nmt.scoring.config import TOKENIZERS, ScoreConfig
from nmt.scoring.metrics import DEFAULT_METRICS, METRICS, corpus_scores
from nmt.settings import build, to_table

HYPOTHESES = ["The cat sat on the mat today .", "Hello, wrld!", "", "A third line, here it is."]
REFERENCES = ["the cat sat on a Mat today.", "Hello, world!", "Nothing.", "The third line is here."]
OTHERS = ["A cat was sitting on the mat.", "Hi, world!", "", "Here is a third line, it is."]
CHINESE = ["我们今天去北京。", "你好，世界！"], ["今天我们去北京。", "你好世界！"]
LONG = "a line of more than four words, so that BLEU finds something to count"

words = st.text(alphabet="abAB .,!@'-äß語", max_size=30)
pairs = st.lists(st.tuples(words, words), min_size=1, max_size=6)


def sacrebleu_scores(
    hypotheses: list[str], references: list[list[str]], *, lowercase: bool = False, tokenize: str
) -> dict[str, tuple[float, str]]:
    metrics: dict[str, Any] = {
        "bleu": BLEU(lowercase=lowercase, tokenize=tokenize),
        "chrf": CHRF(lowercase=lowercase),
        "chrf++": CHRF(lowercase=lowercase, word_order=2),
        "ter": TER(),
    }
    return {
        name: (metric.corpus_score(hypotheses, references).score, str(metric.get_signature()))
        for name, metric in metrics.items()
    }


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("tokenize", ["13a", "intl", "char", "zh", "none"])
@pytest.mark.parametrize("references", [[REFERENCES], [REFERENCES, OTHERS]], ids=["one", "two"])
def test_scores_are_those_of_the_classes(
    references: list[list[str]], tokenize: str, lowercase: bool
) -> None:
    config = ScoreConfig(lowercase=lowercase, tokenize=tokenize)
    scores = corpus_scores(HYPOTHESES, references, config, list(METRICS))
    wanted = sacrebleu_scores(HYPOTHESES, references, lowercase=lowercase, tokenize=tokenize)
    assert {name: (score.value, score.signature) for name, score in scores.items()} == wanted


def test_scores_are_those_of_the_functions() -> None:
    scores = corpus_scores(HYPOTHESES, [REFERENCES], ScoreConfig(), list(METRICS))
    wanted = {
        "bleu": sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES], force=True),
        "chrf": sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES]),
        "chrf++": sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES], word_order=2),
        "ter": sacrebleu.corpus_ter(HYPOTHESES, [REFERENCES]),
    }
    assert {name: (score.name, score.value) for name, score in scores.items()} == {
        name: (score.name, score.score) for name, score in wanted.items()
    }


@pytest.mark.parametrize(
    ("flags", "config"),
    [
        ([], ScoreConfig()),
        (["-lc", "--chrf-lowercase"], ScoreConfig(lowercase=True)),
        (["-tok", "intl"], ScoreConfig(tokenize="intl")),
    ],
    ids=["default", "lowercase", "intl"],
)
def test_scores_are_those_of_the_command(
    tmp_path: Path, flags: list[str], config: ScoreConfig
) -> None:
    for name, lines in {"hyp": HYPOTHESES, "ref": REFERENCES, "other": OTHERS}.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    command = f"{sys.executable} -m sacrebleu ref other -i hyp -b -w 10 -f text -m bleu chrf ter"
    printed = subprocess.run(
        [*command.split(), *flags], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.split()
    scores = corpus_scores(HYPOTHESES, [REFERENCES, OTHERS], config, ["bleu", "chrf", "ter"])
    assert [f"{score.value:.10f}" for score in scores.values()] == printed


def test_a_second_reference_and_the_tokenizer_are_in_the_signature() -> None:
    scores = corpus_scores(HYPOTHESES, [REFERENCES, OTHERS], ScoreConfig(tokenize="intl"))
    assert list(scores) == list(DEFAULT_METRICS)
    assert "nrefs:2|" in scores["chrf"].signature
    assert "|tok:intl|" in scores["bleu"].signature


def test_lower_casing_is_lower_casing_the_text() -> None:
    lowered = [[line.lower() for line in text] for text in (HYPOTHESES, REFERENCES)]
    by_flag = corpus_scores(HYPOTHESES, [REFERENCES], ScoreConfig(lowercase=True), list(METRICS))
    by_hand = corpus_scores(lowered[0], [lowered[1]], ScoreConfig(), list(METRICS))
    assert [s.value for s in by_flag.values()] == [s.value for s in by_hand.values()]


def test_the_chinese_tokenizer_counts_characters() -> None:
    hypotheses, references = CHINESE
    apart = [[" ".join(line) for line in text] for text in CHINESE]
    by_tokenizer = corpus_scores(hypotheses, [references], ScoreConfig(tokenize="zh"), ["bleu"])
    by_hand = corpus_scores(apart[0], [apart[1]], ScoreConfig(tokenize="none"), ["bleu"])
    assert by_tokenizer["bleu"].value == by_hand["bleu"].value > 0


def test_details_say_what_a_score_is_made_of() -> None:
    scores = corpus_scores(HYPOTHESES, [REFERENCES], ScoreConfig(), ["bleu", "ter", "chrf"])
    bleu = sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES], force=True)
    assert scores["bleu"].details.startswith("/".join(f"{p:.1f}" for p in bleu.precisions))
    assert scores["bleu"].details.endswith(f"hyp_len {bleu.sys_len} ref_len {bleu.ref_len}")
    ter = sacrebleu.corpus_ter(HYPOTHESES, [REFERENCES])
    assert scores["ter"].details == f"edits {ter.num_edits} ref_len {ter.ref_length:g}"
    assert scores["chrf"].details == ""


@settings(max_examples=25, deadline=None)
@given(pairs=pairs, data=st.data())
def test_the_order_of_the_pairs_does_not_matter(
    pairs: list[tuple[str, str]], data: st.DataObject
) -> None:
    def scores(lines: list[tuple[str, str]]) -> object:
        hypotheses, references = zip(*lines, strict=True)
        return corpus_scores(hypotheses, [references], ScoreConfig(), list(METRICS))

    assert scores(data.draw(st.permutations(pairs))) == scores(pairs)


@settings(max_examples=25, deadline=None)
@given(lines=st.lists(words, max_size=6), lowercase=st.booleans())
def test_identical_texts_score_full_marks(lines: list[str], lowercase: bool) -> None:
    lines = [*lines, LONG]
    config = ScoreConfig(lowercase=lowercase)
    scores = corpus_scores(lines, [list(lines)], config, list(METRICS))
    full = {"bleu": 100.0, "chrf": 100.0, "chrf++": 100.0, "ter": 0.0}
    assert {name: score.value for name, score in scores.items()} == pytest.approx(full)


def test_the_same_call_gives_the_same_scores() -> None:
    first, second = (
        corpus_scores(HYPOTHESES, [REFERENCES, OTHERS], ScoreConfig(), list(METRICS))
        for _ in range(2)
    )
    assert first == second


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown metric 'blue'; did you mean 'bleu'\?"):
        corpus_scores(HYPOTHESES, [REFERENCES], ScoreConfig(), ["blue"])


def test_texts_that_sacrebleu_would_cut_to_the_shorter_are_refused() -> None:
    message = r"^the hypothesis has 3 lines but reference 2 has 4; a score needs one translation"
    with pytest.raises(DataError, match=message):
        corpus_scores(HYPOTHESES[:3], [REFERENCES[:3], OTHERS], ScoreConfig())


def test_every_tokenizer_of_sacrebleu_is_offered_but_the_deprecated_name() -> None:
    assert set(TOKENIZERS) == set(BLEU.TOKENIZERS) - {"spm"}


def test_settings_survive_their_table() -> None:
    config = ScoreConfig(lowercase=True, tokenize="zh")
    assert build(ScoreConfig, to_table(config), "score") == config


@pytest.mark.parametrize(
    "make",
    [
        lambda: ScoreConfig(tokenize="14a"),
        lambda: build(ScoreConfig, {"tokenize": "14a"}, "score"),
    ],
    ids=["made", "read"],
)
def test_an_unknown_tokenizer_is_refused(make: Any) -> None:
    with pytest.raises(ConfigError, match=r"score\.tokenize must be one of 13a, .*, not '14a'"):
        make()


def test_settings_and_the_table_of_metrics_do_not_import_sacrebleu() -> None:
    code = (
        "import sys, nmt.scoring.config, nmt.scoring.metrics, nmt.cli.score\n"
        "assert not {'torch', 'numpy', 'sacrebleu'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
