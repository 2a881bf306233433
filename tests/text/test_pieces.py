"""Cut text is joined to what it was; what cannot be joined is named."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import DataError
from nmt.text.lines import read_lines, write_lines
from nmt.text.pieces import cut_lines, join_lines

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\u2581")
LINES = st.lists(st.text(CHARACTERS | st.sampled_from(" at1"), max_size=12), max_size=5)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pieces")


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@pytest.mark.parametrize("ids", [False, True])
@settings(max_examples=25)
@given(lines=LINES)
def test_undo_gives_back_what_was_cut(
    learn: Any, folder: Path, kind: str, ids: bool, lines: list[str]
) -> None:
    segmenter = learn(kind=kind, normalization="identity")
    write_lines(folder / "raw", lines)
    write_lines(folder / "cut", cut_lines(folder / "raw", segmenter, ids=ids))
    write_lines(folder / "joined", join_lines(folder / "cut", segmenter, ids=ids))
    assert list(read_lines(folder / "joined")) == lines


def test_ids_are_those_of_the_pieces(learn: Any, folder: Path) -> None:
    segmenter = learn()
    write_lines(folder / "raw", ["the cat", "", "dog"])
    lines = [
        list(map(int, line.split())) for line in cut_lines(folder / "raw", segmenter, ids=True)
    ]
    assert lines == segmenter.encode_lines(["the cat", "", "dog"])


@pytest.mark.parametrize(
    ("line", "ids", "message"),
    [
        ("1 x", True, r"cut, line 2: 'x' is no id; leave out --ids to join pieces"),
        ("-1", True, r"cut, line 2: '-1' is no id"),
        ("300", True, r"cut, line 2: id 300 is beyond the 300 pieces of the model"),
        ("a <0x0A>", False, r"cut, line 2: its pieces hold a line end"),
    ],
)
def test_what_cannot_be_joined_is_named(
    learn: Any, folder: Path, line: str, ids: bool, message: str
) -> None:
    write_lines(folder / "cut", ["", line])
    with pytest.raises(DataError, match=message):
        list(join_lines(folder / "cut", learn(), ids=ids))
