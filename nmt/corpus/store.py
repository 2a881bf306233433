"""Sequences of unequal length in two flat files, read through memory maps.

`NAME.bin` holds the sequences end to end; `NAME.offsets.bin` holds where each begins and, last,
where the last one ends, as 64-bit integers.
"""

import itertools
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nmt.errors import DataError

Array = NDArray[Any]
AT_ONCE = 2**16


class RaggedWriter:
    """Append sequences to a pair of files."""

    def __init__(self, folder: Path, name: str, dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self._values = (folder / f"{name}.bin").open("wb")
        self._offsets = (folder / f"{name}.offsets.bin").open("wb")
        self._end = 0
        self._offsets.write(np.int64(0).tobytes())

    def append(self, values: Array) -> None:
        """Write one sequence."""
        self._values.write(values.astype(self.dtype, copy=False).tobytes())
        self._end += len(values)
        self._offsets.write(np.int64(self._end).tobytes())

    def extend(self, values: Array, lengths: Array) -> None:
        """Write sequences that stand end to end."""
        self._values.write(values.astype(self.dtype, copy=False).tobytes())
        ends = self._end + np.cumsum(lengths, dtype=np.int64)
        self._offsets.write(ends.tobytes())
        self._end = int(ends[-1]) if len(ends) else self._end

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._values.close()
        self._offsets.close()


class Ragged:
    """Read sequences by number; nothing is loaded before it is used."""

    def __init__(self, folder: Path, name: str, dtype: str) -> None:
        self.offsets = map_file(folder / f"{name}.offsets.bin", "int64")
        self.values = map_file(folder / f"{name}.bin", dtype)
        self._name = folder / name
        ends = self.offsets[[0, -1]].tolist() if len(self.offsets) else []
        if ends != [0, len(self.values)]:
            raise DataError(
                f"{folder / name}.bin does not fit its offsets; encode the corpus again"
            )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> Array:
        return self.values[self.offsets[number] : self.offsets[number + 1]]

    def lengths(self) -> Array:
        """Give the length of every sequence."""
        return np.diff(self.offsets)

    def lengths_of(self, numbers: Array) -> Array:
        """Give the length of some sequences, as 32-bit integers."""
        lengths = np.empty(len(numbers), np.int32)
        for at in range(0, len(numbers), AT_ONCE):
            some = numbers[at : at + AT_ONCE]
            found = self.offsets[some + 1] - self.offsets[some]
            if not 0 <= found.min() <= found.max() <= len(self.values):
                raise self._disorder()
            lengths[at : at + AT_ONCE] = found
        return lengths

    def refuse_disorder(self) -> None:
        """Refuse offsets of which one is beyond the next, looking at some at a time.

        Raises:
            DataError: There is one.
        """
        for at in range(0, len(self), AT_ONCE):
            if np.diff(self.offsets[at : at + AT_ONCE + 1]).min() < 0:
                raise self._disorder()

    def stored(self, begin: int, end: int) -> list[bytes]:
        """Give the bytes of each sequence from `begin` to before `end`."""
        places = self.offsets[begin : end + 1].tolist()
        raw, size = self.values[places[0] : places[-1]].tobytes(), self.values.itemsize
        places = [(place - places[0]) * size for place in places]
        return [raw[one:other] for one, other in itertools.pairwise(places)]

    def _disorder(self) -> DataError:
        return DataError(f"{self._name}.offsets.bin is damaged; encode the corpus again")

    def longest(self) -> int:
        """Give the greatest length, looking at some at a time."""
        parts = range(0, len(self), AT_ONCE)
        return max(
            (int(np.diff(self.offsets[at : at + AT_ONCE + 1]).max()) for at in parts), default=0
        )


def map_file(path: Path, dtype: str) -> Array:
    """Map a file of numbers; an empty file is an empty array.

    Raises:
        DataError: The file is missing, or not of such numbers.
    """
    try:
        if path.stat().st_size == 0:
            return np.empty(0, dtype)
        return np.memmap(path, dtype=dtype, mode="r")
    except (OSError, ValueError, TypeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise DataError(f"cannot read {path}: {reason}; encode the corpus again") from None
