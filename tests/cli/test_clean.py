"""`nmt clean` end to end."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.cli.clean import clean
from nmt.text.clean import REASONS

Command = Callable[..., Any]

PAIRS = [
    ("A house.", "Ein Haus."),
    ("", "Leer."),
    ("A house.", "Ein Haus."),
    ("A\x07 bell.", "Eine Glocke."),
    ("Berlin", "Berlin"),
    ("A tree.", "Дерево."),
    ("One two three four", "Eins"),
    ("A dog.", "Ein Hund."),
]
KEPT = [PAIRS[0], PAIRS[7]]
OPTIONS = ("--target-script", "Latin", "--max-word-ratio", "3")
TWO = ("clean", "a.en", "a.de", "--output-source", "b.en", "--output-target", "b.de")
TSV = ("clean", "--tsv", "a.tsv", "--output-tsv", "b.tsv")
REASONS_FILE = ("--reasons", "why.tsv")


@pytest.fixture(autouse=True)
def texts(nmt: Command) -> None:
    Path("a.en").write_text(text_of([source for source, _ in PAIRS]))
    Path("a.de").write_text(text_of([target for _, target in PAIRS]))
    Path("a.tsv").write_text(text_of(["\t".join(pair) for pair in PAIRS]))


def text_of(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def test_pairs_are_kept_or_recorded(nmt: Command) -> None:
    finished = nmt(*TWO, *REASONS_FILE, *OPTIONS)
    assert (finished.status, finished.out) == (0, "")
    assert Path("b.en").read_text() == text_of([source for source, _ in KEPT])
    assert Path("b.de").read_text() == text_of([target for _, target in KEPT])
    records = [line.split("\t") for line in Path("why.tsv").read_text().splitlines()]
    assert [record[:2] for record in records] == [
        ["2", "empty"],
        ["3", "duplicate"],
        ["4", "control"],
        ["5", "identical"],
        ["6", "script"],
        ["7", "word-ratio"],
    ]
    assert [tuple(record[3:]) for record in records] == PAIRS[1:7]


def test_both_forms_of_text_are_cleaned_alike(nmt: Command) -> None:
    one = nmt(*TWO, *REASONS_FILE, *OPTIONS)
    reasons = Path("why.tsv").read_text()
    other = nmt(*TSV, *REASONS_FILE, *OPTIONS)
    assert other == one
    assert Path("why.tsv").read_text() == reasons
    assert Path("b.tsv").read_text() == text_of(["\t".join(pair) for pair in KEPT])


def test_the_summary_goes_to_standard_error_unless_quiet(nmt: Command) -> None:
    finished = nmt(*TWO, *REASONS_FILE)
    assert [line.split() for line in finished.err.splitlines()] == [
        ["empty", "1", "12.5%"],
        ["control", "1", "12.5%"],
        ["identical", "1", "12.5%"],
        ["duplicate", "1", "12.5%"],
        ["kept", "4", "50.0%"],
    ]
    assert nmt(*TWO, *REASONS_FILE, "--quiet").err == ""


def test_streams_and_compression(nmt: Command) -> None:
    finished = nmt(
        "clean", "-", "a.de", "--output-source", "-", "--output-target", "b.de.gz", "--reasons",
        "/dev/null", *OPTIONS, stdin=Path("a.en").read_text(),
    )  # fmt: skip
    assert finished.out == text_of([source for source, _ in KEPT])
    assert gzip.decompress(Path("b.de.gz").read_bytes()).decode() == text_of(
        [target for _, target in KEPT]
    )


def test_windows_line_ends_are_a_reason_not_an_error(nmt: Command) -> None:
    Path("a.tsv").write_text("A house.\tEin Haus.\r\nA dog.\tEin Hund.\n")
    assert nmt(*TSV, *REASONS_FILE).status == 0
    assert Path("b.tsv").read_text() == "A dog.\tEin Hund.\n"
    assert Path("why.tsv").read_text() == (
        "1\tcontrol\ttarget: windows line end\tA house.\tEin Haus.\\r\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--config", "none"), "cannot read settings from none: No such file or directory"),
        (
            ("--set", "clean.max_word=9"),
            "unknown setting clean.max_word; did you mean 'max_words'?",
        ),
        (
            ("--source-script", "Latn1"),
            "clean.source_script: 'Latn1' is no Unicode script; "
            "write for example Latin, Cyrillic or Han",
        ),
    ],
)
def test_a_wrong_setting_is_one_line_and_leaves_nothing(
    nmt: Command, arguments: tuple[str, ...], message: str
) -> None:
    finished = nmt(*TWO, *REASONS_FILE, *arguments)
    assert finished == (1, "", f"nmt: {message}\n")
    assert sorted(map(str, Path().iterdir())) == ["a.de", "a.en", "a.tsv"]


def test_texts_of_unequal_length_leave_the_old_files(nmt: Command) -> None:
    Path("a.de").write_text("Ein Haus.\n")
    for name in ("b.en", "b.de", "why.tsv"):
        Path(name).write_text("old\n")
    finished = nmt(*TWO, *REASONS_FILE)
    assert finished.status == 1
    assert finished.err.startswith("nmt: a.en has 8 lines but a.de has 1;")
    assert [Path(name).read_text() for name in ("b.en", "b.de", "why.tsv")] == ["old\n"] * 3
    assert len(list(Path().iterdir())) == 6


def test_outputs_that_share_a_file_are_refused(nmt: Command) -> None:
    finished = nmt(*TWO, "--reasons", "b.en")
    assert finished == (
        1, "", "nmt: two outputs would be written to b.en; give each its own file\n"
    )  # fmt: skip
    assert not Path("b.en").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("clean", "a.en", *TWO[3:]),
            "give SOURCE and TARGET, or --tsv and one file with both sides",
        ),
        ((*TWO, "--tsv"), "give SOURCE and TARGET, or --tsv and one file with both sides"),
        (TWO[:5], "this input needs --output-source and --output-target, and no other"),
        ((*TWO, "--output-tsv", "b.tsv"), "this input needs --output-source and --output-target"),
        (TSV[:3], "this input needs --output-tsv, and no other output but --reasons"),
        ((*TSV, "--output-source", "b.en"), "this input needs --output-tsv, and no other"),
    ],
)
def test_files_that_do_not_fit_together_are_a_usage_error(
    nmt: Command, arguments: tuple[str, ...], message: str
) -> None:
    finished = nmt(*arguments, *REASONS_FILE)
    assert finished.status == 2
    assert f"Error: {message}" in finished.err
    assert sorted(map(str, Path().iterdir())) == ["a.de", "a.en", "a.tsv"]


def test_help_names_the_rules_in_their_order_and_ends_with_an_example(nmt: Command) -> None:
    assert clean.help is not None
    assert ", ".join(REASONS) in " ".join(clean.help.split())
    assert "Example:\n  nmt clean " in nmt("clean", "--help").out
