"""p-values are sacreBLEU's own."""

import json
import logging
import random
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.scoring.config import ScoreConfig
from nmt.study.significance import p_values

WORDS = ["the", "a", "cat", "dog", "sees", "hears", "finds", "not", "old", "house", "tree"]


@pytest.fixture
def texts() -> dict[str, list[str]]:
    """Make references, and three translations of them that are wrong more or less often."""
    chance = random.Random(1)
    references = [" ".join(chance.choices(WORDS, k=chance.randint(4, 9))) for _ in range(40)]
    texts = {"ref": references}
    for name, share in (("base", 0.2), ("near", 0.22), ("far", 0.5)):
        texts[name] = [
            " ".join(chance.choice(WORDS) if chance.random() < share else word for word in words)
            for words in map(str.split, references)
        ]
    return texts


def by_command(texts: dict[str, list[str]], folder: Path) -> dict[str, float]:
    """Run sacreBLEU's own command."""
    for name, lines in texts.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    finished = subprocess.run(
        [sys.executable, "-m", "sacrebleu", "ref", "-i", "base", "near", "far", "-m", "bleu",
         "--paired-bs", "--paired-bs-n", "1000", "-f", "json"],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    report = json.loads(finished.stdout)
    return {each["system"]: each["BLEU"]["p_value"] for each in report[1:]}


def test_they_equal_those_of_the_command(texts: dict[str, list[str]], tmp_path: Path) -> None:
    others = {name: texts[name] for name in ("near", "far")}
    found = p_values(texts["base"], others, texts["ref"], ScoreConfig())
    expected = by_command(texts, tmp_path)
    assert found == {name: pytest.approx(expected[name], abs=1e-4) for name in others}
    assert found["far"] < 0.05 < found["near"]


def test_each_is_the_same_alone_and_among_others(texts: dict[str, list[str]]) -> None:
    both = {name: texts[name] for name in ("near", "far")}
    together = p_values(texts["base"], both, texts["ref"], ScoreConfig())
    alone = p_values(texts["base"], {"far": texts["far"]}, texts["ref"], ScoreConfig())
    assert together["far"] == alone["far"]


def test_no_difference_is_certainly_chance(texts: dict[str, list[str]]) -> None:
    same = {"same": list(texts["base"])}
    assert p_values(texts["base"], same, texts["ref"], ScoreConfig()) == {"same": 1.0}


def test_nothing_to_compare_is_no_error(texts: dict[str, list[str]]) -> None:
    assert p_values(texts["base"], {}, texts["ref"], ScoreConfig()) == {}


def test_nothing_is_said(texts: dict[str, list[str]], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        p_values(texts["base"], {"far": texts["far"]}, texts["ref"], ScoreConfig())
    assert caplog.messages == []
