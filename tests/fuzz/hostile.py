"""Open folders in a process that has little memory left, and tell how each was refused.

Run as a program: paths on the command line, one JSON object a line on standard output.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOM = 2**30  # bytes beyond what the libraries take


def limit_memory() -> None:
    """Let this process have so much more address space than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def outcome(read: Callable[[Path], Any], folder: Path) -> dict[str, Any]:
    """Read a folder, and tell what came of it."""
    begin = time.perf_counter()
    try:
        read(folder)
        told = {"kind": "success", "message": ""}
    except BaseException as error:
        mro = [each.__name__ for each in type(error).__mro__]
        kind = "refused" if "NmtError" in mro else type(error).__name__
        told = {"kind": kind, "message": str(error)}
    return {"name": folder.name, **told, "seconds": time.perf_counter() - begin}


def main() -> None:
    """Open each folder as a model and for `nmt show`, or as a corpus."""
    from nmt.corpus.encoded import EncodedCorpus
    from nmt.model.directory import load_package
    from nmt.show import describe

    limit_memory()
    for path in map(Path, sys.argv[1:]):
        readers: tuple[Callable[[Path], Any], ...] = (load_package, describe)
        for read in (EncodedCorpus,) if path.parent.name == "corpora" else readers:
            print(json.dumps({**outcome(read, path), "read": read.__name__}), flush=True)


if __name__ == "__main__":
    main()
