"""A model that reads pairs: in batches of like length, in one pass each, in any order.

B pairs, H heads, T target pieces with the end, S source pieces with tags and the end.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from nmt.corpus.batches import pad, plan_batches
from nmt.errors import CheckpointError, ConfigError
from nmt.model.compute import Compute
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import Segmenters
from nmt.search.config import SearchConfig
from nmt.search.forced import Forced, force
from nmt.search.hypothesis import Ends
from nmt.search.scorer import ModelScorer, Source
from nmt.text.segmenter import Cut, Segmenter
from nmt.translate import Translation, one_line


@dataclass(frozen=True)
class Pair:
    """A source and a target to read, cut into pieces; tags and ends are not among them.

    Attributes:
        number: Of the line, from 1.
    """

    number: int
    source: Cut
    target: Cut

    @property
    def is_empty(self) -> bool:
        """Tell whether there is no text on either side."""
        return not self.source.ids and not self.target.ids


@dataclass(frozen=True)
class Unfit:
    """A pair that a model cannot read, and why."""

    number: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.reason}"


class Reader:
    """A model, its segmenters, and the settings under which search would score.

    Attributes:
        tags: Pieces that stand before every source.
        search: How hypotheses are scored.
    """

    def __init__(
        self,
        model: EncoderDecoder,
        segmenters: Segmenters,
        search: SearchConfig,
        compute: Compute,
    ) -> None:
        self.search = search
        self.segmenters = segmenters
        self.tags = segmenters.source.tag_ids(search.source_tag)
        self._scorer = ModelScorer(model, compute)
        self._device = compute.device
        self._most = model.max_length - 1  # pieces of a side beside its end
        self._ends = Ends(segmenters.target.start_id, segmenters.target.eos_id)
        if self._most <= len(self.tags):
            raise ConfigError("search.source_tag leaves no room for text within model.max_length")

    def cut(
        self, pairs: Sequence[tuple[str, str]], first_number: int, *, known: bool = False
    ) -> list[Pair | Unfit]:
        """Cut raw pairs, of which the first has the given number.

        Args:
            known: A target with characters that the model lacks does not fit, nor one without
                a source: they have no probability.
        """
        sources = self.segmenters.source.cut_lines([source for source, _ in pairs])
        targets = self.segmenters.target.cut_lines([target for _, target in pairs])
        rows = enumerate(zip(sources, targets, strict=True), first_number)
        return [self._fitting(Pair(number, *row), known) for number, row in rows]

    def found(self, translations: Sequence[Translation], first_number: int) -> list[list[Pair]]:
        """Make the pairs of lines and what was found for each; the first has the given number.

        An empty pair stands for what search has not read as one sentence: lines that are empty, or
        copied, or were translated in parts.
        """
        target = self.segmenters.target
        sources = self.segmenters.source.cut_lines([each.source for each in translations])
        rows = zip(sources, translations, strict=True)
        return [
            [
                Pair(number, source, written(target, one.ids))
                if one.length == len(one.ids) + 1
                else Pair(number, source.first(0), written(target, ()))
                for one in each.candidates
            ]
            for number, (source, each) in enumerate(rows, first_number)
        ]

    def _fitting(self, pair: Pair, known: bool) -> Pair | Unfit:
        """Give a pair as it is, or say why it cannot be read."""
        sizes = len(pair.source.ids), len(pair.target.ids)
        limits = self._most - len(self.tags), self._most
        for side, verb, size, most in zip(
            ("source", "target"), ("read", "write"), sizes, limits, strict=True
        ):
            if size > most:
                reason = (
                    f"the {side} has {size} pieces, but the model can {verb} at most {most} "
                    "(model.max_length)"
                )
                return Unfit(pair.number, reason)
        if known and sizes[1] and not sizes[0]:
            reason = "the target has text but the source has none, which is never translated"
            return Unfit(pair.number, reason)
        if known and (lacking := unknown(self.segmenters.target, pair.target)):
            reason = f"the target holds {lacking!r}, which the model lacks"
            return Unfit(pair.number, reason)
        return pair

    def read(
        self, pairs: Sequence[Pair], *, need_weights: bool = False
    ) -> Iterator[tuple[int, Forced]]:
        """Read pairs of which none is empty; give the place of each, in the order of length.

        There are weights where they are asked for, or scoring needs them.

        Raises:
            CheckpointError: Probabilities are not numbers.
        """
        tags = len(self.tags)
        need_weights |= bool(self.search.coverage_beta)
        source = np.array([tags + len(pair.source.ids) + 1 for pair in pairs], np.int64)
        target = np.array([len(pair.target.ids) + 1 for pair in pairs], np.int64)
        longest = int(np.maximum(source, target).max(initial=1))
        budget = max(self.search.batch_tokens, longest)
        for batch in reversed(plan_batches(source, target, budget, np.arange(len(pairs)))):
            chosen = [pairs[place] for place in batch]
            for place, result in zip(batch, self._force(chosen, need_weights), strict=True):
                if not math.isfinite(sum(result.log_probs)):
                    raise CheckpointError(
                        f"line {pairs[place].number} has no finite probability: the model's "
                        "weights hold values that are not numbers"
                    )
                yield int(place), result

    def _force(self, pairs: Sequence[Pair], need_weights: bool) -> list[Forced]:
        """Read pairs of like length at once."""
        arrays = [np.array([*self.tags, *pair.source.ids], np.int64) for pair in pairs]
        padded, lengths = pad(arrays, None, self.segmenters.source.eos_id)
        source = Source(
            torch.from_numpy(padded).to(self._device), torch.from_numpy(lengths).to(self._device)
        )
        targets = [pair.target.ids for pair in pairs]
        return force(self._scorer, source, targets, self._ends, need_weights=need_weights)

    def heads(self) -> list[int | None]:
        """Count the heads of each layer of cross-attention; None where it gives no weights.

        Found by trying, since pruning and mechanisms of one's own decide.
        """
        end = self.segmenters.source.eos_id
        ids = torch.tensor([[*self.tags, end]], device=self._device)
        source = Source(ids, torch.tensor([ids.size(1)], device=self._device))
        (result,) = force(self._scorer, source, [[]], self._ends, need_weights=True)
        return [None if layer is None else layer.size(0) for layer in result.weights]


def written(segmenter: Segmenter, ids: Sequence[int]) -> Cut:
    """Give what a model wrote as it is shown: on one line."""
    cut = segmenter.cut_ids(ids)
    return replace(cut, text=one_line(cut.text))


def unknown(segmenter: Segmenter, cut: Cut) -> str:
    """Give the first characters of a text that a vocabulary lacks, or nothing."""
    if segmenter.unknown_id not in cut.ids:
        return ""
    begin, end = cut.spans[cut.ids.index(segmenter.unknown_id)]
    return cut.text[begin:end].strip() or cut.text[begin : end + 1]
