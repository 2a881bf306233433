"""Where the library comes from, and what happens where it cannot come."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nmt.files import sha256
from nmt.native import compiler as module
from nmt.native.compiler import Unavailable, cache_folder, identity, library, unavailable
from nmt.search.scorer import normalised

QUICK = ("-O0", *module.FLAGS[1:])
HAS_COMPILER = not unavailable()
needs_compiler = pytest.mark.skipif(not HAS_COMPILER, reason=unavailable())


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Begin with an empty cache folder, and nothing loaded; compile without taking long over it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(module, "FLAGS", QUICK)
    forget()
    yield tmp_path / "nmt"
    monkeypatch.undo()
    forget()


def forget() -> None:
    library.cache_clear()
    unavailable.cache_clear()


def script(folder: Path, text: str) -> str:
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@needs_compiler
def test_it_is_compiled_once_and_kept(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not unavailable()
    (kept,) = fresh.iterdir()
    assert kept.name == f"kernels-{identity()}-{sha256(kept)[:16]}.so"
    assert kept.stat().st_mode & 0o022 == 0
    forget()
    monkeypatch.setenv("CC", "/nowhere/cc")
    monkeypatch.setattr(module, "compiled", lambda folder: pytest.fail("compiled again"))
    assert not unavailable()


def test_without_a_compiler_it_is_unavailable(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(fresh))
    assert unavailable() == "there is no C compiler (cc)"
    with pytest.raises(Unavailable, match="no C compiler"):
        library()
    scores = torch.randn(3, 9, generator=torch.Generator().manual_seed(1))
    assert torch.equal(normalised(scores), scores.log_softmax(-1))  # PyTorch serves


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo 'no such flag' >&2; exit 1", "cannot compile it: no such flag"),
        ("exit 3", "cannot compile it: no reason given"),
    ],
)
def test_a_compiler_that_fails_is_told(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    monkeypatch.setenv("CC", script(tmp_path, text))
    assert unavailable().endswith(reason)
    assert not list(fresh.iterdir())


def test_a_compiler_that_hangs_is_stopped(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.2)
    monkeypatch.setenv("CC", script(tmp_path, "exec sleep 60"))
    assert unavailable().endswith("took more than 0.2 seconds")
    assert not list(fresh.iterdir())


def test_a_compiler_that_makes_nonsense_is_told(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'while [ "$1" != -o ]; do shift; done; echo nonsense > "$2"'
    monkeypatch.setenv("CC", script(tmp_path, text))
    assert unavailable().startswith("the compiled code cannot be kept or loaded: ")


def test_a_folder_that_cannot_be_made_is_told(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert unavailable().startswith("the compiled code cannot be kept or loaded: ")


@needs_compiler
def test_what_belongs_to_somebody_else_is_not_loaded(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    assert unavailable() == f"{fresh} may be written by others"


@needs_compiler
def test_a_folder_that_others_may_write_to_is_refused(fresh: Path) -> None:
    fresh.mkdir()
    fresh.chmod(0o777)
    assert unavailable() == f"{fresh} may be written by others"


@needs_compiler
def test_a_library_that_others_may_write_to_is_refused(fresh: Path) -> None:
    assert not unavailable()
    (kept,) = fresh.iterdir()
    kept.chmod(0o662)
    forget()
    assert unavailable() == f"{kept} may be written by others"


@needs_compiler
def test_half_a_library_is_compiled_again(fresh: Path) -> None:
    assert not unavailable()
    (kept,) = fresh.iterdir()
    whole = kept.read_bytes()
    kept.unlink()  # this process has it open
    kept.write_bytes(whole[: len(whole) // 2])
    forget()
    assert not unavailable()
    assert kept.read_bytes() == whole


def test_the_cache_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", given)
        assert cache_folder() == tmp_path / ".cache" / "nmt"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own" / "nmt"


@needs_compiler
def test_another_processor_compiler_or_source_has_another_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = identity()
    assert identity() == name
    for kind in ("processor", "compiled_by"):
        with monkeypatch.context() as changed:
            changed.setattr(module, kind, lambda: "another")
            assert identity() != name
    (tmp_path / "other.c").write_text("int x;")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    assert identity() != name


@needs_compiler
def test_processes_that_compile_at_once_all_get_it(fresh: Path) -> None:
    code = (
        "import sys; from nmt.native import compiler\n"
        f"compiler.FLAGS = {QUICK}\n"
        "sys.exit(bool(compiler.unavailable()))"
    )
    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [each.wait(timeout=300) for each in started] == [0, 0, 0]
    (kept,) = fresh.iterdir()
    assert kept.suffix == ".so"
