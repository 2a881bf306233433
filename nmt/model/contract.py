"""What every model offers to training and to search.

B batch, S source length, T target length, D model size, V target vocabulary.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from nmt.attention.contract import Attention
from nmt.attention.rows import Rows as Rows  # search names rows, and knows no attention
from nmt.model.sentences import Breaks
from nmt.model.shortlist import Shortlist


@dataclass(frozen=True)
class Memory:
    """An encoded source.

    Attributes:
        states: (B, S, D).
        lengths: (B,)
        sentences: (B, S) number of each id's sentence within its line; None where it is one.
    """

    states: Tensor
    lengths: Tensor
    sentences: Tensor | None = None


class DecodingState(ABC):
    """Where a search stands: a value of the model that made it, consumed by the next step."""

    @abstractmethod
    def select(self, sentences: Tensor) -> Self:
        """Keep some sentences, given by index; the state given is consumed."""


class SequenceModel(nn.Module, ABC):
    """A model of each id of a target given those before it, and perhaps a source.

    Attributes:
        max_length: Longest source or target, in ids.
        breaks: The ids that end a sentence within a line.
        shortlist: The target pieces that source pieces suggest, where they have been learnt.
    """

    max_length: int
    breaks: Breaks = Breaks()
    shortlist: Shortlist | None = None

    def mechanisms(self) -> dict[str, Attention]:
        """Name the mechanisms of attention by where they stand; shared ones once."""
        return {name: each for name, each in self.named_modules() if isinstance(each, Attention)}

    def penalty(self) -> Tensor | None:
        """Sum what the mechanisms of attention add to the training loss, if anything."""
        parts = [each.penalty() for each in self.mechanisms().values()]
        present = [part for part in parts if part is not None]
        return torch.stack(present).sum() if present else None

    def regulators(self) -> list[nn.Parameter]:
        """List the weights that set how mechanisms adapt."""
        return [each for one in self.mechanisms().values() for each in one.regulators()]

    def statistics(self) -> dict[str, float]:
        """Tell what mechanisms have learnt about themselves."""
        return {
            f"{place}.{name}": value
            for place, each in self.mechanisms().items()
            for name, value in each.statistics().items()
        }

    @abstractmethod
    def predict(
        self, source: tuple[Tensor, Tensor], target: Tensor, target_lengths: Tensor
    ) -> Tensor:
        """Give the states (B, T, D) that predict the id after each of (B, T) target ids.

        Args:
            source: Ids (B, S) and lengths (B,); a model without a source looks at neither.
        """

    @abstractmethod
    def output_weight(self) -> Tensor:
        """Give the matrix (V, D) whose product with a state is a score for each id."""

    @abstractmethod
    def begin(self, source: tuple[Tensor, Tensor], beam: int, limit: int) -> DecodingState:
        """Begin `beam` hypotheses, of at most `limit` ids, for each source (ids and lengths)."""

    @abstractmethod
    def step(
        self, state: DecodingState, ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[Tensor, DecodingState]:
        """Extend each hypothesis' parent by an id, both (B, beam).

        Args:
            rows: The R hypotheses that will be asked for; all, if None.

        Returns:
            States (B, beam, D), or (1, R, D), that predict the next id, and the state of decoding.
            The one given is consumed.
        """


class EncoderDecoder(SequenceModel):
    """A model of a target given a source."""

    def predict(
        self, source: tuple[Tensor, Tensor], target: Tensor, target_lengths: Tensor
    ) -> Tensor:
        """Encode the sources and decode all of the targets."""
        return self.decode(self.encode(*source), target, target_lengths)

    def begin(self, source: tuple[Tensor, Tensor], beam: int, limit: int) -> DecodingState:
        """Encode the sources and begin to decode."""
        return self.start(self.encode(*source), beam, limit)

    @abstractmethod
    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        """Encode (B, S) ids of which the first `lengths` are real."""

    @abstractmethod
    def decode(self, memory: Memory, target: Tensor, lengths: Tensor) -> Tensor:
        """Give the states (B, T, D) that predict the id after each of (B, T) target ids."""

    @abstractmethod
    def start(self, memory: Memory, beam: int, limit: int) -> DecodingState:
        """Begin to decode `beam` hypotheses of each sentence, of at most `limit` ids."""
