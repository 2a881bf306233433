"""Stamps of the stages of a recipe: files that change when inputs or settings of a stage do.

`python -m nmt.stamps STAMP --files "FILE ..." --sections "NAME ..." -- COMMAND...`, where COMMAND
prints all settings. Content decides, and no date: a file that was touched is hashed once more.
Torch is never imported, nor anything else that takes time.
"""

import argparse
import hashlib
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nmt.errors import DataError, NmtError
from nmt.files import read_json, sha256, write_json

HASHES, SETTINGS = "hashes.json", "settings.json"  # beside the stamps: what need not be asked again
SETTLED = 2.0  # seconds; a file that was changed since may change once more within the same tick

Table = dict[str, Any]


class Hashes:
    """Hashes of files, remembered as long as size, date and inode stay."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = remembered(path)
        self._added = False

    def of(self, path: Path) -> str | None:
        """Hash a file; None if it is missing."""
        try:
            found = path.stat()
            mark = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
            known = self._known.get(str(path.absolute()))
            if isinstance(known, list) and known[:-1] == mark:
                return str(known[-1])
            digest = sha256(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from None
        if time.time() - max(found.st_mtime, found.st_ctime) > SETTLED:
            self._known[str(path.absolute())] = [*mark, digest]
            self._added = True
        return digest

    def keep(self) -> None:
        """Write down what was learnt."""
        if self._added:
            write_json(self._path, {**remembered(self._path), **self._known})


def remembered(path: Path) -> Table:
    """Read what was written down; nothing if that is missing or damaged."""
    try:
        table = read_json(path)
    except DataError:
        return {}
    return table if isinstance(table, dict) else {}


def resolved(command: Sequence[str], folder: Path, *, dry: bool) -> Table:
    """Ask for all settings, unless command, file and program are as they were the last time.

    Raises:
        NmtError: The settings are refused; the command has said why.
    """
    path, key = folder / SETTINGS, key_of(command)
    known = remembered(path)
    if known.get("key") == key:
        return dict(known["settings"])
    done = subprocess.run([*command], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise NmtError("")
    settings = tomllib.loads(done.stdout.decode("utf-8"))
    if not dry:
        write_json(path, {"key": key, "settings": settings})
    return settings


def key_of(command: Sequence[str]) -> str:
    """Hash a command, the files that it names, and the modules that read settings."""
    digest = hashlib.sha256()
    for word in command:
        digest.update(f"{word}\n".encode())
        if Path(word).is_file():
            digest.update(Path(word).read_bytes())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        found = path.stat()
        digest.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def renew(stamp: Path, content: Table, *, dry: bool) -> None:
    """Write a stamp anew, if its content is another.

    Args:
        dry: Write nothing, but say so on standard output; of what is yet to be made, nothing is
            known.
    """
    known = remembered(stamp)
    if known == content:
        return
    if not dry:
        write_json(stamp, content)
    elif not known or None not in content["files"]:
        sys.stdout.write(f"{stamp.stem}\n")


def main(arguments: Sequence[str]) -> int:
    """Renew a stamp and return the exit status."""
    parser = argparse.ArgumentParser(prog="nmt.stamps")
    parser.add_argument("stamp", type=Path)
    parser.add_argument("--files", type=str.split, default=[])
    parser.add_argument("--sections", type=str.split, default=[])
    parser.add_argument("--dry-run", action="store_true")
    own, command = split_at_dashes(arguments)
    asked = parser.parse_args(own)
    folder, dry = asked.stamp.parent, asked.dry_run
    try:
        if not dry:
            folder.mkdir(parents=True, exist_ok=True)
        hashes = Hashes(folder / HASHES)
        files = [hashes.of(Path(path)) for path in asked.files]
        if not dry:
            refuse_missing(asked.files, files)
        settings = resolved(command, folder, dry=dry)
        sections = {name: settings.get(name) for name in asked.sections}
        renew(asked.stamp, {"files": files, "settings": sections}, dry=dry)
        if not dry:
            hashes.keep()
    except NmtError as error:
        sys.stderr.write(f"nmt: {error}\n" if str(error) else "")
        return 1
    return 0


def refuse_missing(paths: Sequence[str], hashes: Sequence[str | None]) -> None:
    """Refuse to go on from what an earlier stage has made, but someone has removed since.

    Raises:
        DataError: The first that is missing is named.
    """
    for path, digest in zip(paths, hashes, strict=True):
        if digest is None:
            raise DataError(
                f"{path} is gone, although the stage that makes it is done; remove all that this "
                "stage made (make clean removes everything)"
            )


def split_at_dashes(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Part what stands before `--` from what stands after it."""
    place = list(arguments).index("--")
    return arguments[:place], arguments[place + 1 :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
