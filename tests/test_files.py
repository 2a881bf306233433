"""Files and folders are whole or absent."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from nmt.errors import DataError
from nmt.files import (
    atomic_folder,
    atomic_write,
    point,
    read_json,
    sha256,
    write_json,
    write_sealed,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def test_a_file_appears_when_it_is_complete(path: Path) -> None:
    with atomic_write(path) as stream:
        stream.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), DataError("x")])
def test_a_failure_leaves_the_old_file(path: Path, error: BaseException) -> None:
    path.write_bytes(b"old")
    with pytest.raises(type(error)), atomic_write(path) as stream:
        stream.write(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_is_named(path: Path) -> None:
    path.write_bytes(b"old")
    with (
        pytest.raises(DataError, match=r"cannot write .*file: No space left on device"),
        atomic_write(path),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_bytes() == b"old"


def test_a_reader_that_left_is_no_fault_of_the_file(path: Path) -> None:
    with pytest.raises(BrokenPipeError), atomic_write(path):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
    assert not path.exists()


def test_a_folder_and_a_missing_folder_are_refused_at_once(tmp_path: Path, path: Path) -> None:
    for place, reason in ((tmp_path, "Is a directory"), (path / "a", "No such file")):
        with pytest.raises(DataError, match=f"cannot write {place}: {reason}"), atomic_write(place):
            raise AssertionError("nothing may be computed for such an output")
    with pytest.raises(DataError, match="cannot write"), atomic_write(""):
        raise AssertionError("nothing may be computed for such an output")


def test_a_device_is_written_as_it_stands() -> None:
    with atomic_write("/dev/null") as stream:
        stream.write(b"gone")
    assert Path("/dev/null").is_char_device()


def test_a_pipe_is_written_as_it_stands(path: Path) -> None:
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(path) as stream:
        stream.write(b"through")
    assert os.read(reader, 99) == b"through"
    os.close(reader)
    assert path.is_fifo()


def test_a_folder_appears_when_it_is_complete(path: Path) -> None:
    with atomic_folder(path) as aside:
        (aside / "below").mkdir()
        (aside / "below" / "file").write_text("new")
        assert not path.exists()
    assert (path / "below" / "file").read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_is_replaced_only_when_asked(path: Path) -> None:
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(DataError, match="exists already; choose another name"), atomic_folder(path):
        raise AssertionError("nothing may be computed for such an output")
    with atomic_folder(path, replace=True) as aside:
        (aside / "new").touch()
    assert [entry.name for entry in path.iterdir()] == ["new"]
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_folder(path: Path) -> None:
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(ValueError, match="midway"), atomic_folder(path, replace=True) as aside:
        (aside / "new").touch()
        raise ValueError("midway")
    assert [entry.name for entry in path.iterdir()] == ["old"]
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_named(path: Path) -> None:
    path.touch()
    with pytest.raises(DataError, match=r"cannot write .*file/run: Not a dir"):  # noqa: SIM117
        with atomic_folder(path / "run"):
            raise AssertionError("nothing may be computed for such an output")


def test_a_link_is_relative_and_replaced(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        point(tmp_path / "best", tmp_path / "runs" / name)
        assert (tmp_path / "best").resolve() == tmp_path / "runs" / name
        assert (tmp_path / "best").readlink() == Path("runs") / name
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["best", "runs"]


@pytest.mark.parametrize("value", [None, {"é": [1, 2.5, "x"], "nested": {}}, [], "text"])
def test_json_comes_back(path: Path, value: object) -> None:
    write_json(path, value)
    assert read_json(path) == value


def test_json_that_cannot_be_read_is_named(path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*file: No such file"):
        read_json(path)
    for content in (b"{", b"\xff"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"file is not JSON: "):
            read_json(path)


def test_a_hash_is_that_of_the_content(path: Path) -> None:
    path.write_bytes(b"content")
    assert sha256(path) == hashlib.sha256(b"content").hexdigest()


def test_a_sealed_object_comes_back_without_its_checksum(path: Path) -> None:
    table = {"a": [1, 2.5, None, "größe"], "b": {"c": True}}
    write_sealed(path, table)
    assert read_json(path) == table
    write_sealed(path, {**table, "checksum": "of before"})
    assert read_json(path) == table


def test_a_sealed_object_that_was_edited_is_refused(path: Path) -> None:
    write_sealed(path, {"lines": 120})
    path.write_text(path.read_text().replace("120", "121"))
    with pytest.raises(DataError, match=r"file is damaged or was edited: its checksum is another"):
        read_json(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 10**5, r"file is not JSON: maximum recursion depth exceeded"),
        (b"[" * 40 + b"]" * 40, r"file is nested deeper than 32 levels"),
        (b"1" * 5000, r"file is not JSON: "),
        (b"\xff", r"file is not JSON: "),
        (b" " * (2**24 + 1), r"file has more than 16,777,216 bytes, which no such file has"),
    ],
    ids=["deep", "rather deep", "number", "no text", "long"],
)
def test_json_that_costs_too_much_to_read_is_refused(
    path: Path, content: bytes, message: str
) -> None:
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_json(path)
