"""The worst batch of an epoch, and the largest batches that a memory has room for.

B sentences, S source length, T target length.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nmt.corpus.batches import BatchStream, Shape
from nmt.corpus.store import Array
from nmt.errors import ConfigError
from nmt.plan.probes import Probes

MOST_LOOKS = 4  # at batches that are worst by what is known of others
CLOSE = 0.97  # share of the memory from which on batches are large enough
ROUNDS, GROWTH = 12, 8  # of the search for them, and how much larger each may be


@dataclass(frozen=True)
class Peak:
    """The batch that takes most.

    Attributes:
        shape: Its size.
        update_bytes: What its update takes above what weights and optimizer hold.
    """

    shape: Shape
    update_bytes: int


def worst_batch(stream: BatchStream, probes: Probes) -> Peak:
    """Predict what the worst batch of the first epoch takes.

    Batches of long sentences take more for each token, but hold fewer tokens: what lies between
    is told from the extremes, and looked at until the worst of all is one that is known.
    """
    plan = stream.plan(0)
    shapes = [stream.shape(numbers) for numbers in plan]
    loads = np.array([load(shape) for shape in shapes], float)  # (batches, 3)
    known: dict[int, int] = {}
    looks = dict.fromkeys(int(place) for place in loads.argmax(axis=0))
    for _ in range(MOST_LOOKS):
        known |= {n: probes.peak(stream.batch(plan[n])) for n in looks if n not in known}
        looks = {int(estimated(loads, known).argmax()): None}
    worst = max(known, key=lambda place: known[place])
    return Peak(shapes[worst], known[worst])


def load(batch: Shape) -> tuple[int, int, int]:
    """Give what memory grows with: states of either side, and pairs of positions."""
    source, target = batch.pairs * batch.source, batch.pairs * batch.target
    return source, target, source * batch.target


def estimated(loads: Array, known: Mapping[int, int]) -> Array:
    """Estimate the peaks of all batches from those that are known, (batches,)."""
    weights = np.linalg.lstsq(loads[list(known)], np.array(list(known.values()), float), None)[0]
    estimates: Array = loads @ weights
    return estimates


def fit(stream: BatchStream, probes: Probes, room: int, start: int) -> int:
    """Find the data.batch_tokens whose worst batch fills the memory, but for some hundredths.

    A little more has no room. Much more might again, where the last batches of a small corpus
    happen to be nearly empty; that is not looked for.

    Args:
        room: Bytes that an update may take.
        start: Where to begin to look.

    Raises:
        ConfigError: The longest pair alone has none.
    """
    shapes = [stream.shape(numbers) for numbers in stream.plan(0)]
    least = max(max(shape.source, shape.target) for shape in shapes)
    most = least * sum(shape.pairs for shape in shapes)

    def peak(tokens: int) -> int:
        return worst_batch(stream.with_budget(tokens), probes).update_bytes

    known = {least: peak(least)}
    if known[least] > room:
        raise ConfigError(
            f"--memory has no room for the longest pair ({least} tokens): its update takes "
            f"{known[least]:,} bytes, and {max(0, room):,} are left beside weights and optimizer; "
            "set training.recompute = true, encode with a lower encode.max_pieces, or choose a "
            "smaller model"
        )
    for _ in range(ROUNDS):
        low = max(tokens for tokens, each in known.items() if each <= room)
        tokens = larger(known, room, max(start, 2 * least), most)
        if known[low] >= CLOSE * room or tokens <= low or tokens in known:
            break
        known[tokens] = peak(tokens)
    return max(tokens for tokens, each in known.items() if each <= room)


def larger(known: Mapping[int, int], room: int, start: int, most: int) -> int:
    """Choose where to look next: where the line through the nearest two meets the memory."""
    low = max(tokens for tokens, each in known.items() if each <= room)
    above = [tokens for tokens, each in known.items() if each > room]
    high = min(above, default=most + 1)
    others = sorted(tokens for tokens in known if tokens != low)
    if not others:
        return min(start, most)
    other = high if above else others[-1]
    slope = (known[other] - known[low]) / (other - low)
    wanted = (1 + CLOSE) / 2 * room - known[low]
    step = wanted / slope if slope > 0 else (GROWTH - 1) * low
    return min(low + max(1, int(step)), GROWTH * low, high - 1)
