"""The most memory that an update takes, measured on parts of a batch and carried on to the whole.

B sentences, S source length, T target length. Of sentences of one length memory is a line in
their number, once there are enough that what is kept for the gradients outweighs the gradients.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from nmt.bench.memory import peak_bytes
from nmt.corpus.batches import Batch
from nmt.training.optimizer import set_rate
from nmt.training.update import Totals, Updater

MOST_TOKENS = 4096  # on the longer side; larger probes would take long to tell little
RATE = 1e-5  # nothing is to be learnt

Measure = Callable[[Batch], int]


def update_memory(updater: Updater, accumulate: int, first: Batch) -> Measure:
    """Give what measures the peak of an update, above what weights and optimizer hold.

    Args:
        accumulate: Batches of an update; the second finds the gradients of the first.
        first: One of its pairs makes one update at once, which makes the optimizer's memory.
    """
    set_rate(updater.optimizer, RATE)
    updater.update([some_of(first, 1)], Totals())
    batches, device = min(accumulate, 2), updater.compute.device

    def measure(batch: Batch) -> int:
        return peak_bytes(lambda: updater.update([batch] * batches, Totals()), device)

    return measure


class Probes:
    """Peaks of batches, measured where that is cheap and has room."""

    def __init__(self, measure: Measure, room: int) -> None:
        self._measure, self._room = measure, room
        self._known: dict[tuple[int, int], dict[int, int]] = {}

    def peak(self, batch: Batch) -> int:
        """Predict the most bytes that an update takes above what is held all the time."""
        count, *size = *batch.source.shape, batch.target.shape[1] - 1
        known = self._known.setdefault((size[0], size[1]), {})
        for part in doubled(count):
            if part in known:
                continue
            if len(known) > 1 and not self._is_cheap(part, max(size), known):
                break
            known[part] = self._measure(some_of(batch, part))
        return carried_on(known, count)

    def _is_cheap(self, count: int, size: int, known: Mapping[int, int]) -> bool:
        """Tell whether a probe takes but half of the memory, and little time."""
        return 2 * carried_on(known, count) <= self._room and count * size <= MOST_TOKENS


def doubled(count: int) -> Iterator[int]:
    """Yield two, four, eight and so on up to a number, and that."""
    part = min(2, count)
    while part < count:
        yield part
        part *= 2
    yield count


def carried_on(known: Mapping[int, int], count: int) -> int:
    """Read the peak of a number of sentences off the lines between those that are known."""
    counts = sorted(known)
    if count <= counts[-1] or len(counts) == 1:
        return round(float(np.interp(count, counts, [known[each] for each in counts])))
    before, last = counts[-2:]
    slope = (known[last] - known[before]) / (last - before)
    return round(known[last] + slope * (count - last))


def some_of(batch: Batch, count: int) -> Batch:
    """Take some pairs spread over a batch, the longest among them, padded as the whole is."""
    longest = dict.fromkeys(
        int(lengths.argmax()) for lengths in (batch.source_lengths, batch.target_lengths)
    )
    rest = np.linspace(0, len(batch.source) - 1, count).round().astype(int)
    spread = np.setdiff1d(rest, list(longest))
    chosen = np.sort([*longest, *spread][:count])
    return Batch(*(array[chosen] for array in vars(batch).values()))
