"""How much memory there is."""

import contextlib
import os
import re
from pathlib import Path

import torch

from nmt.errors import ConfigError

SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT]?)(i?)B?)", re.IGNORECASE)
POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
PROCESS = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")  # of a container, which may have less than its machine
SPARE = 0.9  # of what is free; the rest is for what is no tensor, and for neighbours


def parse_size(text: str) -> int:
    """Read a size such as 4G or 1.5GiB, in bytes; K, M, G and T go by 1000, Ki and so on by 1024.

    Raises:
        ConfigError: It is not a size.
    """
    match = SIZE.fullmatch(text.strip())
    size = 0
    if match:
        size = int(float(match[1]) * (1024 if match[3] else 1000) ** POWERS[match[2].upper()])
    if not size:
        raise ConfigError(f"--memory must be a size such as 4G, 800M or 15GiB, not {text!r}")
    return size


def available(device: torch.device) -> int:
    """Tell how many bytes a training may take here."""
    if device.type == "cuda":
        return int(SPARE * torch.cuda.mem_get_info(device)[0])
    return int(SPARE * min([free_of_machine(), *free_of_group()]))


def free_of_machine() -> int:
    """Ask the system what can be had without swapping."""
    with contextlib.suppress(OSError):
        for line in PROCESS.read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def free_of_group() -> list[int]:
    """Ask what this process' group may still take; nothing where it has no limit."""
    try:
        limit = (GROUP / "memory.max").read_text(encoding="utf-8").strip()
        used = (GROUP / "memory.current").read_text(encoding="utf-8").strip()
        return [max(0, int(limit) - int(used))]
    except (OSError, ValueError):  # no such group, or "max"
        return []
