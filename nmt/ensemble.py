"""Models that translate together: what each reads, and how much each counts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from nmt.corpus.batches import pad
from nmt.errors import CheckpointError, ConfigError
from nmt.model.compute import Compute
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import Segmenters
from nmt.model.shortlist import Shortlist
from nmt.search.config import SPACES, SearchConfig
from nmt.search.coverage import CoverageScorer
from nmt.search.ensemble import EnsembleScorer, Readings
from nmt.search.scorer import ModelScorer, Scorer, Source
from nmt.text.segmenter import Segmenter


@dataclass(frozen=True)
class Sight:
    """How a model reads lines.

    Attributes:
        max_length: The most ids that it can read, end included.
        tags: Pieces that it reads before every source.
    """

    segmenter: Segmenter
    max_length: int
    tags: tuple[str, ...] = ()

    @cached_property
    def tag_ids(self) -> list[int]:
        """Give the ids of its tags.

        Raises:
            DataError: One is no piece.
        """
        return self.segmenter.tag_ids(self.tags)

    @property
    def room(self) -> int:
        """Give how many ids of a text it can read.

        Raises:
            ConfigError: There is room for none.
        """
        room = self.max_length - 1 - len(self.tag_ids)  # 1: for the end of sentence
        if room < 1:
            raise ConfigError("search.source_tag leaves no room for text within model.max_length")
        return room

    def read(self, lines: Sequence[str]) -> list[list[int]]:
        """Turn lines into ids, without tags."""
        return self.segmenter.encode_lines(lines)

    def tagged(self, ids: Sequence[int]) -> list[int]:
        """Put tags before as many ids of a line as there is room for."""
        return [*self.tag_ids, *ids[: self.room]] if ids else []


@dataclass(frozen=True)
class Member:
    """A model, and how it reads.

    Attributes:
        name: For messages.
        model: In evaluation mode, on its device.
        tags: Pieces that it reads before every source.
    """

    name: str
    model: EncoderDecoder
    segmenters: Segmenters
    compute: Compute
    tags: tuple[str, ...] = ()

    @cached_property
    def sight(self) -> Sight:
        """Give how it reads lines."""
        return Sight(self.segmenters.source, self.model.max_length, self.tags)

    def source(self, sentences: Sequence[Sequence[int]]) -> Source:
        """Make a batch of sentences."""
        arrays = [np.array(each, np.int64) for each in sentences]
        padded, lengths = pad(arrays, None, self.segmenters.source.eos_id)
        device = self.compute.device
        return Source(torch.from_numpy(padded).to(device), torch.from_numpy(lengths).to(device))

    def scorer(self, search: SearchConfig) -> Scorer[Any]:
        """Make what scores by this model alone."""
        scorer = ModelScorer(self.model, self.compute)
        if search.coverage_beta:
            return CoverageScorer(scorer, search.coverage_beta)
        return scorer


@dataclass(frozen=True)
class Fusion:
    """How several models become one.

    Attributes:
        weights: One for each, at least 0 and not all 0; all alike where there are none. They are
            scaled to sum to 1.
        space: Whether the mean is one of probabilities, "prob", or of log-probabilities, "log".
    """

    weights: tuple[float, ...] = ()
    space: str = SPACES[0]


class Ensemble:
    """Models that write the same pieces, one of them or many.

    Raises:
        ConfigError: Weights are not as many as models, or cannot be weights.
        CheckpointError: Two models have different target segmenters.
    """

    def __init__(self, members: Sequence[Member], fusion: Fusion = Fusion()) -> None:
        refuse_other_targets(members)
        self.members = list(members)
        self.fusion = fusion
        self.weights = fusion.weights or (1.0,) * len(members)
        refuse_odd_weights(self.weights, len(members))

    @property
    def target(self) -> Segmenter:
        """Give the target's segmenter."""
        return self.members[0].segmenters.target

    @property
    def max_length(self) -> int:
        """Give the longest target that all can write, in ids."""
        return min(each.model.max_length for each in self.members)

    @property
    def shortlist(self) -> Shortlist | None:
        """Give the shortlist of a model that is alone; several have none in common."""
        return self.members[0].model.shortlist if len(self.members) == 1 else None

    def scorer(self, search: SearchConfig) -> Scorer[Any]:
        """Make what scores by all; one alone is as it is."""
        scorers = [each.scorer(search) for each in self.members]
        if len(scorers) == 1:
            return scorers[0]
        return EnsembleScorer(scorers, self.weights, self.fusion.space)

    def source(self, sentences: Sequence[Sequence[Sequence[int]]]) -> Source:
        """Make a batch of sentences.

        Args:
            sentences: Of each, its ids for each model.
        """
        columns = zip(*sentences, strict=True)
        each = [member.source(ids) for member, ids in zip(self.members, columns, strict=True)]
        return each[0] if len(each) == 1 else Readings(each[0].ids, each[0].lengths, tuple(each))


def refuse_other_targets(members: Sequence[Member]) -> None:
    """Refuse models whose pieces are not the same."""
    first = members[0]
    for other in members[1:]:
        if other.segmenters.target.sha256 != first.segmenters.target.sha256:
            raise CheckpointError(
                f"{first.name} and {other.name} cannot translate together: their target segmenters "
                "differ; train both with one"
            )


def refuse_odd_weights(weights: Sequence[float], num_models: int) -> None:
    """Refuse what cannot weigh models."""
    if len(weights) != num_models:
        raise ConfigError(f"{len(weights)} weights for {num_models} models; give one for each")
    if not all(0 <= each < math.inf for each in weights) or not any(weights):
        shown = ",".join(f"{each:g}" for each in weights)
        raise ConfigError(f"weights of models must be at least 0, and not all 0, not {shown}")
