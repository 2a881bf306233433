"""A scorer without a model: log-probabilities from a table."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from nmt.attention.rows import Rows
from nmt.search.scorer import Source

NUM_CODES = 61


def next_code(code: int, id_: int, vocab_size: int) -> int:
    """Fold one more id into the number that stands for a history."""
    return (code * vocab_size + id_ + 1) % NUM_CODES


@dataclass(frozen=True)
class TableState:
    """Where each hypothesis stands: a code of its history, (B, beam), and its sentence, (B,)."""

    codes: Tensor
    sentences: Tensor


@dataclass(frozen=True)
class TableCandidates:
    """Candidates that are what the table says, sorted the obvious way."""

    table: Tensor
    ending: Tensor | None = None

    def log_probs(self) -> Tensor:
        return self.table

    def top(self, width: int) -> tuple[Tensor, Tensor]:
        best, ids = self.table.sort(dim=-1, descending=True, stable=True)
        return best[..., :width], ids[..., :width]

    def bonus(self) -> Tensor | None:
        return self.ending


class TableScorer:
    """Look log-probabilities up by sentence and history, (sentences, NUM_CODES, V).

    Attributes:
        ending: (sentences, NUM_CODES) what scores gain where a history ends.
        batch_sizes: How many sentences each step was given.
    """

    def __init__(self, table: Tensor) -> None:
        self.table = table
        self.ending: Tensor | None = None
        self.batch_sizes: list[int] = []
        self._valid: TableState | None = None
        self._left = 0

    def start(self, source: Source, beam: int, limit: int) -> TableState:
        codes = torch.zeros(len(source.ids), beam, dtype=torch.long)
        self.batch_sizes, self._left = [], limit
        return self._hand_out(TableState(codes, source.ids[:, 0]))

    def step(
        self, state: TableState, ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[TableCandidates, TableState]:
        self._take_back(state)
        assert self._left, "more steps than were announced"
        self._left -= 1
        self.batch_sizes.append(len(ids))
        codes = next_codes(state.codes.gather(1, parents), ids, self.table.size(-1))
        place = (state.sentences.unsqueeze(-1), codes)
        ending = None if self.ending is None else self.ending[place]
        candidates = TableCandidates(self.table[place], ending)
        return candidates, self._hand_out(replace(state, codes=codes))

    def select(self, state: TableState, sentences: Tensor) -> TableState:
        self._take_back(state)
        return self._hand_out(TableState(state.codes[sentences], state.sentences[sentences]))

    def after(self, sentence: int, history: Iterable[int]) -> list[float]:
        """Look up what may follow one history, its start included."""
        following: list[float] = self.table[sentence, self._code(history)].tolist()
        return following

    def gain(self, sentence: int, history: Iterable[int]) -> float:
        """Look up what the score of one history gains if it ends."""
        return 0.0 if self.ending is None else float(self.ending[sentence, self._code(history)])

    def _code(self, history: Iterable[int]) -> int:
        code = 0
        for id_ in history:
            code = next_code(code, id_, self.table.size(-1))
        return code

    def forced(self, sentence: int, start: int, ids: Sequence[int], end: int) -> float:
        """Sum the log-probabilities of ids and of the end after them."""
        history = [start, *ids]
        following = [*ids, end]
        return sum(
            self.after(sentence, history[: place + 1])[id_] for place, id_ in enumerate(following)
        )

    def _hand_out(self, state: TableState) -> TableState:
        self._valid = state
        return state

    def _take_back(self, state: TableState) -> None:
        assert state is self._valid, "a state is consumed by the step that uses it"


def next_codes(codes: Tensor, ids: Tensor, vocab_size: int) -> Tensor:
    """Do as `next_code`, for tensors."""
    return (codes * vocab_size + ids + 1) % NUM_CODES


@pytest.fixture(scope="session")
def make_scorer() -> Callable[..., TableScorer]:
    """Draw a table for three sentences.

    With `grain`, log-probabilities are multiples of it, so that many are equal, and a tenth of
    them are impossible.
    """

    def make(seed: int, vocab_size: int = 5, grain: float = 0.0) -> TableScorer:
        generator = torch.Generator().manual_seed(seed)
        scores = torch.randn(3, NUM_CODES, vocab_size, generator=generator).double()
        if not grain:
            return TableScorer((1.5 * scores).log_softmax(-1))
        table = -(scores.abs() / grain).round() * grain
        impossible = torch.rand(table.shape, generator=generator) < 0.1
        return TableScorer(table.masked_fill(impossible, -torch.inf))

    return make


@pytest.fixture(scope="session")
def sentences() -> Callable[..., Source]:
    """Make the source that names sentences of the table."""

    def make(*numbers: int) -> Source:
        return Source(
            torch.tensor(numbers).long().view(-1, 1), torch.ones(len(numbers), dtype=torch.long)
        )

    return make
