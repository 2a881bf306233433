"""`nmt score` end to end."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.cli.main import main
from nmt.scoring.config import ScoreConfig
from nmt.scoring.metrics import METRICS, Score, corpus_scores
from nmt.scoring.report import text_report

HYP = ["The cat sat on the mat today.", "Hello, wrld!", "A third line, here it is."]
REF = ["the cat sat on a Mat today.", "Hello, world!", "The third line is here."]
OTHER = ["A cat was sitting on the mat.", "Hi, world!", "Here is a third line, it is."]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, lines in {"hyp": HYP, "ref": REF, "other": OTHER}.items():
        Path(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `nmt score` and return its exit status, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["nmt", "score", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert isinstance(stopped.value.code, int)
        return stopped.value.code, *capsys.readouterr()

    return run


def wanted(references: list[list[str]], metrics: list[str], config: ScoreConfig) -> list[str]:
    return text_report(corpus_scores(HYP, references, config, metrics).values(), 2)


def test_the_default_is_bleu_and_chrf_as_lines_to_quote(run: Run) -> None:
    status, out, err = run("hyp", "--ref", "ref")
    assert (status, err) == (0, "")
    assert out.splitlines() == wanted([REF], ["bleu", "chrf"], ScoreConfig())
    assert out.startswith("BLEU ")
    assert "  nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:" in out


def test_flags_reach_the_score(run: Run) -> None:
    flags = ["--lowercase", "--tokenize", "intl", "--metric", "ter", "--metric", "bleu"]
    _, out, _ = run("hyp", "--ref", "ref", "--ref", "other", *flags)
    config = ScoreConfig(lowercase=True, tokenize="intl")
    assert out.splitlines() == wanted([REF, OTHER], ["ter", "bleu"], config)


def test_a_settings_file_says_what_flags_say(run: Run) -> None:
    Path("score.toml").write_text('[score]\nlowercase = true\ntokenize = "char"\n')
    by_flag = run("hyp", "--ref", "ref", "--lowercase", "--tokenize", "char")
    assert run("hyp", "--ref", "ref", "--config", "score.toml") == by_flag
    sets = ["--set", "score.lowercase=true", "--set", "score.tokenize=char"]
    assert run("hyp", "--ref", "ref", *sets) == by_flag


def test_standard_input_is_the_default_hypothesis(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_file = run("hyp", "--ref", "ref")
    for arguments in ([], ["-"]):
        stream = io.TextIOWrapper(io.BytesIO(Path("hyp").read_bytes()))
        monkeypatch.setattr("sys.stdin", stream)
        assert run(*arguments, "--ref", "ref") == from_file


def test_compressed_texts_score_as_plain_ones(run: Run) -> None:
    Path("hyp.gz").write_bytes(gzip.compress(Path("hyp").read_bytes()))
    assert run("hyp.gz", "--ref", "ref") == run("hyp", "--ref", "ref")


@pytest.mark.parametrize("width", [[], ["--width", "1"], ["--width", "10"]])
def test_quiet_prints_the_numbers_alone(run: Run, width: list[str]) -> None:
    _, out, _ = run("hyp", "--ref", "ref", *width)
    numbers = "".join(f"{line.split()[1]}\n" for line in out.splitlines())
    assert run("hyp", "--ref", "ref", "-q", *width) == (0, numbers, "")
    assert run("hyp", "--ref", "ref", "--quiet", *width) == (0, numbers, "")


def test_json_holds_the_scores_unrounded(run: Run) -> None:
    metrics = [part for name in METRICS for part in ("--metric", name)]
    status, out, _ = run("hyp", "--ref", "ref", "--ref", "other", *metrics, "--format", "json")
    report = json.loads(out)
    scores = {entry.pop("metric"): Score(**entry) for entry in report.pop("scores")}
    assert scores == corpus_scores(HYP, [REF, OTHER], ScoreConfig(), list(METRICS))
    assert report == {"hypothesis": "hyp", "references": ["ref", "other"], "lines": 3}
    assert status == 0


def test_output_goes_to_a_file(run: Run) -> None:
    _, out, _ = run("hyp", "--ref", "ref")
    assert run("hyp", "--ref", "ref", "--output", "scores") == (0, "", "")
    assert Path("scores").read_text(encoding="utf-8") == out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hyp", "--ref", "hyp"], "hyp is given twice; hypothesis and references must be differ"),
        (["none", "--ref", "ref"], "cannot read none: No such file"),
        (["short", "--ref", "ref"], "short has 2 lines but ref has 3; a score needs one transl"),
        (["empty", "--ref", "ref"], "empty has no lines; a score needs one or more"),
        (["pieces", "--ref", "ref"], "pieces, line 2: BPE pieces (marked '@@') on 1 of 3 lines; "),
        (["hyp", "--ref", "ref", "--set", "score.tokenise=zh"], "unknown setting score.tokenise; "),
    ],
    ids=["same", "missing", "short", "empty", "pieces", "setting"],
)
def test_a_refusal_is_one_line_and_status_1(run: Run, arguments: list[str], message: str) -> None:
    Path("empty").touch()
    Path("short").write_text("a\nb\n")
    Path("pieces").write_text("a\nHello , wo@@ rld !\nb\n")
    status, out, err = run(*arguments)
    assert (status, out) == (1, "")
    assert err.startswith(f"nmt: {message}")
    assert err.count("\n") == 1


def test_a_tokenized_hypothesis_is_warned_about_unless_quiet(run: Run) -> None:
    Path("hyp").write_text("".join(f"{line[:-1]} .\n" for line in HYP))
    assert run("hyp", "--ref", "ref")[2].startswith("hyp, line 1: ends in ' .' unlike")
    assert run("hyp", "--ref", "ref", "-q")[2] == ""


@pytest.mark.parametrize(
    "arguments", [["hyp"], ["hyp", "--ref", "ref", "--metric", "blue"]], ids=["no ref", "metric"]
)
def test_wrong_usage_is_status_2(run: Run, arguments: list[str]) -> None:
    assert run(*arguments)[0] == 2


def test_help_ends_with_an_example(run: Run) -> None:
    status, out, _ = run("--help")
    assert status == 0
    assert "nmt score test.hyp.de --ref test.de\n" in out
