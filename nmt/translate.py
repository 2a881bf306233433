"""Raw text to raw text: segment, batch by length, search, join, in the order of the lines."""

import contextlib
import copy
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nmt.corpus.batches import pad, plan_batches
from nmt.errors import CheckpointError
from nmt.model.compute import Compute, on_threads
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import Segmenters
from nmt.search.config import SearchConfig
from nmt.search.coverage import CoverageScorer
from nmt.search.find import Wanted, find
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.search.scorer import ModelScorer, Scorer, Source
from nmt.search.shortlist import ShortlistScorer
from nmt.sources import Sentence, SourceLine, SourceReader
from nmt.text.parts import join_parts

LINES_AT_ONCE = 2048
NOTHING = Hypothesis((), 0.0, 0.0)


@dataclass(frozen=True)
class Candidate:
    """One translation of a line.

    Attributes:
        ids: Those that search has found, without the end, of all parts.
        length: Ids, its end included; 0 where nothing was searched for.
        suspect: The kinds of faults that it was marked with, if faults were looked for.
    """

    text: str
    score: float
    log_prob: float
    ids: tuple[int, ...] = ()
    length: int = 0
    suspect: tuple[str, ...] = ()


@dataclass(frozen=True)
class Translation:
    """The translations of one line, best first or as drawn: at least one, an empty one for an empty
    line.

    Attributes:
        length: Ids of the source, tags and end not counted.
    """

    source: str
    candidates: tuple[Candidate, ...]
    length: int = 0

    @property
    def text(self) -> str:
        """Give the first."""
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
        self._shortlist = model.shortlist if search.can_shorten else None
        self._max_length = model.max_length
        self._segmenters = segmenters
        self._search = search
        self._device = compute.device
        self._seed = compute.seed
        target = segmenters.target
        self._ends = Ends(target.start_id, target.eos_id)
        self._reader = SourceReader(segmenters, search, model.max_length)

    def searching(self, search: SearchConfig) -> "Translator":
        """Give one that searches in another way, and reads lines as this one does."""
        other = copy.copy(self)
        other._search = search
        other._shortlist = self._scorer.model.shortlist if search.can_shorten else None
        return other

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
            DataError: A prefix is longer than the model can write, or holds unknown characters; a
                line holds half a character.
        """
        numbers = numbers or range(first_number, first_number + len(lines))
        read = self._reader.read(lines, numbers, prefixes or [""] * len(lines))
        sentences = [sentence for line in read for sentence in line.sentences]
        found = self._search_all(sentences, forced=bool(prefixes))
        for sentence, hypotheses in zip(sentences, found, strict=True):
            if sentence.ids and not hypotheses:
                raise CheckpointError(
                    f"line {sentence.number} has no translation of finite probability: the "
                    "model's weights hold values that are not numbers"
                )
        in_order = iter(found)
        return [
            self._translation(line, list(islice(in_order, len(line.sentences)))) for line in read
        ]

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
            # Parts draw for themselves; the first as the whole line would.
            lines=[each.number + (each.part << 32) for each in sentences],
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

    def _translation(self, line: SourceLine, found: Sequence[Sequence[Hypothesis]]) -> Translation:
        """Turn hypotheses into text: the n-th of a line is made of the n-th of each part.

        A part that has fewer gives its last.
        """
        count = max(1, *map(len, found))
        chosen = [
            [each[min(rank, len(each) - 1)] if each else NOTHING for each in found]
            for rank in range(count)
        ]
        candidates = [self._candidate(line, each) for each in chosen]
        if len(found) > 1 and self._search.method == "beam":
            candidates.sort(key=lambda each: -each.score)
        return Translation(line.text, tuple(candidates), line.length)

    def _candidate(self, line: SourceLine, chosen: Sequence[Hypothesis]) -> Candidate:
        """Join one hypothesis of each part, scored as if they had been found as one."""
        join = self._segmenters.target.decode
        texts, searched = [], []
        for sentence, hypothesis in zip(line.sentences, chosen, strict=True):
            texts.append(join(hypothesis.ids) if sentence.ids else sentence.text)
            if sentence.ids:
                searched.append(hypothesis)
        whole = joined(searched, self._search)
        length = sum(len(each.ids) + 1 for each in searched)
        text = one_line(join_parts(line.parts, texts))
        return Candidate(text, whole.score, whole.log_prob, whole.ids, length)


def joined(parts: Sequence[Hypothesis], search: SearchConfig) -> Hypothesis:
    """Score the hypotheses of the parts of a line as one, every end counted."""
    if len(parts) <= 1:
        return parts[0] if parts else NOTHING
    lengths = [len(each.ids) + 1 for each in parts]
    bonus = sum(
        each.score - search.score(each.log_prob, length)
        for each, length in zip(parts, lengths, strict=True)
    )
    log_prob = sum(each.log_prob for each in parts)
    ids = tuple(id_ for each in parts for id_ in each.ids)
    return Hypothesis(ids, log_prob, search.score(log_prob, sum(lengths)) + bonus)


def one_line(text: str) -> str:
    r"""Keep a translation on its line: spelt as bytes, a model can write a line end too."""
    return text.replace("\r", " ").replace("\n", " ")
