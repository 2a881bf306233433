"""Processes that train one model together, as one of them sees the others.

W processes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

Value = TypeVar("Value")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Turn(Generic[Item]):
    """A process' part in an update: one of its items.

    Attributes:
        factor: Of the loss; 0 for an item that is another's.
        last: Whether it is the process' last in this update.
    """

    item: Item
    factor: float
    last: bool


def seed_of(*parts: int) -> int:
    """Make one seed of several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


@dataclass(frozen=True)
class Ranks:
    """The processes that train one model together; by default one alone.

    All methods but `seed` and `turns` must be called by every process at the same point. They
    exchange a few numbers on the processor; gradients are the engine's.

    Attributes:
        rank: The number of this process, from 0.
        size: W, how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Tell whether this is the process that writes, speaks and validates."""
        return self.rank == 0

    def seed(self, seed: int) -> None:
        """Begin random numbers of this process' own; the first has those of one alone."""
        if not self.leads:
            torch.manual_seed(seed_of(seed, self.rank))

    def turns(self, items: Sequence[Item]) -> list[Turn[Item]]:
        """Deal this process its items of an update.

        All get the same number, since an engine waits for all of them; who would go short takes
        the first item without counting it. An engine averages over processes what is to be
        summed, hence the factor W.
        """
        mine = [(item, float(self.size)) for item in items[self.rank :: self.size]]
        count = -(-len(items) // self.size)
        mine += [(items[0], 0.0)] * (count - len(mine))
        return [Turn(*each, last=number == count) for number, each in enumerate(mine, start=1)]

    def sums(self, values: Sequence[float]) -> list[float]:
        """Add up what each process has."""
        return self._reduced(values, "SUM")

    def highest(self, values: Sequence[float]) -> list[float]:
        """Take the largest that any process has."""
        return self._reduced(values, "MAX")

    def _reduced(self, values: Sequence[float], operation: str) -> list[float]:
        if self.size == 1:
            return list(values)
        from torch import distributed

        tensor = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(tensor, getattr(distributed.ReduceOp, operation))
        return [float(value) for value in tensor]

    def told(self, value: Value) -> Value:
        """Give every process what the first has, which JSON can spell; others wait for it."""
        if self.size == 1:
            return value
        from torch import distributed

        text = json.dumps(value).encode() if self.leads else b""
        (size,) = self.highest([len(text)])
        letters = torch.zeros(int(size), dtype=torch.uint8)
        if self.leads:
            letters = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        distributed.broadcast(letters, 0)
        told: Value = json.loads(bytes(letters.tolist()))
        return told

    def gathered(self, tensor: Tensor) -> list[Tensor]:
        """Collect a tensor, of one shape everywhere and on the processor, from every process."""
        if self.size == 1:
            return [tensor]
        from torch import distributed

        gathered = [torch.empty_like(tensor) for _ in range(self.size)]
        distributed.all_gather(gathered, tensor)
        return gathered
