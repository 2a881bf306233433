"""Sequences of unequal length come back from disk as they were."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.corpus.store import Ragged, RaggedWriter
from nmt.errors import DataError

LARGEST = {"uint8": 2**8 - 1, "uint16": 2**16 - 1, "uint32": 2**32 - 1}


def write(folder: Path, dtype: str, sequences: list[list[int]]) -> None:
    with RaggedWriter(folder, "x", dtype) as writer:
        for sequence in sequences:
            writer.append(np.array(sequence, np.int64))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(dtype=st.sampled_from(sorted(LARGEST)), data=st.data())
def test_sequences_come_back_as_they_were(dtype: str, data: st.DataObject) -> None:
    numbers = st.integers(0, LARGEST[dtype])
    sequences = data.draw(st.lists(st.lists(numbers, max_size=5), max_size=6))
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), dtype, sequences)
        ragged = Ragged(Path(folder), "x", dtype)
        assert len(ragged) == len(sequences)
        assert [ragged[number].tolist() for number in range(len(ragged))] == sequences
        assert ragged.lengths().tolist() == [len(each) for each in sequences]
        assert all(ragged[number].dtype == dtype for number in range(len(ragged)))


def test_many_at_once_are_written_as_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.corpus.store.AT_ONCE", 2)
    parts: list[list[list[int]]] = [[[1, 2], [], [3]], [], [[4], [5, 6, 7]]]
    write(tmp_path, "uint16", [each for part in parts for each in part])
    one_by_one = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    with RaggedWriter(tmp_path, "x", "uint16") as writer:
        for part in parts:
            flat = np.array([value for each in part for value in each], np.uint16)
            writer.extend(flat, np.array([len(each) for each in part], np.int64))
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == one_by_one
    ragged = Ragged(tmp_path, "x", "uint16")
    assert ragged.longest() == 3
    assert ragged.lengths_of(np.array([4, 0, 0, 1, 2])).tolist() == [3, 2, 2, 0, 1]


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "uint16", [[1, 2], [3]])
    ragged = Ragged(tmp_path, "x", "uint16")
    assert isinstance(ragged.values, np.memmap)
    assert isinstance(ragged.offsets, np.memmap)
    assert not ragged.values.flags.writeable


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.bin", b"", r"x.bin does not fit its offsets; encode the corpus again"),
        ("x.bin", b"\0\0", r"x.bin does not fit its offsets; encode the corpus again"),
        ("x.bin", b"\0\0\0", r"cannot read .*/x.bin: .*; encode the corpus again"),
        ("x.bin", None, r"cannot read .*/x.bin: No such file or directory; encode the corpus"),
        ("x.offsets.bin", b"", r"x.bin does not fit its offsets; encode the corpus again"),
        ("x.offsets.bin", b"\0" * 16, r"x.bin does not fit its offsets; encode the corpus again"),
        ("x.offsets.bin", b"\0" * 9, r"cannot read .*/x.offsets.bin: .*; encode the corpus again"),
        ("x.offsets.bin", None, r"cannot read .*/x.offsets.bin: No such file or directory; enc"),
    ],
)
def test_a_damaged_file_is_named(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    write(tmp_path, "uint16", [[1, 2], [3]])
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        Ragged(tmp_path, "x", "uint16")


def test_a_type_that_is_none_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "uint16", [[1, 2], [3]])
    with pytest.raises(DataError, match=r"cannot read .*/x.bin: .*; encode the corpus again"):
        Ragged(tmp_path, "x", "uint17")
