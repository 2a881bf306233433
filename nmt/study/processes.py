"""The processes of a study: started, measured, and stopped together."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import nmt
from nmt.errors import NmtError

RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in what the system counts by
PACKAGE = Path(nmt.__file__).parent


class CellError(NmtError):
    """Say in one line why a cell failed."""


class Stopping(NmtError):
    """Say that nothing is started any more."""


class Processes:
    """Run modules of ours in processes of their own, of which several may run at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopping = False

    def run(self, arguments: Sequence[str], messages: Path) -> tuple[int, int]:
        """Run `python -m ARGUMENTS`, with what it says added to a file.

        Returns:
            Its exit status, negative if a signal ended it, and the most bytes it held resident.
            These are at least as many as this process holds, since the system counts from
            before the new program is loaded; a training loads all that is loaded here.

        Raises:
            Stopping: `stop` was called.
        """
        with messages.open("ab") as stream:
            process = self._start([sys.executable, "-m", *arguments], stream.fileno())
        _, status, usage = os.wait4(process.pid, 0)
        with self._lock:
            self._running.discard(process)
            process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, usage.ru_maxrss * RSS_UNIT

    def _start(self, command: list[str], messages: int) -> "subprocess.Popen[bytes]":
        # The same code as here, from whatever folder `nmt` was started.
        paths = [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        with self._lock:
            if self._stopping:
                raise Stopping("stopping")
            # In a session of its own, so that Ctrl-C comes once, from `stop`, and not twice.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages,
                env=environment, start_new_session=True,
            )  # fmt: skip
            self._running.add(process)
        return process

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to all that runs, and start nothing more."""
        with self._lock:
            self._stopping = True
            for process in self._running:
                # Not `send_signal`: it may reap the process, which `run` waits for.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, number)


def checked(status: int, messages: Path) -> None:
    """Raise the reason why a process failed, if it did.

    Raises:
        CellError: It failed.
    """
    if status == 0:
        return
    if status == -signal.SIGKILL:
        raise CellError("killed by the system, which may have run out of memory")
    raise CellError(last_words(messages) or f"exit status {status}")


def last_words(messages: Path) -> str:
    """Find the last line that a process said; an error of the user's ends with one."""
    lines = messages.read_text(encoding="utf-8", errors="replace").split("\n")
    spoken = [line.strip() for line in lines if line.strip()]
    return spoken[-1].removeprefix("nmt: ") if spoken else ""
