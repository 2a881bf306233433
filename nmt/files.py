"""Files that are whole or absent: atomic writes, durable folders, content hashes."""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from nmt.errors import DataError

CHECKSUM = "checksum"  # of all else that a JSON object of ours holds
MAX_JSON = 2**24  # bytes; ours are some kilobytes
MAX_DEPTH = 32  # of what is nested in JSON or TOML


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only when it is complete and on disk.

    What is no regular file, such as /dev/null or a pipe, is written as it stands.

    Raises:
        DataError: The file cannot be written (no folder, no permission, a full disk). Whatever
            stood at `path` before is untouched.
    """
    final = Path(path)
    try:
        if final.exists() and not final.is_file():
            with final.open("wb") as stream:  # a folder is refused here
                yield stream
            return
        with replacing(final) as stream:
            yield stream
    except BrokenPipeError:
        raise  # of another file: a reader that has gone is not a fault of this one
    except OSError as error:
        raise cannot_write(final, error) from error


@contextlib.contextmanager
def replacing(final: Path) -> Iterator[BinaryIO]:
    """Write beside a file, then take its name."""
    aside = beside(final)
    try:
        with aside.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(final)
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a folder to fill that takes its name only when it is complete and on disk.

    Raises:
        DataError: `path` exists and may not be replaced, or something cannot be written.
    """
    final = Path(path)
    if final.name in ("", ".."):
        raise DataError(f"cannot write {final}: give the folder by its name")
    if not replace and os.path.lexists(final):
        raise DataError(f"{final} exists already; choose another name or remove it")
    aside = beside(final)
    try:
        aside.mkdir(parents=True)
        yield aside
        sync_tree(aside)
        old = beside(final)
        if os.path.lexists(final):
            final.replace(old)
        aside.replace(final)
        sync(final.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise cannot_write(final, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def refuse_foreign(folder: Path, mark: str, kind: str) -> None:
    """Refuse to replace what is not of the same kind, such as a folder full of someone's texts.

    Args:
        mark: A file that a folder of this kind holds.
        kind: What the folder is called.

    Raises:
        DataError: Something is there that is neither of this kind nor an empty folder.
    """
    if not os.path.lexists(folder) or (folder / mark).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise DataError(f"{folder} exists and is no {kind}; choose another --output")


def cannot_write(path: Path, error: OSError) -> DataError:
    """Name the file and the system's reason; what stood there before is intact."""
    return DataError(f"cannot write {path}: {error.strerror or error}")


def beside(path: Path) -> Path:
    """Name a file that does not exist, in the same folder, so that a rename is atomic."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def sync(path: Path) -> None:
    """Force a file, or a folder's list of names, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Force every file and folder below to disk."""
    for path in [*folder.rglob("*"), folder]:
        if not path.is_symlink():
            sync(path)


def point(link: Path, target: Path) -> None:
    """Make `link` a relative symbolic link to `target`, replacing an older one by rename.

    Raises:
        DataError: It cannot be made.
    """
    aside = beside(link)
    try:
        aside.symlink_to(os.path.relpath(target, link.parent))
        aside.replace(link)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise cannot_write(link, error) from error


def write_json(path: str | Path, value: object) -> None:
    """Write readable JSON, whole or not at all."""
    with atomic_write(path) as stream:
        stream.write((json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def write_sealed(path: str | Path, table: Mapping[str, Any]) -> None:
    """Write a JSON object with its checksum, which `read_json` compares."""
    bare = {name: value for name, value in table.items() if name != CHECKSUM}
    write_json(path, {**bare, CHECKSUM: checksum(bare)})


def read_json(path: str | Path, most: int = MAX_JSON) -> Any:
    """Read JSON; an object that holds its checksum is given without it.

    Args:
        most: Bytes that the file may have.

    Raises:
        DataError: The file is missing, too long, no JSON, or not as it was written.
    """
    try:
        value = json.loads(read_bounded(path, most).decode("utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {error}") from None
    refuse_deep(value, path)
    if isinstance(value, dict) and CHECKSUM in value:
        expected = value.pop(CHECKSUM)
        if checksum(value) != expected:
            raise DataError(f"{path} is damaged or was edited: its checksum is another")
    return value


def checksum(table: Mapping[str, Any]) -> str:
    """Hash a JSON object, however it is laid out."""
    spelt = json.dumps(table, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(spelt.encode()).hexdigest()


def read_bounded(path: str | Path, most: int) -> bytes:
    """Read a file that is small unless something is wrong.

    Raises:
        OSError: It cannot be read.
        DataError: It is longer.
    """
    with Path(path).open("rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise DataError(f"{path} has more than {most:,} bytes, which no such file has")
    return content


def refuse_deep(value: object, path: str | Path) -> None:
    """Refuse what is nested so deeply that functions which follow it down would fail."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for each in level for inner in parts(each)]
        if not level:
            return
    raise DataError(f"{path} is nested deeper than {MAX_DEPTH} levels")


def parts(value: object) -> Iterable[object]:
    """List what a value of JSON or TOML holds directly."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def sha256(path: str | Path) -> str:
    """Hash a file's content."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
