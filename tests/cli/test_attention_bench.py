"""`nmt attention bench` end to end, at sizes that say nothing about speed."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.bench.cells import BASELINE, PASS, STEP, Cell, Figures, Scale
from nmt.bench.plot import TIME, draw, draw_panel
from nmt.bench.report import Report, written
from nmt.cli.attention_bench import save, whole_numbers
from nmt.errors import ConfigError
from nmt.pictures import new_figure, rendered

Command = Callable[..., Any]
TINY = (
    "attention", "bench", "--lengths", "32,16", "--model-size", "16", "--num-heads", "2",
    "--batch-tokens", "32", "--repeats", "1", "--device", "cpu", "--threads", "1",
)  # fmt: skip
MACHINE = {
    "machine": "x86_64", "device": "cpu", "precision": "float32", "threads": 1, "torch": "2",
}  # fmt: skip


def small_report(what: str = "mechanism") -> Report:
    """Make up what was measured: squares against a line, which is cut off at the end."""
    measured = {
        Cell(work, "decoder", n, name): Figures(
            seconds=cost(n),
            peak_bytes=n * 2**20 if work == PASS else None,
            cache_bytes=64 * n if work == STEP else None,
            repeats=3,
        )
        for work in (PASS, STEP)
        for n in (1024, 2048)
        for name, cost in ((BASELINE, lambda n: 1e-6 * n**2), ("linear", lambda n: 1.5e-3 * n))
    }
    measured[Cell(PASS, "decoder", 4096, BASELINE)] = Figures(seconds=16.0, peak_bytes=2**32)
    measured[Cell(PASS, "decoder", 4096, "linear")] = Figures(cut="took longer than 20 s")
    return Report(measured, Scale(what=what), MACHINE, 1024)


def test_a_bench_runs_from_flags_to_files(nmt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # drawing takes seconds
    finished = nmt(*TINY, "--variants", "window,local-m", "--fit-from", "16", "--output", "out")
    assert finished.status == 0, finished.err
    told = json.loads(Path("out/bench.json").read_text())
    assert {(cell["work"], cell["role"]) for cell in told["cells"]} == {
        (work, role) for work in (PASS, STEP) for role in ("decoder", "cross")
    }
    assert {cell["variant"] for cell in told["cells"]} == {BASELINE, "window", "local-m"}
    assert [cell["sentences"] for cell in told["cells"][:4]] == [2, 2, 1, 1]
    assert told["scale"]["model_size"] == 16
    assert told["threads"] == 1
    assert told["command"].startswith("nmt attention bench --lengths 32,16 ")
    assert all(each["time"] is not None for each in told["growth"])
    with Path("out/bench.csv").open(newline="") as stream:
        assert [row["length"] for row in csv.DictReader(stream)] == [
            str(cell["length"]) for cell in told["cells"]
        ]
    assert finished.out.startswith("the whole mechanism, model size 16, 2 heads, float32; ")
    assert finished.out.count("faster than multi-head from") == 4


def test_text_says_growth_crossing_and_cut() -> None:
    text = written(small_report(), "text")
    lines = [line.split() for line in text.split("\n")]
    assert ["length", "1,024", "2,048", "4,096"] in lines
    assert [BASELINE, "1,049", "4,194", "16,000"] in lines
    assert ["linear", "1,536", "3,072", "cut"] in lines
    assert [BASELINE, "2.00", "1.00", "-"] in lines
    assert ["linear", "1.00", "1.00", "1,500"] in lines
    assert ["linear", "64", "64"] in lines
    assert text.endswith("cut: linear, decoder forward-backward, 4,096: took longer than 20 s\n")


def test_what_is_timed_is_said() -> None:
    assert written(small_report("kernel"), "text").startswith(
        "the mechanism with a copy in place of every linear projection, "
    )
    rows = list(csv.DictReader(written(small_report("kernel"), "csv").splitlines()))
    assert {row["what"] for row in rows} == {"kernel"}


def test_never_has_an_end() -> None:
    report = small_report()
    swapped = {
        Cell(each.work, each.role, each.length, "window" if each.variant == BASELINE else BASELINE):
        figures for each, figures in report.measured.items()
    }  # fmt: skip
    text = written(Report(swapped, report.scale, report.machine, 1024), "text")
    assert "never up to 2,048\n" in text


def test_pictures_are_drawn() -> None:
    pytest.importorskip("matplotlib")
    pictures = draw(small_report().measured, "title", ("svg", "png"))
    assert b"</svg>" in pictures["svg"]
    assert pictures["png"].startswith(b"\x89PNG")


def test_axes_say_lengths_and_costs_in_plain_numbers() -> None:
    pytest.importorskip("matplotlib")
    measured = small_report().measured
    cell = next(iter(measured))
    with new_figure((4, 4), "") as figure:
        axis = figure.add_subplot()
        draw_panel(axis, measured, (cell.work, cell.role), TIME)
        rendered(figure, "svg")
        ticks = axis.get_xticklabels(), axis.get_yticklabels()
        across, up = ([text.get_text() for text in labels] for labels in ticks)
        minor = axis.get_xticklabels(minor=True) + axis.get_yticklabels(minor=True)
    assert across == [f"{n:,}" for n in sorted({each.length for each in measured})]
    assert [float(text) for text in up] == sorted(map(float, up))
    assert not minor


def test_without_matplotlib_one_line_says_so_and_tables_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    save(small_report(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"bench.csv", "bench.json"}
    assert caplog.messages == [
        "nmt: a picture needs matplotlib: pip install 'nmt[plot]'; the tables are complete "
        "without it"
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variants", "windw"], "no attention is called 'windw'; did you mean 'window'?"),
        (["--roles", "target"], "--roles: no role is called 'target'; known here"),
        (["--variants", "local-m", "--roles", "decoder"], "'local-m' serves cross only, not "),
        (["--lengths", "16,x"], "--lengths must be whole numbers from 1, with commas, not 'x'"),
        (["--repeats", "0"], "--repeats must be at least 1, not 0"),
        (["--roles", "encoder", "--pass", "step"], "an encoder makes no decoding steps; change "),
        (["--variants", "window", "--output", __file__], f"cannot write {__file__}: File exists"),
    ],
)
def test_a_refusal_is_one_line_and_status_1(
    nmt: Command, arguments: list[str], message: str
) -> None:
    finished = nmt("attention", "bench", *arguments)
    assert (finished.status, finished.out) == (1, "")
    assert message in finished.err
    assert finished.err.count("\n") == 1


@pytest.mark.parametrize("text", ["", "0", "1.5", "-3", "16,,x"])
def test_lengths_must_be_whole(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--lengths must be whole numbers from 1"):
        whole_numbers(text)


def test_help_ends_with_an_example(nmt: Command) -> None:
    assert "Example:\n  nmt attention bench " in nmt("attention", "bench", "--help").out
