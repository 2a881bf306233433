"""The most memory that tensors take at once, as the allocator counts it."""

import os
from collections.abc import Callable

import torch
from torch.autograd.profiler import profile

from nmt.bench.flops import wait_for

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # its start and stop are no messages of ours


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """Run some work and measure the most that it allocates above what was there before.

    Every block that the allocator hands out counts, those inside an operation too; what the
    process takes beside tensors does not.
    """
    if device.type == "cuda":
        return peak_on_cuda(work, device)
    with profile(profile_memory=True) as recorded:
        work()
    assert recorded.kineto_results is not None, "it has been stopped"
    events = (each for each in recorded.kineto_results.events() if each.name() == "[memory]")
    return highest([each.nbytes() for each in sorted(events, key=lambda each: each.start_ns())])


def peak_on_cuda(work: Callable[[], object], device: torch.device) -> int:
    """Measure by the counters of CUDA's allocator."""
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    wait_for(device)
    return torch.cuda.max_memory_allocated(device) - before


def highest(changes: list[int]) -> int:
    """Give the highest running sum, 0 at least."""
    total = most = 0
    for change in changes:
        total += change
        most = max(most, total)
    return most
