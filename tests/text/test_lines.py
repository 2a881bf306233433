"""Lines come back as they were written; whatever is wrong with a text is named by line."""

import gzip
import io
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import DataError
from nmt.text.lines import open_output, read_lines, read_pairs, read_tsv, write_lines

LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), max_size=9)
LINES = st.lists(LINE, max_size=5)
ODD_ENDS = ["a\x0bb", "a\x0cb", "a\x1cb", "a\x85b", "a\u2028b", "a\u2029b", ""]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lines")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return tmp_path / "text"


@pytest.mark.parametrize("name", ["text", "text.gz", "text.xz"])
@settings(max_examples=25)  # each of them waits for the disk
@given(lines=LINES)
def test_lines_come_back(folder: Path, name: str, lines: list[str]) -> None:
    assert write_lines(folder / name, iter(lines)) == len(lines)
    assert list(read_lines(folder / name)) == lines


def test_endings_of_names_are_formats(folder: Path) -> None:
    for name in ("a", "a.gz", "a.xz"):
        write_lines(folder / name, ["é", ""])
    assert (folder / "a").read_bytes() == "é\n\n".encode()
    assert gzip.decompress((folder / "a.gz").read_bytes()) == (folder / "a").read_bytes()
    assert lzma.decompress((folder / "a.xz").read_bytes()) == (folder / "a").read_bytes()


@pytest.mark.parametrize("ending", ["", ".gz", ".xz"])
def test_the_same_lines_give_the_same_bytes(folder: Path, ending: str) -> None:
    for name in ("one", "two"):
        write_lines(folder / f"{name}{ending}", ["a", "b"])
    assert (folder / f"one{ending}").read_bytes() == (folder / f"two{ending}").read_bytes()


def test_standard_input_and_output(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("é\n\nb".encode())))
    assert write_lines("-", read_lines("-")) == 3
    assert capsysbinary.readouterr().out == "é\n\nb\n".encode()


def test_only_a_newline_ends_a_line(text: Path) -> None:
    write_lines(text, ODD_ENDS)
    assert list(read_lines(text)) == ODD_ENDS


@pytest.mark.parametrize(
    ("content", "lines"),
    [(b"", []), (b"\n", [""]), (b"a", ["a"]), (b"a\nb", ["a", "b"]), (b"a\n\n", ["a", ""])],
)
def test_a_last_line_may_lack_its_end(text: Path, content: bytes, lines: list[str]) -> None:
    text.write_bytes(content)
    assert list(read_lines(text)) == lines


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\nb\xff\n", "text, line 2: byte 2 (0xff) is not UTF-8; convert the file with iconv"),
        (b"caf\xc3", "text, line 1: byte 4 (0xc3) is not UTF-8; convert the file with iconv"),
        (b"\xed\xa0\x80\n", "text, line 1: byte 1 (0xed) is not UTF-8; convert the file"),
        (b"a\nb\r\n", "text, line 2: a carriage return at character 2; lines end in \\n alone"),
        (b"\xc3\xa9a\rb\n", "text, line 1: a carriage return at character 3; lines end in"),
    ],
)
def test_what_is_no_text_is_named_by_line(text: Path, content: bytes, message: str) -> None:
    text.write_bytes(content)
    with pytest.raises(DataError) as refused:
        list(read_lines(text))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_carriage_returns_are_kept_where_they_are_wanted(text: Path) -> None:
    text.write_bytes(b"a\r\nb\rc\td\r\n")
    assert list(read_lines(text, strict=False)) == ["a\r", "b\rc\td\r"]
    assert list(read_pairs(text, text, strict=False)) == [("a\r", "a\r"), ("b\rc\td\r",) * 2]
    text.write_bytes(b"a\tb\r\n")
    assert list(read_tsv(text, strict=False)) == [("a", "b\r")]


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*none: No such file or directory"):
        list(read_lines(tmp_path / "none"))
    with pytest.raises(DataError, match=r"cannot read .*: Is a directory"):
        list(read_lines(tmp_path))


@pytest.mark.parametrize("ending", [".gz", ".xz"])
@pytest.mark.parametrize("damage", ["truncated", "changed", "another format", "empty", "zeros"])
def test_damaged_compression_is_refused(tmp_path: Path, ending: str, damage: str) -> None:
    path = tmp_path / f"text{ending}"
    write_lines(path, [f"{number * number}" for number in range(999)])
    content = path.read_bytes()
    path.write_bytes(
        {
            "truncated": content[:-20],
            "changed": content[:60] + bytes(40) + content[100:],
            "another format": b"plain\n",
            "empty": b"",
            "zeros": bytes(512) + content[512:],  # the head of an older format, to the library
        }[damage]
    )
    with pytest.raises(DataError, match=rf"cannot read .*text{ending}: \w+"):
        list(read_lines(path))


@settings(max_examples=25)
@given(lines=LINES)
def test_pairs_are_lines_side_by_side(folder: Path, lines: list[str]) -> None:
    write_lines(folder / "source", lines)
    write_lines(folder / "target", reversed(lines))
    pairs = list(read_pairs(folder / "source", folder / "target"))
    assert pairs == list(zip(lines, reversed(lines), strict=True))


@pytest.mark.parametrize(("longer", "shorter"), [(3, 1), (2, 0), (1500, 2)])
def test_unequal_texts_are_refused_with_both_counts(
    tmp_path: Path, longer: int, shorter: int
) -> None:
    write_lines(tmp_path / "long", ["a"] * longer)
    write_lines(tmp_path / "short", ["a"] * shorter)
    with pytest.raises(DataError, match=rf"long has {longer:,} lines but .*short has {shorter:,};"):
        list(read_pairs(tmp_path / "long", tmp_path / "short"))
    with pytest.raises(DataError, match=rf"short has {shorter:,} lines but .*long has {longer:,};"):
        list(read_pairs(tmp_path / "short", tmp_path / "long"))


def test_two_texts_cannot_both_be_standard_input() -> None:
    with pytest.raises(DataError, match="only one of two parallel texts can be read from standard"):
        list(read_pairs("-", "-"))


def test_columns_come_back(text: Path) -> None:
    write_lines(text, ["a\tb", "\t", " c \t"])
    assert list(read_tsv(text)) == [("a", "b"), ("", ""), (" c ", "")]


@pytest.mark.parametrize(("line", "columns"), [("a", 1), ("", 1), ("a\tb\tc", 3)])
def test_a_line_without_two_columns_is_refused(text: Path, line: str, columns: int) -> None:
    write_lines(text, ["a\tb", line])
    with pytest.raises(DataError, match=rf"text, line 2: {columns} columns, but parallel TSV need"):
        list(read_tsv(text))


def test_a_line_with_an_end_inside_is_not_written(text: Path) -> None:
    with pytest.raises(DataError, match=r"a line may not hold a line end: 'a\\nb'"):
        write_lines(text, ["a\nb"])
    assert not text.exists()


@pytest.mark.parametrize("ending", ["", ".gz", ".xz"])
def test_a_failure_midway_leaves_the_old_text(tmp_path: Path, ending: str) -> None:
    def lines() -> Iterator[str]:
        yield "new"
        raise RuntimeError("midway")

    path = tmp_path / f"text{ending}"
    write_lines(path, ["old"])
    with pytest.raises(RuntimeError, match="midway"):
        write_lines(path, lines())
    assert list(read_lines(path)) == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_text_may_replace_the_one_it_is_made_from(text: Path) -> None:
    write_lines(text, ["a", "b"])
    write_lines(text, (line * 2 for line in read_lines(text)))
    assert list(read_lines(text)) == ["aa", "bb"]


def test_an_output_stream_is_whole_or_absent(tmp_path: Path) -> None:
    def write(stream: IO[bytes]) -> None:
        stream.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), open_output(tmp_path / "text.gz") as stream:
        write(stream)
    assert not list(tmp_path.iterdir())
