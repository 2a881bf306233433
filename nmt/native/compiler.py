"""The C library: compiled for the processor at hand when it is first needed, then kept."""

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import stat
import subprocess
from functools import cache
from pathlib import Path

from nmt.files import beside, sha256
from nmt.native.structures import declare

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent
MAIN = "transformer.c"  # includes the others
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-std=gnu11", "-shared", "-fPIC")
LIBRARIES = ("-lm",)
SECONDS = 120  # that compiling may take; it takes some 7


class Unavailable(Exception):
    """There is no library here; says why."""


@cache
def library() -> ctypes.CDLL:
    """Load the library, compiling it first if this machine has not done so yet.

    It is kept in the user's cache folder ($XDG_CACHE_HOME or ~/.cache), under a name that the
    sources, the flags, the compiler and the processor decide.

    Raises:
        Unavailable: There is no C compiler, or it fails; the folder cannot be written.
    """
    try:
        folder = cache_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_foreign(folder)
        path = kept(folder) or compiled(folder)
        refuse_foreign(path)
        return declare(ctypes.CDLL(str(path)))
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        raise Unavailable(f"the compiled code cannot be kept or loaded: {error}") from None


@cache
def unavailable() -> str:
    """Say why there is no library; nothing where there is one."""
    try:
        library()
    except Unavailable as error:
        return str(error)
    return ""


def lacks_bytes() -> str:
    """Say why there are no products of bytes; nothing where there are."""
    return unavailable() or ("" if library().has_bytes() else "the processor lacks AVX2")


def refuse_foreign(path: Path) -> None:
    """Refuse to run what others may have written.

    Raises:
        Unavailable: They may.
    """
    facts = path.stat()
    if facts.st_uid != os.getuid() or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Unavailable(f"{path} may be written by others")


def kept(folder: Path) -> Path | None:
    """Find the library as it was compiled; one that was damaged since would end the process."""
    for path in folder.glob(f"kernels-{identity()}-*.so"):
        if path == named(folder, path):
            return path
        path.unlink(missing_ok=True)
    return None


def named(folder: Path, content: Path) -> Path:
    """Name a library by what decides how it comes out, and by what it came to."""
    return folder / f"kernels-{identity()}-{sha256(content)[:16]}.so"


def cache_folder() -> Path:
    """Find where compiled code is kept."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "nmt"


def identity() -> str:
    """Name what decides how the library comes out."""
    facts = (*FLAGS, platform.machine(), processor(), compiled_by())
    digest = hashlib.sha256(" ".join(facts).encode())
    for source in sorted(FOLDER.glob("*.[ch]")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def processor() -> str:
    """Name what the processor can do, which a folder that machines share must tell apart."""
    told = Path("/proc/cpuinfo")
    if not told.exists():
        return platform.processor()
    lines = told.read_text(encoding="utf-8", errors="replace").splitlines()
    names = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(names)}))


def compiled_by() -> str:
    """Name the compiler's file as it is now; another one sums in another order, perhaps."""
    path = Path(compiler()).resolve()
    facts = path.stat()
    return f"{path} {facts.st_size} {facts.st_mtime_ns}"


def compiler() -> str:
    """Find the C compiler.

    Raises:
        Unavailable: There is none.
    """
    asked = os.environ.get("CC", "")
    for name in (asked, "cc", "gcc", "clang"):
        if name and (found := shutil.which(name)):
            return found
    raise Unavailable("there is no C compiler (cc)")


def compiled(folder: Path) -> Path:
    """Compile the library; it takes its name only when it is whole."""
    aside = beside(folder / "kernels.so")
    command = [compiler(), *FLAGS, "-o", str(aside), str(FOLDER / MAIN), *LIBRARIES]
    log.debug("compiling for this processor, once: %s", folder)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, errors="replace"
        )
        if done.returncode:
            first = (done.stderr.strip() or "no reason given").splitlines()[0]
            raise Unavailable(f"{command[0]} cannot compile it: {first}")
        aside.chmod(0o600)
        return aside.replace(named(folder, aside))
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} took more than {SECONDS} seconds") from None
    finally:
        aside.unlink(missing_ok=True)
