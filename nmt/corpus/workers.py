"""Processes that encode chunks of lines, whose results come back in the order of the text."""

import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import connection, get_context, parent_process

from nmt.corpus.chunks import Chunk, ChunkEncoder, Row
from nmt.errors import DataError

AHEAD = 2  # chunks for each worker that are in memory at once

Numbered = tuple[int, Sequence[Row]]
_encoder: list[ChunkEncoder] = []  # of a worker, which gets it once


def encode_chunks(
    chunks: Iterable[Numbered], encoder: ChunkEncoder, workers: int
) -> Iterator[Chunk]:
    """Encode chunks in order, in this process if there is to be one worker.

    Raises:
        DataError: A worker was killed.
    """
    if workers == 1:
        yield from (encoder(*chunk) for chunk in chunks)
        return
    single = replace(encoder, threads=1)
    pool = ProcessPoolExecutor(workers, get_context("spawn"), begin, (single,))
    try:
        yield from in_order(chunks, pool, AHEAD * workers)
    except BrokenProcessPool:
        raise DataError(
            "a worker of nmt encode was killed, perhaps for want of memory; use fewer --workers"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def in_order(chunks: Iterable[Numbered], pool: ProcessPoolExecutor, ahead: int) -> Iterator[Chunk]:
    """Hand out chunks, never many more than have come back."""
    waiting: deque[Future[Chunk]] = deque()
    for chunk in chunks:
        with interrupts_held():
            waiting.append(pool.submit(encode, *chunk))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Let Ctrl-C wait while a worker may be started, which never gets it: it is its parent's."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin(encoder: ChunkEncoder) -> None:
    """Ready a worker, which never outlives its parent."""
    _encoder.append(encoder)
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Leave at once when the parent is gone, however it went."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def encode(first_number: int, rows: Sequence[Row]) -> Chunk:
    """Encode a chunk in a worker."""
    return _encoder[0](first_number, rows)
