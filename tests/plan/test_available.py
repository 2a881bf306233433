"""Sizes as people write them; memory as machine and container tell it."""

from pathlib import Path

import pytest
import torch

from nmt.errors import ConfigError
from nmt.plan import available as module
from nmt.plan.available import SPARE, available, parse_size

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("800", 800),
        ("4G", 4 * 10**9),
        (" 1.5 gb ", 1_500_000_000),
        ("15GiB", 15 * 2**30),
        ("2Ki", 2048),
        ("1T", 10**12),
    ],
)
def test_a_size_is_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "4X", "-4G", "0", "0.0001", "4 G 5", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--memory must be a size such as 4G, 800M or 15GiB, not"):
        parse_size(text)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretend a machine with 3,000 KiB to be had."""
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    3000 kB\n")
    monkeypatch.setattr(module, "PROCESS", tmp_path / "meminfo")
    monkeypatch.setattr(module, "GROUP", tmp_path)
    return tmp_path


def test_what_is_free_is_what_machine_and_container_leave(machine: Path) -> None:
    assert available(CPU) == int(SPARE * 3000 * 1024)
    (machine / "memory.max").write_text("500000\n")
    (machine / "memory.current").write_text("100000\n")
    assert available(CPU) == int(SPARE * 400000)
    (machine / "memory.max").write_text("max\n")
    assert available(CPU) == int(SPARE * 3000 * 1024)


def test_another_system_tells_what_it_has(machine: Path) -> None:
    (machine / "meminfo").unlink()
    assert available(CPU) > 2**20
