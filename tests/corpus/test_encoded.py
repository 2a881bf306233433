"""A damaged corpus is refused with what is wrong and how to mend it."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.corpus.encoded import EncodedCorpus
from nmt.errors import DataError
from nmt.text.segmenter import Segmenter

Encoded = Callable[..., EncodedCorpus]


@pytest.fixture
def folder(encoded: Encoded) -> Path:
    return encoded().folder


def edit(folder: Path, **values: object) -> None:
    """Change the record; None takes an entry away."""
    path = folder / "corpus.json"
    table = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({key: each for key, each in table.items() if each is not None}))


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
        "source.ids.bin: ",
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


def test_many_lines_are_what_each_is(encoded: Encoded) -> None:
    corpus = encoded()
    for begin, end in ((0, len(corpus)), (1, 2), (1, 1)):
        expected = [corpus.line("target", number) for number in range(begin, end)]
        assert corpus.lines("target", begin, end) == expected
