"""Hashes of inputs are remembered as long as nothing touches them, and stamps change by content."""

import os
import time
from pathlib import Path

import pytest

from nmt import stamps
from nmt.files import read_json
from nmt.stamps import Hashes, main


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Write a file that was settled long ago, as far as dates tell."""
    path = tmp_path / "text"
    path.write_text("abc\n")
    return path


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let some time pass."""
    now = time.time()
    monkeypatch.setattr("nmt.stamps.time.time", lambda: now + 60)


def refuse(path: Path) -> str:
    """Stand in for hashing where nothing is to be hashed."""
    raise AssertionError(path)


def hashed(folder: Path, path: Path) -> str | None:
    """Hash a file and remember that."""
    hashes = Hashes(folder / "hashes.json")
    digest = hashes.of(path)
    hashes.keep()
    return digest


@pytest.mark.usefixtures("later")
def test_a_file_that_nothing_touched_is_not_read_again(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashed(tmp_path, text)
    with monkeypatch.context() as patch:
        patch.setattr(stamps, "sha256", refuse)
        assert hashed(tmp_path, text) == digest
    before = text.stat()
    text.write_text("abd\n")
    os.utime(text, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if nothing had happened
    assert hashed(tmp_path, text) != digest
    assert hashed(tmp_path, tmp_path / "none") is None


def test_what_has_just_changed_is_not_remembered(text: Path, tmp_path: Path) -> None:
    hashed(tmp_path, text)
    assert not (tmp_path / "hashes.json").exists()


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("damage", ["", "[]", '{"x": 1}', "{"])
def test_what_was_remembered_may_be_damaged(text: Path, tmp_path: Path, damage: str) -> None:
    digest = hashed(tmp_path, text)
    (tmp_path / "hashes.json").write_text(damage)
    assert hashed(tmp_path, text) == digest


def test_a_stamp_changes_with_settings_of_its_sections_alone(
    text: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stamp, settings = tmp_path / "out" / "a.stamp", tmp_path / "settings.toml"

    def renewed(toml: str, *options: str) -> bool:
        before = stamp.read_bytes() if stamp.exists() else b""
        settings.write_text(toml)
        arguments = (str(stamp), "--files", str(text), "--sections", "x", *options)
        assert main([*arguments, "--", "cat", str(settings)]) == 0
        return (stamp.read_bytes() if stamp.exists() else b"") != before

    assert not renewed("[x]\na = 1\n", "--dry-run")
    assert capfd.readouterr().out == "a\n"
    assert not stamp.parent.exists()
    assert renewed("[x]\na = 1\n")
    assert not renewed("# said\n[x]\na = 1\n[y]\nb = 2\n")
    assert not renewed("[x]\na = 2\n", "--dry-run")
    assert capfd.readouterr().out == "a\n"
    assert renewed("[x]\na = 2\n")
    assert read_json(stamp)["settings"] == {"x": {"a": 2}}
    text.write_text("abd\n")
    assert renewed("[x]\na = 2\n")
    assert not renewed("[x]\na = 2\n")


def test_what_cannot_be_stamped_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: Path
) -> None:
    stamp = str(tmp_path / "a.stamp")
    assert main([stamp, "--files", str(tmp_path / "none"), "--", "true"]) == 1
    told = "none is gone, although the stage that makes it is done; remove all that this stage"
    assert told in capfd.readouterr().err
    assert main([stamp, "--files", str(tmp_path), "--", "true"]) == 1
    assert capfd.readouterr().err == f"nmt: cannot read {tmp_path}: Is a directory\n"
    assert main([stamp, "--files", str(text), "--", "false"]) == 1
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "a.stamp").exists()
