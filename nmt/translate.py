"""Raw text to raw text: segment, batch by length, search, join, in the order of the lines."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from nmt.corpus.batches import pad, plan_batches
from nmt.errors import CheckpointError, ConfigError
from nmt.model.compute import Compute
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import Segmenters
from nmt.search.beam import Ends, Hypothesis, beam_search
from nmt.search.config import SearchConfig
from nmt.search.scorer import ModelScorer, Source

log = logging.getLogger(__name__)

LINES_AT_ONCE = 2048


@dataclass(frozen=True)
class Candidate:
    """One translation of a line."""

    text: str
    score: float
    log_prob: float


@dataclass(frozen=True)
class Translation:
    """The translations of one line, best first: at least one, an empty one for an empty line."""

    source: str
    candidates: tuple[Candidate, ...]

    @property
    def text(self) -> str:
        """Give the best."""
        return self.candidates[0].text


class Translator:
    """A model, its segmenters, and the way to search."""

    def __init__(
        self,
        model: EncoderDecoder,
        segmenters: Segmenters,
        search: SearchConfig,
        compute: Compute,
    ) -> None:
        self._scorer = ModelScorer(model, compute)
        self._max_length = model.max_length
        self._segmenters = segmenters
        self._search = search
        self._device = compute.device
        target = segmenters.target
        self._tags = segmenters.source.tag_ids(search.source_tag)
        self._ends = Ends(target.start_id, target.eos_id)

    def translate(self, lines: Iterable[str]) -> Iterator[Translation]:
        """Translate lines, one for one and in order, many at once."""
        stream, done = iter(lines), 0
        while chunk := list(islice(stream, LINES_AT_ONCE)):
            yield from self.translate_together(chunk, done + 1)
            done += len(chunk)

    def translate_together(self, lines: Sequence[str], first_number: int = 1) -> list[Translation]:
        """Translate lines that are in memory, of which the first has the given number."""
        ids = self._segmenters.source.encode_lines(lines)
        room = self._max_length - 1 - len(self._tags)  # 1: for the end of sentence
        if room < 1:
            raise ConfigError("search.source_tag leaves no room for text within model.max_length")
        for number, sequence in enumerate(ids, start=first_number):
            if len(sequence) > room:
                log.warning(
                    "line %d has %d pieces; only the first %d are translated, all that the model "
                    "can read (model.max_length)",
                    number, len(sequence), room,
                )  # fmt: skip
        found = self._search_all(
            [self._tags + sequence[:room] if sequence else [] for sequence in ids]
        )
        for number, (sequence, hypotheses) in enumerate(zip(ids, found, strict=True), first_number):
            if sequence and not hypotheses:
                raise CheckpointError(
                    f"line {number} has no translation of finite probability: the model's weights "
                    "hold values that are not numbers"
                )
        return [
            Translation(line, self._candidates(hypotheses))
            for line, hypotheses in zip(lines, found, strict=True)
        ]

    def _search_all(self, ids: list[list[int]]) -> list[list[Hypothesis]]:
        """Search for every sequence, in batches of like length; an empty one gets none."""
        found: list[list[Hypothesis]] = [[] for _ in ids]
        filled = np.array([number for number, each in enumerate(ids) if each], np.int64)
        lengths = np.array([len(ids[number]) + 1 for number in filled], np.int64)
        budget = max(self._search.batch_tokens, int(lengths.max(initial=1)))
        # The longest first: if memory does not suffice, that shows at once.
        for batch in reversed(plan_batches(lengths, lengths, budget, np.arange(len(filled)))):
            numbers = filled[batch]
            hypotheses = self._search_batch([ids[number] for number in numbers])
            for number, each in zip(numbers, hypotheses, strict=True):
                found[number] = each
        return found

    def _search_batch(self, ids: list[list[int]]) -> list[list[Hypothesis]]:
        """Search for sequences of like length at once."""
        arrays = [np.array(sequence, np.int64) for sequence in ids]
        padded, lengths = pad(arrays, None, self._segmenters.source.eos_id)
        source = Source(
            torch.from_numpy(padded).to(self._device), torch.from_numpy(lengths).to(self._device)
        )
        limits = [min(self._search.limit(int(each)), self._max_length) for each in lengths]
        return beam_search(self._scorer, source, self._ends, limits, self._search)

    def _candidates(self, hypotheses: Sequence[Hypothesis]) -> tuple[Candidate, ...]:
        """Turn hypotheses into text."""
        if not hypotheses:
            return (Candidate("", 0.0, 0.0),)
        join = self._segmenters.target.decode
        return tuple(Candidate(one_line(join(h.ids)), h.score, h.log_prob) for h in hypotheses)


def one_line(text: str) -> str:
    r"""Keep a translation on its line: spelt as bytes, a model can write a line end too."""
    return text.replace("\r", " ").replace("\n", " ")
