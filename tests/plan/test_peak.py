"""The worst batch is found without looking at all; what fits is found to some hundredths."""

from collections.abc import Callable

import numpy as np
import pytest

from nmt.corpus.batches import Batch, BatchStream, Boundaries
from nmt.corpus.encoded import EncodedCorpus
from nmt.errors import ConfigError
from nmt.plan.peak import CLOSE, fit, worst_batch
from nmt.plan.probes import Probes

COSTS: dict[str, Callable[[Batch], float]] = {
    "per position": lambda batch: 100 * batch.source.size + 200 * batch.target[:, 1:].size,
    "per pair of positions": lambda batch: batch.source.size * (batch.target.shape[1] - 1),
    "both": lambda batch: 1000 + batch.source.size * (90.0 + 4 * (batch.target.shape[1] - 1)),
}


class Lines:
    """A corpus of lengths alone."""

    def __init__(self) -> None:
        random = np.random.default_rng(1)
        sizes = np.minimum(60, random.geometric(0.07, 2000))
        self.ids = {
            "source": [np.full(size, 5) for size in sizes],
            "target": [np.full(max(1, size + random.integers(-3, 4)), 5) for size in sizes],
        }

    def __len__(self) -> int:
        return len(self.ids["source"])

    def lengths_of(self, side: str, numbers: np.ndarray) -> np.ndarray:
        return np.array([len(self.ids[side][number]) for number in numbers])

    def longest(self, side: str) -> int:
        return max(len(each) for each in self.ids[side])

    def sequence(self, side: str, number: int) -> np.ndarray:
        return self.ids[side][number]


class Exact(Probes):
    """Know the peak of every batch."""

    def __init__(self, cost: Callable[[Batch], float]) -> None:
        super().__init__(lambda batch: int(cost(batch)), 10**12)
        self.looks = 0

    def peak(self, batch: Batch) -> int:
        self.looks += 1
        return self._measure(batch)


@pytest.fixture(scope="module")
def stream() -> BatchStream:
    corpus: EncodedCorpus = Lines()  # type: ignore[assignment]
    return BatchStream(corpus, 600, 1, Boundaries(2, 1, 2))


@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
@pytest.mark.parametrize("tokens", [80, 600, 3000])
def test_the_worst_batch_is_that_of_all(
    stream: BatchStream, cost: Callable[[Batch], float], tokens: int
) -> None:
    stream, probes = stream.with_budget(tokens), Exact(cost)
    found = worst_batch(stream, probes)
    plan = stream.plan(0)
    everything = [int(cost(stream.batch(numbers))) for numbers in plan]
    assert found.update_bytes == max(everything)
    assert found.shape == stream.shape(plan[everything.index(max(everything))])
    assert probes.looks <= 7


@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
@pytest.mark.parametrize("start", [66, 600, 10_000])
@pytest.mark.parametrize("room", [500_000, 3_000_000])
def test_batches_grow_until_the_worst_fills_the_memory(
    stream: BatchStream, cost: Callable[[Batch], float], start: int, room: int
) -> None:
    tokens = fit(stream, Exact(cost), room, start)
    peak = worst_batch(stream.with_budget(tokens), Exact(cost)).update_bytes
    assert CLOSE * room <= peak <= room


def test_where_all_has_room_a_batch_holds_all(stream: BatchStream) -> None:
    tokens = fit(stream, Exact(COSTS["both"]), 10**12, 600)
    assert len(stream.with_budget(tokens).plan(0)) == 1


def test_no_room_for_the_longest_pair_is_told(stream: BatchStream) -> None:
    expected = (
        r"no room for the longest pair \(6\d tokens\): its update takes [\d,]+ bytes, and 900"
    )
    with pytest.raises(ConfigError, match=expected):
        fit(stream, Exact(COSTS["both"]), 900, 600)
    with pytest.raises(ConfigError, match="and 0 are left beside weights and optimizer"):
        fit(stream, Exact(COSTS["both"]), -5, 600)
