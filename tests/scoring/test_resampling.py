"""Intervals, p-values and the scores of lines are those of the sacrebleu command."""

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.errors import ConfigError
from nmt.scoring.config import ScoreConfig
from nmt.scoring.measure import Measure, measure
from nmt.scoring.resampling import Assessed, Resampling, assess, refuse_huge, warn_few
from nmt.scoring.texts import Text

Texts = dict[str, list[str]]

FLAGS = {  # of the sacrebleu command
    "bleu": ["-m", "bleu"],
    "chrf": ["-m", "chrf"],
    "chrf++": ["-m", "chrf", "--chrf-word-order", "2"],
    "ter": ["-m", "ter"],
}
CELLS = re.compile(  # a row of its table: score, mean, margin, p
    r"(base|near|far) *& *([\d.]+)(?: \(([\d.]+) ± ([\d.]+)\))?(?: \(p = ([\d.]+)\))?"
)


@pytest.fixture
def folder(tmp_path: Path, texts: Texts) -> Path:
    """Write all texts."""
    for name, lines in texts.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    return tmp_path


def command(folder: Path, *arguments: str, **environment: str) -> str:
    """Run sacreBLEU's own command."""
    return subprocess.run(
        [sys.executable, "-m", "sacrebleu", *arguments],
        cwd=folder, check=True, capture_output=True, text=True, env=os.environ | environment,
    ).stdout  # fmt: skip


def measured(name: str, texts: Texts, *references: str) -> Measure:
    """Prepare a metric."""
    return measure(name, ScoreConfig(), [texts[each] for each in references or ("ref",)])


def systems(texts: Texts, *names: str) -> list[Text]:
    """Name some texts."""
    return [Text(name, texts[name]) for name in names]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("metric", FLAGS)
@pytest.mark.parametrize("references", [("ref",), ("ref", "other")], ids=["one", "two"])
def test_intervals_are_those_of_the_command(
    metric: str, references: tuple[str, ...], texts: Texts, folder: Path
) -> None:
    flags = [*FLAGS[metric], "--confidence", "-w", "12", "-f", "json"]
    wanted = json.loads(command(folder, *references, "-i", "base", *flags))
    asked = Resampling(confidence=True)
    (found,) = assess(systems(texts, "base"), measured(metric, texts, *references), asked)
    assert found.interval
    numbers = (found.score.value, found.interval.mean, found.interval.margin)
    keys = ("score", "confidence_mean", "confidence_var")
    assert [round(number, 12) for number in numbers] == [wanted[key] for key in keys]
    assert found.score.signature == wanted["signature"]
    assert found.p_value is None


@pytest.mark.sampled(3)
@pytest.mark.parametrize("metric", FLAGS)
@pytest.mark.parametrize("paired", ["bootstrap", "randomisation"])
def test_p_values_are_those_of_the_command(
    metric: str, paired: str, texts: Texts, folder: Path
) -> None:
    short = {"bootstrap": "bs", "randomisation": "ar"}[paired]
    flags = [*FLAGS[metric], f"--paired-{short}", f"--paired-{short}-n", "300", "-w", "10"]
    # As JSON, the command fails on chrF and TER.
    printed = command(folder, "ref", "-i", "base", "near", "far", *flags, "-f", "latex", "-nc")
    wanted = [cells[1:] for cells in CELLS.findall(printed)]
    assert len(wanted) == 3
    asked = Resampling(paired=paired, samples=300)
    found = assess(systems(texts, "base", "near", "far"), measured(metric, texts), asked)
    assert [shown(each) for each in found] == wanted
    assert f"|{short}:300|seed:12345|" in found[0].score.signature


def shown(found: Assessed) -> tuple[str, ...]:
    """Write numbers as the command does."""
    interval, p = found.interval, found.p_value
    numbers = (interval.mean, interval.margin) if interval else ()
    spread = [f"{number:.10f}" for number in numbers] or ["", ""]
    return (f"{found.score.value:.10f}", *spread, "" if p is None else f"{p:.4f}")


def test_the_seed_of_the_command_is_heeded(
    texts: Texts, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", "7")
    flags = ["-m", "bleu", "--paired-bs", "--paired-bs-n", "50", "-f", "json"]
    wanted = json.loads(command(folder, "ref", "-i", "base", "far", *flags))
    asked = Resampling(paired="bootstrap", samples=50)
    found = assess(systems(texts, "base", "far"), measured("bleu", texts), asked)
    for each, other in zip(found, (each["BLEU"] for each in wanted), strict=True):
        assert each.interval
        ours = (each.score.value, each.p_value, each.interval.mean, each.interval.margin)
        assert ours == tuple(other.values())
    assert "|seed:7|" in found[0].score.signature


@pytest.mark.parametrize("metric", FLAGS)
def test_scores_of_lines_are_those_of_the_command(metric: str, texts: Texts, folder: Path) -> None:
    flags = [*FLAGS[metric], "-sl", "-b", "-w", "10"]
    printed = command(folder, "ref", "other", "-i", "far", *flags).split()
    taken = measured(metric, texts, "ref", "other")
    found = taken.line_scores(Text("far", texts["far"]))
    assert [f"{score:.10f}" for score in found] == printed
    signed = command(folder, "ref", "other", "-i", "far", *FLAGS[metric], "-sl")
    assert f"|{taken.line_signature()} =" in signed.splitlines()[0]


@pytest.mark.parametrize("metric", FLAGS)
def test_some_lines_score_as_a_text_of_their_own(metric: str, texts: Texts) -> None:
    chosen = [3, 1, 7, 20]
    whole = measured(metric, texts).score(Text("far", texts["far"]), chosen)
    alone = measure(metric, ScoreConfig(), [[texts["ref"][each] for each in chosen]])
    assert whole == alone.score(Text("far", [texts["far"][each] for each in chosen]))


def test_lines_are_counted_once(texts: Texts, monkeypatch: pytest.MonkeyPatch) -> None:
    bleu = measured("bleu", texts)
    seen: list[object] = []
    extract = bleu.extract
    monkeypatch.setattr(bleu, "extract", lambda *given: seen.append(1) or extract(*given))
    assess(systems(texts, "base", "far"), bleu, Resampling(paired="bootstrap", samples=10))
    bleu.line_scores(Text("far", texts["far"]))
    assert len(seen) == 2


def test_the_same_translation_does_not_differ(texts: Texts) -> None:
    twice = [Text("base", texts["base"]), Text("copy", list(texts["base"]))]
    for paired in ("bootstrap", "randomisation"):
        asked = Resampling(paired=paired, samples=20)
        assert assess(twice, measured("bleu", texts), asked)[1].p_value == 1.0


def test_randomisation_gives_intervals_when_asked(texts: Texts) -> None:
    two = systems(texts, "base", "far")
    asked = Resampling(paired="randomisation", samples=20, confidence=True)
    bootstrap = assess(two, measured("bleu", texts), Resampling(paired="bootstrap"))
    found = assess(two, measured("bleu", texts), asked)
    assert found[0].interval == bootstrap[0].interval
    assert found[1].interval


def test_without_resampling_there_are_only_scores(texts: Texts) -> None:
    found = assess(systems(texts, "base", "far"), measured("bleu", texts), Resampling())
    assert all(each.interval is None and each.p_value is None for each in found)
    assert "bs:" not in found[0].score.signature


def test_intervals_without_a_test(texts: Texts) -> None:
    asked = Resampling(confidence=True, samples=20)
    found = assess(systems(texts, "base", "far"), measured("bleu", texts), asked)
    assert all(each.interval and each.p_value is None for each in found)


def test_nothing_is_said(texts: Texts, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        asked = Resampling(paired="bootstrap", samples=10)
        assess(systems(texts, "base", "far"), measured("bleu", texts), asked)
    assert caplog.messages == []


@pytest.mark.parametrize("paired", ["none", "randomisation"])
def test_what_does_not_fit_into_memory_is_refused(paired: str) -> None:
    asked = Resampling(paired=paired, confidence=True)
    refuse_huge(1_000, 18, asked)
    message = (
        rf"^resampling 10,000,000,000 lines {asked.rounds:,} times takes .* GB of memory, and "
        r"this machine has \d+; lower --samples, or score without --confidence"
    )
    with pytest.raises(ConfigError, match=message):
        refuse_huge(10_000_000_000, 18, asked)


def test_few_lines_are_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    warn_few(4, Resampling())
    warn_few(30, Resampling(confidence=True))
    assert caplog.messages == []
    warn_few(4, Resampling(paired="bootstrap"))
    warn_few(29, Resampling(confidence=True))
    message = "intervals and p-values of only {} lines say little"
    assert caplog.messages == [message.format(4), message.format(29)]
