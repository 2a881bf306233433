"""A damaged corpus is refused with what is wrong and how to mend it."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nmt.corpus.encoded import EncodedCorpus
from nmt.errors import DataError
from nmt.files import read_json, write_json
from nmt.text.segmenter import Segmenter

Encoded = Callable[..., EncodedCorpus]


@pytest.fixture
def folder(encoded: Encoded) -> Path:
    return encoded().folder


def edit(folder: Path, **values: object) -> None:
    """Change the record; None takes an entry away."""
    path = folder / "corpus.json"
    table = {**read_json(path), **values}
    write_json(path, {key: each for key, each in table.items() if each is not None})


def shorten(path: Path, count: int) -> None:
    """Lose the last bytes of a file."""
    path.write_bytes(path.read_bytes()[:-count])


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (
        shutil.rmtree,
        "holds no encoded corpus (no corpus.json); make it: nmt encode",
    ),
    "no record": (
        lambda folder: (folder / "corpus.json").unlink(),
        "holds no encoded corpus (no corpus.json); make it: nmt encode",
    ),
    "half a record": (
        lambda folder: shorten(folder / "corpus.json", 20),
        "corpus.json is not JSON: ",
    ),
    "another format": (
        lambda folder: edit(folder, format=3),
        "corpus.json: this version reads formats 1 to 2; encode the corpus again",
    ),
    "a record of another kind": (
        lambda folder: (folder / "corpus.json").write_text("[]"),
        "corpus.json: this version reads formats 1 to 2; encode the corpus again",
    ),
    "an entry less": (
        lambda folder: edit(folder, content=None),
        "'content'); encode the corpus again",
    ),
    "an entry more": (
        lambda folder: edit(folder, extra=1),
        "'extra'); encode the corpus again",
    ),
    "another count": (
        lambda folder: edit(folder, lines=5),
        "source is incomplete; encode the corpus again",
    ),
    "a type that is none": (
        lambda folder: edit(folder, dtype="uint17"),
        "corpus.json is damaged (dtype cannot be so); encode the corpus again",
    ),
    "a record that was edited": (
        lambda folder: (folder / "corpus.json").write_text(
            (folder / "corpus.json").read_text().replace('"lines": 6', '"lines": 5')
        ),
        "corpus.json is damaged or was edited: its checksum is another",
    ),
    "no ids": (
        lambda folder: (folder / "target.ids.bin").unlink(),
        "target.ids.bin: No such file or directory; encode the corpus again",
    ),
    "truncated ids": (
        lambda folder: shorten(folder / "source.ids.bin", 2),
        "source.ids.bin does not fit its offsets; encode the corpus again",
    ),
    "truncated text": (
        lambda folder: shorten(folder / "target.text.bin", 1),
        "target.text.bin does not fit its offsets; encode the corpus again",
    ),
    "truncated offsets": (
        lambda folder: shorten(folder / "source.text.offsets.bin", 8),
        "source.text.bin does not fit its offsets; encode the corpus again",
    ),
    "text of fewer lines": (
        lambda folder: (
            [
                shutil.copy(folder / f"source.ids.{kind}", folder / f"target.text.{kind}")
                for kind in ("bin", "offsets.bin")
            ]
            and (folder / "target.text.offsets.bin").write_bytes(
                b"\0" * 8 + (folder / "target.text.bin").stat().st_size.to_bytes(8, "little")
            )
        ),
        "target is incomplete; encode the corpus again",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_corpus_is_refused_with_what_is_wrong(folder: Path, damage: str) -> None:
    harm, message = DAMAGES[damage]
    harm(folder)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        EncodedCorpus(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_corpus_of_the_format_before_is_read_alike(folder: Path) -> None:
    new = EncodedCorpus(folder)
    expected = [new.longest(side) for side in ("source", "target")]
    edit(folder, format=1, longest=None, tags=None)
    old = EncodedCorpus(folder)
    assert [old.longest(side) for side in ("source", "target")] == expected
    assert expected == [int(old.lengths(side).max()) for side in ("source", "target")]
    assert old.num_tags("source", 0) == 0


def test_the_segmenter_must_be_the_one_that_made_the_ids(
    folder: Path, other_segmenter: Segmenter
) -> None:
    corpus = EncodedCorpus(folder)
    other_segmenter.save(corpus.segmenter_path("target"))
    with pytest.raises(DataError, match=r"target.model is not the segmenter that made this corpus"):
        corpus.segmenter_path("target")
    (folder / "source.model").unlink()
    with pytest.raises(DataError, match=r"source.model is missing; encode the corpus again"):
        corpus.segmenter_path("source")


def test_all_of_a_corpus_is_compared_with_what_was_encoded(folder: Path) -> None:
    EncodedCorpus(folder).refuse_damage()
    edit(folder, format=1, longest=None, tags=None)
    EncodedCorpus(folder).refuse_damage()


@pytest.mark.parametrize("name", ["source.ids.bin", "target.text.bin", "target.ids.offsets.bin"])
def test_one_bit_is_found_by_looking_at_all(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[8] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(
        DataError, match=r"is damaged: its ids and texts are not those|damaged; enc"
    ):
        EncodedCorpus(folder).refuse_damage()


def test_text_that_is_no_text_and_offsets_out_of_order_are_refused(folder: Path) -> None:
    text = folder / "source.text.bin"
    text.write_bytes(b"\xff" * text.stat().st_size)
    corpus = EncodedCorpus(folder)
    for read in (lambda: corpus.line("source", 1), lambda: corpus.lines("source", 1, 3)):
        with pytest.raises(DataError, match=r"the source of line 2 is damaged; encode the corpus"):
            read()
    offsets = np.fromfile(folder / "source.ids.offsets.bin", "int64")
    offsets[[1, 2]] = offsets[[2, 1]]
    offsets.tofile(folder / "source.ids.offsets.bin")
    corpus = EncodedCorpus(folder)
    for read in (lambda: corpus.lengths_of("source", np.arange(3)), corpus.refuse_damage):
        with pytest.raises(
            DataError, match=r"source\.ids\.offsets\.bin is damaged; encode the cor"
        ):
            read()


def test_many_lines_are_what_each_is(encoded: Encoded) -> None:
    corpus = encoded()
    for begin, end in ((0, len(corpus)), (1, 2), (1, 1)):
        expected = [corpus.line("target", number) for number in range(begin, end)]
        assert corpus.lines("target", begin, end) == expected
