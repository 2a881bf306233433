"""Texts that cannot be compared fairly are refused before a score is computed."""

import gzip
import io
import logging
import lzma
from pathlib import Path

import pytest

from nmt.errors import DataError
from nmt.scoring.checks import (
    read_checked,
    read_material,
    refuse_same_file,
    refuse_uneven,
    warn_tokenized,
)  # fmt: skip
from nmt.scoring.texts import Text

DIFFER = "hypothesis and references must be different files"


def write(folder: Path, **texts: list[str]) -> None:
    for name, lines in texts.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_compressed_texts_read_as_plain_ones(tmp_path: Path) -> None:
    write(tmp_path, hyp=["eins", ""], ref=["one", "two"])
    (tmp_path / "hyp.gz").write_bytes(gzip.compress((tmp_path / "hyp").read_bytes()))
    (tmp_path / "ref.xz").write_bytes(lzma.compress((tmp_path / "ref").read_bytes()))
    plain, (reference,) = read_checked("hyp", ["ref"])
    packed, (packed_reference,) = read_checked("hyp.gz", ["ref.xz"])
    assert (packed.lines, packed_reference.lines) == (plain.lines, reference.lines)
    assert (packed.name, packed_reference.name) == ("hyp.gz", "ref.xz")


@pytest.mark.parametrize(("path", "name"), [("hyp", "hyp"), ("-", "standard input")])
def test_a_path_given_twice_is_refused(path: str, name: str) -> None:
    with pytest.raises(DataError, match=f"^{name} is given twice; {DIFFER}$"):
        refuse_same_file([path, path])


def test_one_file_by_two_names_is_refused(tmp_path: Path) -> None:
    write(tmp_path, ref=["one"], hyp=["eins"])
    (tmp_path / "link").symlink_to("ref")
    for references in (["ref", "link"], ["link", "./ref"]):
        message = f"^{references[0]} and {references[1]} are the same file; {DIFFER}$"
        with pytest.raises(DataError, match=message):
            read_checked("hyp", references)


def test_the_reference_redirected_to_standard_input_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, ref=["one"])
    with (tmp_path / "ref").open(encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdin", stream)
        with pytest.raises(DataError, match=f"^standard input and ref are the same file; {DIFFER}"):
            read_checked("-", ["ref"])


def test_files_of_the_same_content_are_different_files(tmp_path: Path) -> None:
    write(tmp_path, hyp=["one"], ref=["one"])
    assert read_checked("hyp", ["ref"])[0].lines == ["one"]


def test_standard_input_without_a_file_behind_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, ref=["one"])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"eins\n")))
    assert read_checked("-", ["ref"])[0] == Text("standard input", ["eins"])


def test_different_counts_are_refused_naming_both() -> None:
    long = Text("hyp", ["x"] * 1001)
    message = (
        "^hyp has 1,001 lines but ref2 has 1,000; "
        "a score needs one translation for each reference line$"
    )
    with pytest.raises(DataError, match=message):
        refuse_uneven(long, [Text("ref1", ["x"] * 1001), Text("ref2", ["x"] * 1000)])


@pytest.mark.parametrize(("hypothesis", "name"), [([], "hyp"), (["x"], "ref")])
def test_a_text_without_lines_is_refused(hypothesis: list[str], name: str) -> None:
    with pytest.raises(DataError, match=f"^{name} has no lines; a score needs one or more$"):
        refuse_uneven(Text("hyp", hypothesis), [Text("ref", [])])


def test_no_reference_is_refused() -> None:
    with pytest.raises(DataError, match=r"^hyp has no reference; a score needs one or more$"):
        refuse_uneven(Text("hyp", ["x"]), [])


def test_a_tokenized_hypothesis_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    hypothesis = Text("hyp", ["Gut .", "Ja .", "Wie ?"])
    with caplog.at_level(logging.WARNING):
        warn_tokenized(hypothesis, [Text("ref", ["Gut .", "Ja.", "Wie?"])])
    assert caplog.messages == [
        "hyp, line 2: ends in ' .' unlike its reference, as on 1 of 3 lines; "
        "if this text is tokenized, undo that before scoring"
    ]


def test_a_hypothesis_tokenized_like_its_reference_is_not(caplog: pytest.LogCaptureFixture) -> None:
    hypothesis = Text("hyp", ["Gut .", "Ja ."])
    with caplog.at_level(logging.WARNING):
        warn_tokenized(hypothesis, [Text("r1", ["Gut.", "Ja."]), Text("r2", hypothesis.lines)])
        warn_tokenized(Text("h", ["x ."] + ["x."] * 9), [Text("r", ["x."] * 10)])  # one in ten
    assert not caplog.messages


def test_all_texts_of_a_comparison_are_read(tmp_path: Path) -> None:
    write(tmp_path, a=["eins", "zwei"], b=["ein", "zwo"], ref=["one", "two"])
    write(tmp_path, src=["1", "2"], docs=["d", "d"])
    material = read_material(["a", "b"], ["ref"], "src", "docs")
    assert [text.name for text in material.systems] == ["a", "b"]
    assert material.source
    assert material.source.lines == ["1", "2"]
    assert material.documents
    assert material.documents.lines == ["d", "d"]
    assert read_material(["a"], ["ref"]).source is None


@pytest.mark.parametrize("role", ["source", "documents"])
def test_a_text_beside_the_hypothesis_needs_as_many_lines(tmp_path: Path, role: str) -> None:
    write(tmp_path, hyp=["eins"], ref=["one"], long=["1", "2"])
    message = "^long has 2 lines but hyp has 1; each needs as many as the other$"
    with pytest.raises(DataError, match=message):
        read_material(["hyp"], ["ref"], **{role: "long"})


@pytest.mark.parametrize(
    ("hypotheses", "source"), [(["hyp", "hyp"], None), (["hyp"], "hyp")], ids=["system", "source"]
)
def test_no_file_plays_two_parts(tmp_path: Path, hypotheses: list[str], source: str | None) -> None:
    write(tmp_path, hyp=["eins"], ref=["one"])
    with pytest.raises(DataError, match=f"^hyp is given twice; {DIFFER}$"):
        read_material(hypotheses, ["ref"], source)


def test_each_system_is_checked(tmp_path: Path) -> None:
    write(tmp_path, a=["eins"], b=["▁ein s"], c=["eins", "zwei"], ref=["one"])
    with pytest.raises(DataError, match=r"^b, line 1: SentencePiece pieces"):
        read_material(["a", "b"], ["ref"])
    with pytest.raises(DataError, match=r"^c has 2 lines but ref has 1"):
        read_material(["a", "c"], ["ref"])


def test_a_copy_of_the_reference_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, hyp=["one"], ref=["one"], other=["two"])
    read_material(["other"], ["ref"])
    assert caplog.messages == []
    read_material(["hyp"], ["other", "ref"])
    assert caplog.messages == ["hyp holds the very lines of ref"]
