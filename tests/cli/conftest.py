"""Run commands as from a shell, in a folder of their own."""

import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from nmt.cli.main import main


class Finished(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


Command = Callable[..., Finished]


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Put back the handlers, as a command's write to a stream that ends with its test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def nmt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run `nmt` in an empty folder; `stdin` is the text it reads."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: str = "") -> Finished:
        monkeypatch.setattr("sys.argv", ["nmt", *arguments])
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as stopped:
            main()
        assert isinstance(stopped.value.code, int)
        return Finished(stopped.value.code, *capsys.readouterr())

    return run
