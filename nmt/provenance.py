"""What was made from what: a record in one format, of whatever a command writes.

A run has it as `manifest.json`, a file as `FILE.manifest.json` beside it. Torch is never imported.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nmt
from nmt.errors import DataError
from nmt.files import read_json, sha256, write_sealed

SCHEMA = 1
SUFFIX = ".manifest.json"
LIBRARIES = ("torch", "sentencepiece", "sacrebleu", "safetensors", "numpy")
STANDARD = "-"
MODEL_FILES = {  # what a translation depends on in a model directory
    "": "model.safetensors", ".settings": "config.toml", ".source": "source.model",
    ".target": "target.model", ".shortlist": "shortlist.safetensors",
}  # fmt: skip
NOT_IN_ALL = ".shortlist"
CORPUS, CORPUS_RECORD = "corpus.json", "corpus.manifest.json"
KINDS: dict[str, type | tuple[type, ...]] = {
    "command": str, "inputs": dict, "paths": dict, "options": dict, "requested": dict,
    "output": dict, "compute": dict, "libraries": dict,
}  # fmt: skip
OPTIONAL = {"compute", "libraries"}
PARTS: dict[str, type | tuple[type, ...]] = {
    "inputs": (str, type(None)), "paths": str, "requested": dict,
    "options": (str, int, float, bool, list), "output": (str, int, type(None)),
}  # fmt: skip

Table = dict[str, Any]
Hashes = dict[str, str | None]


def surroundings(threads: int = 0) -> Table:
    """Say which versions and which machine compute here.

    Args:
        threads: How many of the processor's, where that matters.
    """
    name = processor()
    return {
        "nmt": nmt.__version__,
        "code": hash_of_code(),
        "python": platform.python_version(),
        "torch": version_of("torch"),
        "libraries": {name: version_of(name) for name in LIBRARIES if name != "torch"},
        "system": system(),
        "machine": f"{name}, {threads} threads" if threads else name,
    }


def version_of(library: str) -> str | None:
    """Give the version of a library; None where it is not installed."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def hash_of_code() -> str:
    """Hash the modules of this package, since versions change less often than they do."""
    folder, digest = Path(nmt.__file__).parent, hashlib.sha256()
    for path in sorted(path for kind in ("*.py", "*.[ch]") for path in folder.rglob(kind)):
        digest.update(f"{path.relative_to(folder)} {sha256(path)}\n".encode())
    return digest.hexdigest()


def system() -> str:
    """Name the operating system and the C library, whose functions round in their own way."""
    parts = (f"{platform.system()} {platform.machine()}", " ".join(platform.libc_ver()))
    return ", ".join(part for part in parts if part.strip())


def processor() -> str:
    """Name the processor as the system does, as far as it tells."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


class Tally:
    """The hash and the number of lines that pass by, as of a file that holds them."""

    def __init__(self) -> None:
        self.lines = 0
        self._hash = hashlib.sha256()

    def add(self, line: bytes) -> bytes:
        """Count a line, its end included, and give it back."""
        self.lines += 1
        self._hash.update(line)
        return line

    @property
    def sha256(self) -> str:
        """Hash all so far."""
        return self._hash.hexdigest()


def hashes_of(name: str, path: str | Path) -> Hashes:
    """Hash what a path leads to, each part by a name of its own.

    A file has one hash, of its bytes; a corpus that of its content, a model one for each of its
    files, a run those of its best model. What was read from a pipe has None.

    Raises:
        DataError: It cannot be read.
    """
    folder = Path(path)
    try:
        if str(path) == STANDARD or (folder.exists() and not (folder.is_file() or folder.is_dir())):
            return {name: None}
        if not folder.is_dir():
            return {name: sha256(folder)}
        if (folder / CORPUS).is_file():
            return {name: str(read_json(folder / CORPUS).get("content"))}
        if found := model_folder(folder):
            files = {name + part: found / file for part, file in MODEL_FILES.items()}
            return {
                part: sha256(file)
                for part, file in files.items()
                if file.is_file() or not part.endswith(NOT_IN_ALL)
            }
        return {name: hash_of_folder(folder)}
    except OSError as error:
        raise DataError(f"cannot read {error.filename or path}: {error.strerror}") from None


def model_folder(folder: Path) -> Path | None:
    """Find the model directory that a path means: itself, or the best of a run."""
    for candidate in (folder, folder / "best"):
        if (candidate / "metadata.json").is_file():
            return candidate
    return None


def hash_of_folder(folder: Path) -> str:
    """Hash all files of a folder and their names."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)} {sha256(path)}\n".encode())
    return digest.hexdigest()


def make_record(
    command: str, paths: Mapping[str, str], options: Mapping[str, Any], requested: Table
) -> Table:
    """Begin the record of an output, from what the command was given.

    Args:
        paths: Of all inputs, by name; `name[n]` where there may be several.
        options: All else that the command was told and that is no setting.
        requested: The sections of settings that the output depends on, defaults filled in.
    """
    hash_of_code()  # now, since someone may edit it while this computes
    inputs: Hashes = {}
    for name, path in paths.items():
        inputs |= hashes_of(name, path)
    return {
        "schema": SCHEMA,
        "command": command,
        "folder": os.getcwd(),  # noqa: PTH109 (as it was named, links kept)
        "inputs": inputs,
        "paths": dict(paths),
        "options": dict(options),
        "requested": requested,
    }


def record_path(output: str | Path, asked: str | None = None) -> Path | None:
    """Name the file of an output's record: beside it, unless another was asked for.

    What is no file, such as a pipe, has a record only where one is asked for.
    """
    path = Path(output)
    if asked is not None:
        return Path(asked)
    if str(output) != STANDARD and (path / CORPUS).is_file():
        return path / CORPUS_RECORD
    return path.with_name(path.name + SUFFIX) if is_plain(path) else None


def is_plain(path: Path) -> bool:
    """Tell whether a path is a file, and no pipe, terminal or device."""
    return str(path) != STANDARD and path.is_file()


def described_output(output: str | Path, seen: Tally | None = None) -> Table:
    """Say what was written, and where."""
    path = Path(output)
    known = is_plain(path) or (str(output) != STANDARD and path.is_dir())
    digest = hashes_of("output", path)["output"] if known else seen.sha256 if seen else None
    lines = {} if seen is None else {"lines": seen.lines}
    return {"path": str(output), "sha256": digest, **lines}


def keep_record(path: Path | None, table: Table) -> None:
    """Write a record, if it is to be anywhere.

    Raises:
        DataError: It cannot be written.
    """
    if path is not None:
        write_sealed(path, table)


def read_record(path: Path) -> Table:
    """Read a record.

    Raises:
        DataError: It is missing, damaged, of another format, or no record.
    """
    table = read_json(path)
    if not isinstance(table, dict) or "schema" not in table:
        raise DataError(f"{path} is no record that nmt has written")
    if table["schema"] != SCHEMA:
        raise DataError(f"{path}: schema {table['schema']!r}, but this version reads {SCHEMA}")
    for name, kind in KINDS.items():
        if not isinstance(table.get(name, {} if name in OPTIONAL else None), kind):
            raise DataError(f"{path} is damaged: {name} is {table.get(name)!r:.40}")
    for name, kind in PARTS.items():
        for part, value in table[name].items():
            if not isinstance(value, kind):
                raise DataError(f"{path} is damaged: {name}.{part} is {value!r:.40}")
    return table


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Pair what two records say otherwise of versions and machine, as far as both tell."""
    sides = [dict(flat_surroundings(each)) for each in (first, second)]
    both = [name for name in sides[0] if name in sides[1]]
    return {
        name: [each[name] for each in sides] for name in both if sides[0][name] != sides[1][name]
    }


def flat_surroundings(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """List versions and machine by their names."""
    for name in ("nmt", "code", "python", "torch", "system", "machine", "processes"):
        if record.get(name) is not None:
            yield name, record[name]
    for group in ("libraries", "compute"):
        yield from record.get(group, {}).items()
