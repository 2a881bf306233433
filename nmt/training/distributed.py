"""Join the processes that torchrun started, and say who failed when one did."""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import torch

from nmt.errors import ConfigError, Followed, NmtError
from nmt.training.ranks import Ranks

if TYPE_CHECKING:
    from torch.distributed import Store  # type: ignore[attr-defined]

GRACE = 10.0  # seconds in which a process says why it ends; torchrun kills after 30
LAST_SECONDS = 0.1  # more than a thread needs to let go of something


@contextlib.contextmanager
def joined(wait_minutes: int) -> Iterator[Ranks]:
    """Join the processes that torchrun started, for a while; alone without torchrun.

    Args:
        wait_minutes: How long one waits for another before it is given up.

    Raises:
        NmtError: A process has died, or does not answer.
        Followed: Another process has said, or will say, what is wrong.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield Ranks()
        return
    store, ranks = join(timedelta(minutes=wait_minutes))
    if not ranks.leads:  # the first process speaks for all, to the end
        logging.getLogger("nmt").setLevel(logging.ERROR)
    try:
        yield ranks
    except NmtError as error:
        say_end(store, ranks, str(error))
        raise said_once(error, store, ranks) from None
    except Exception as error:
        quiet_signals()  # torchrun sends TERM soon after a process has died
        if not is_lost_contact(error):
            say_end(store, ranks, repr(error))
            raise
        say_end(store, ranks, "")
        raise why_contact_was_lost(error, store, ranks) from None
    finally:
        # A thread of the group lets go of the last thing that was shared, for which it needs
        # Python. The end of the group waits for that thread and lets nobody else have Python: each
        # would wait for the other.
        time.sleep(LAST_SECONDS)
        torch.distributed.destroy_process_group()


def join(wait: timedelta) -> tuple["Store", Ranks]:
    """Meet the other processes.

    Raises:
        ConfigError: The environment is not torchrun's.
        NmtError: They did not come.
    """
    from torch.distributed import PrefixStore, rendezvous  # type: ignore[attr-defined]

    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        store, rank, size = next(rendezvous("env://", timeout=wait))
        # torchrun's store outlives a restart, and with it the addresses of those that died.
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store = PrefixStore(f"nmt/{attempt}/{size}", store)
        torch.distributed.init_process_group(
            backend, store=store, rank=rank, world_size=size, timeout=wait
        )
    except ValueError as error:
        raise ConfigError(
            f"WORLD_SIZE is set, but not all that torchrun sets ({error}); start several "
            "processes with torchrun --nproc-per-node N -m nmt train ..."
        ) from None
    except RuntimeError as error:
        raise NmtError(f"the processes of a training did not meet: {first_line(error)}") from None
    return PrefixStore("ends", store), Ranks(rank, size)


def quiet_signals() -> None:
    """Let nothing end this process before it has said why it ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def say_end(store: "Store", ranks: Ranks, message: str) -> None:
    """Leave word of the end of this process; an empty message says that another's was its end."""
    with contextlib.suppress(torch.distributed.DistError):
        store.set(str(ranks.rank), message)


def ends(store: "Store", ranks: Ranks) -> dict[int, str]:
    """Collect what processes say of their end, of those that say something in time."""
    limit, found = time.monotonic() + GRACE, {}
    for rank in range(ranks.size):
        message = end_of(store, rank, limit - time.monotonic())
        if message is not None:
            found[rank] = message
    return found


def end_of(store: "Store", rank: int, seconds: float) -> str | None:
    """Wait for what a process says of its end; None if it says nothing."""
    limit = time.monotonic() + seconds
    while not store.check([str(rank)]):
        if time.monotonic() > limit:
            return None
        time.sleep(0.05)
    return str(store.get(str(rank)).decode())


def said_once(error: NmtError, store: "Store", ranks: Ranks) -> NmtError:
    """Leave it to the first process to say what it says too; else tell whose error it is."""
    if ranks.leads:
        return error
    with contextlib.suppress(torch.distributed.DistError):
        if end_of(store, 0, GRACE) == str(error):
            return Followed(error.exit_status)
    error.args = (f"rank {ranks.rank}: {error}",)
    return error


def is_lost_contact(error: Exception) -> bool:
    """Tell an exchange with other processes that failed from an error of this process."""
    text = str(error).lower()
    return isinstance(error, torch.distributed.DistError) or (
        isinstance(error, RuntimeError) and ("gloo" in text or "nccl" in text)
    )


def why_contact_was_lost(error: Exception, store: "Store", ranks: Ranks) -> NmtError:
    """Name the processes that died; the first of those that are left says it."""
    try:
        found = ends(store, ranks)
    except torch.distributed.DistError:  # without torchrun's store, the first process holds it
        return died([0])
    if any(found.values()) or ranks.rank != min(found):
        return Followed(1)
    dead = [rank for rank in range(ranks.size) if rank not in found]
    return died(dead) if dead else NmtError(f"the processes lost one another: {first_line(error)}")


def died(dead: Sequence[int]) -> NmtError:
    """Say which processes died and how to go on."""
    names = ", ".join(map(str, dead))
    who = f"rank {names} has" if len(dead) == 1 else f"ranks {names} have"
    return NmtError(
        f"{who} died, or did not answer, so the others end; everything until the last checkpoint "
        "is saved: go on with --resume"
    )


def first_line(error: Exception) -> str:
    """Cut an error of PyTorch's, which may hold a stack, to its first line."""
    return str(error).strip().partition("\n")[0]
