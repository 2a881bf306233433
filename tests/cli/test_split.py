"""`nmt split` end to end."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

TWO = ("split", "a.en", "a.de", "--output", "parts")
SIZES = ("--dev", "2", "--test", "8")
FILES = [
    "dev.source", "dev.target", "dropped.tsv", "test.source", "test.target", "train.source",
    "train.target",
]  # fmt: skip


@pytest.fixture(autouse=True)
def texts(nmt: Command) -> None:
    """Write fifty pairs, in which every source occurs twice."""
    sources = [f"source line {number % 25}" for number in range(50)]
    targets = [f"target line {number}" for number in range(50)]
    Path("a.en").write_text("".join(f"{line}\n" for line in sources))
    Path("a.de").write_text("".join(f"{line}\n" for line in targets))
    pairs = zip(sources, targets, strict=True)
    Path("a.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in pairs))


def written() -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(Path("parts").iterdir())}


def test_the_sets_are_written_and_counted(nmt: Command) -> None:
    finished = nmt(*TWO, *SIZES)
    lines = {name: text.count("\n") for name, text in written().items()}
    assert list(lines) == FILES
    assert (lines["dev.source"], lines["test.source"], sum(lines.values())) == (2, 8, 90)
    assert (finished.status, finished.out) == (0, "")
    assert finished.err.splitlines() == [
        "parts/train: 30 pairs",
        "parts/dev: 2 pairs",
        "parts/test: 8 pairs",
        "dropped 10 pairs: source-held-out (parts/dropped.tsv)",
    ]


def test_all_forms_of_text_are_split_alike(nmt: Command) -> None:
    nmt(*TWO, *SIZES)
    expected = written()
    Path("a.en.gz").write_bytes(gzip.compress(Path("a.en").read_bytes()))
    Path("settings.toml").write_text("[split]\ndev = 2\ntest = 8\n")
    for number, arguments in enumerate(
        [("--tsv", "a.tsv", *SIZES), ("a.en.gz", "a.de", "--config", "settings.toml")]
    ):
        Path("parts").rename(f"before-{number}")
        assert nmt("split", *arguments, "--output", "parts").status == 0
        assert written() == expected


def test_quiet_says_nothing(nmt: Command) -> None:
    assert nmt(*TWO, *SIZES, "--quiet") == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-", "a.de"), "standard input can be read only once, but a split reads its text twice; "),
        (("a.en", "none"), "cannot read none: No such file or directory"),
        (("a.en", "a.tsv", "--set", "split.dve=2"), "unknown setting split.dve; did you mean 'dev"),
        (("a.en", "short"), "a.en has 50 lines but short has 1; parallel texts need as many"),
        (("a.en", "a.de", "--test", "30"), "split.dev + split.test = 32, but the text has 50 pair"),
    ],
)
def test_a_refusal_is_one_line_and_leaves_nothing(
    nmt: Command, arguments: tuple[str, ...], message: str
) -> None:
    Path("short").write_text("a\n")
    finished = nmt("split", "--output", "parts", *SIZES, *arguments)
    assert (finished.status, finished.out) == (1, "")
    assert finished.err.startswith(f"nmt: {message}")
    assert finished.err.count("\n") == 1
    assert sorted(map(str, Path().iterdir())) == ["a.de", "a.en", "a.tsv", "short"]


def test_what_stands_where_the_folder_would_is_left_alone(nmt: Command) -> None:
    finished = nmt("split", "a.en", "a.de", "--output", "a.tsv", *SIZES)
    assert finished == (1, "", "nmt: a.tsv exists already; choose another name or remove it\n")


@pytest.mark.parametrize("arguments", [("a.en",), ("a.en", "a.de", "--tsv")])
def test_texts_that_do_not_fit_together_are_a_usage_error(
    nmt: Command, arguments: tuple[str, ...]
) -> None:
    finished = nmt("split", *arguments, "--output", "parts")
    assert finished.status == 2
    assert "give SOURCE and TARGET, or --tsv and one file with both sides" in finished.err


def test_help_ends_with_an_example(nmt: Command) -> None:
    assert "Example:\n  nmt split " in nmt("split", "--help").out
