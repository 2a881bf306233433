"""Raw text to raw text: segment, batch by length, search, join, in the order of the lines."""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nmt.corpus.batches import pad, plan_batches
from nmt.errors import CheckpointError, ConfigError, DataError
from nmt.model.compute import Compute, on_threads
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import Segmenters
from nmt.search.config import SearchConfig
from nmt.search.coverage import CoverageScorer
from nmt.search.find import Wanted, find
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.search.scorer import ModelScorer, Scorer, Source
from nmt.search.shortlist import ShortlistScorer

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
    """The translations of one line, best first or as drawn: at least one, an empty one for an empty
    line.
    """

    source: str
    candidates: tuple[Candidate, ...]

    @property
    def text(self) -> str:
        """Give the first."""
        return self.candidates[0].text


@dataclass(frozen=True)
class Sentence:
    """A line to search for.

    Attributes:
        number: Of the line, from 1.
        ids: Of its text, tags included; empty where there is no text.
        prefix: Ids that its translation must begin with.
    """

    number: int
    ids: list[int]
    prefix: list[int]


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
        self._shortlist = model.shortlist if search.can_shorten else None
        self._max_length = model.max_length
        self._segmenters = segmenters
        self._search = search
        self._device = compute.device
        self._seed = compute.seed
        target = segmenters.target
        self._tags = segmenters.source.tag_ids(search.source_tag)
        self._ends = Ends(target.start_id, target.eos_id)

    def translate(self, lines: Iterable[str]) -> Iterator[Translation]:
        """Translate lines, one for one and in order, many at once."""
        stream, done = iter(lines), 0
        while chunk := list(islice(stream, LINES_AT_ONCE)):
            yield from self.translate_together(chunk, done + 1)
            done += len(chunk)

    def translate_together(
        self,
        lines: Sequence[str],
        first_number: int = 1,
        prefixes: Sequence[str] = (),
        numbers: Sequence[int] = (),
    ) -> list[Translation]:
        """Translate lines that are in memory, of which the first has the given number.

        Args:
            prefixes: For each line the text that its translation must begin with, if any must.
            numbers: Of the lines, where they do not follow each other.

        Raises:
            DataError: A prefix is longer than the model can write, or holds unknown characters.
        """
        numbers = numbers or range(first_number, first_number + len(lines))
        sentences = self._sentences(lines, prefixes, numbers)
        found = self._search_all(sentences, forced=bool(prefixes))
        for sentence, hypotheses in zip(sentences, found, strict=True):
            if sentence.ids and not hypotheses:
                raise CheckpointError(
                    f"line {sentence.number} has no translation of finite probability: the "
                    "model's weights hold values that are not numbers"
                )
        return [
            Translation(line, self._candidates(hypotheses))
            for line, hypotheses in zip(lines, found, strict=True)
        ]

    def _sentences(
        self, lines: Sequence[str], prefixes: Sequence[str], numbers: Sequence[int]
    ) -> list[Sentence]:
        """Segment lines and what their translations must begin with."""
        room = self._max_length - 1 - len(self._tags)  # 1: for the end of sentence
        if room < 1:
            raise ConfigError("search.source_tag leaves no room for text within model.max_length")
        begun = self._segmenters.target.encode_lines(prefixes or [""] * len(lines))
        sentences = []
        sources = self._segmenters.source.encode_lines(lines)
        for number, ids, prefix in zip(numbers, sources, begun, strict=True):
            if len(ids) > room:
                log.warning(
                    "line %d has %d pieces; only the first %d are translated, all that the model "
                    "can read (model.max_length)",
                    number, len(ids), room,
                )  # fmt: skip
            self._refuse_prefix(number, prefix)
            tagged = self._tags + ids[:room] if ids else []
            sentences.append(Sentence(number, tagged, prefix))
        return sentences

    def _refuse_prefix(self, number: int, prefix: Sequence[int]) -> None:
        """Refuse to begin with what the model cannot write."""
        if len(prefix) >= self._max_length:
            raise DataError(
                f"line {number}: the prefix has {len(prefix)} pieces, but the model can write "
                f"at most {self._max_length - 1} (model.max_length)"
            )
        if self._segmenters.target.unknown_id in prefix:
            raise DataError(f"line {number}: the prefix holds characters that the model lacks")

    def _search_all(self, sentences: Sequence[Sentence], *, forced: bool) -> list[list[Hypothesis]]:
        """Search for every sentence, in batches of like length; an empty one gets none."""
        found: list[list[Hypothesis]] = [[] for _ in sentences]
        filled = np.array([place for place, each in enumerate(sentences) if each.ids], np.int64)
        lengths = np.array([len(sentences[place].ids) + 1 for place in filled], np.int64)
        batches = [filled[batch] for batch in self._batches(lengths)]
        groups = [[sentences[place] for place in batch] for batch in batches]
        hypotheses = self._side_by_side(groups, forced)
        for place, each in zip(
            np.concatenate([filled[:0], *batches]), chain(*hypotheses), strict=True
        ):
            found[place] = each
        return found

    def _side_by_side(
        self, groups: Sequence[Sequence[Sentence]], forced: bool
    ) -> list[list[list[Hypothesis]]]:
        """Search for groups of sentences, several at once, each by one thread of the processor.

        Two searches by one thread each take less time than one after the other by two threads,
        which wait for each other after every product.
        """
        threads = torch.get_num_threads() if self._device.type == "cpu" else 1
        listens = bool(self._search.coverage_beta)  # to the one model, which all share
        if len(groups) < 2 or threads == 1 or listens:
            with on_threads(1) if self._search.batch_invariant else contextlib.nullcontext():
                return [self._search_batch(group, forced) for group in groups]
        with on_threads(1):
            pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
            try:
                return list(pool.map(lambda group: self._search_batch(group, forced), groups))
            finally:
                pool.shutdown(cancel_futures=True)

    def _batches(self, lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Group sentences of like length, or leave each alone."""
        if self._search.batch_invariant:
            # What a product or a sum gives depends on the shape that it is computed in, and
            # neither libraries nor processors promise anything about rows within a shape. Alone,
            # a sentence meets the same shapes whatever else is translated.
            return iter(np.arange(len(lengths)).reshape(-1, 1))
        budget = max(self._search.batch_tokens, int(lengths.max(initial=1)))
        # The longest first: if memory does not suffice, that shows at once.
        return reversed(plan_batches(lengths, lengths, budget, np.arange(len(lengths))))

    def _search_batch(self, sentences: Sequence[Sentence], forced: bool) -> list[list[Hypothesis]]:
        """Search for sentences of like length at once.

        Args:
            forced: Whether any line of the text has a prefix, which may need any piece.
        """
        arrays = [np.array(each.ids, np.int64) for each in sentences]
        padded, lengths = pad(arrays, None, self._segmenters.source.eos_id)
        source = Source(
            torch.from_numpy(padded).to(self._device), torch.from_numpy(lengths).to(self._device)
        )
        wanted = Wanted(
            limits=[
                self._limit(int(length), len(each.prefix))
                for length, each in zip(lengths, sentences, strict=True)
            ],
            prefixes=[each.prefix for each in sentences],
            lines=[each.number for each in sentences],
            seed=self._seed,
        )
        return find(self._scoring(forced), source, self._ends, wanted, self._search)

    def _scoring(self, forced: bool) -> Scorer[Any]:
        """Choose what scores the hypotheses of a batch."""
        if self._search.coverage_beta:
            return CoverageScorer(self._scorer, self._search.coverage_beta)
        if self._shortlist is not None and not forced:
            return ShortlistScorer(self._scorer, self._shortlist)
        return self._scorer

    def _limit(self, source_length: int, prefix_length: int) -> int:
        """Give the most ids of a translation, its end included; a prefix has room to go on."""
        room = max(self._search.limit(source_length), prefix_length + self._search.limit_extra)
        return min(room, self._max_length)

    def _candidates(self, hypotheses: Sequence[Hypothesis]) -> tuple[Candidate, ...]:
        """Turn hypotheses into text."""
        if not hypotheses:
            return (Candidate("", 0.0, 0.0),)
        join = self._segmenters.target.decode
        return tuple(Candidate(one_line(join(h.ids)), h.score, h.log_prob) for h in hypotheses)


def one_line(text: str) -> str:
    r"""Keep a translation on its line: spelt as bytes, a model can write a line end too."""
    return text.replace("\r", " ").replace("\n", " ")
