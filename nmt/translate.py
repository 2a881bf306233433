"""Raw text to raw text: segment, batch by length, search, join, in the order of the lines."""

import contextlib
import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nmt.corpus.batches import plan_batches
from nmt.ensemble import Ensemble, Member
from nmt.errors import CheckpointError, DataError
from nmt.model.compute import Compute, on_threads
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import Segmenters
from nmt.scoring.consensus import expected_utilities
from nmt.search.config import NO_RISK, SearchConfig
from nmt.search.find import Wanted, find
from nmt.search.fusion import LanguagePrior
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.search.scorer import ModelScorer, Scorer
from nmt.search.shortlist import ShortlistScorer
from nmt.sources import Sentence, SourceLine, SourceReader
from nmt.text.demand import NEVER, Demand, Vocabulary, demand_of
from nmt.text.parts import join_parts
from nmt.text.phrases import Phrases

LINES_AT_ONCE = 2048
LEAST_SHARE = 512  # tokens that a thread gets for itself, if there are as many
PADDED = 1.03  # of batches to all tokens, so that none is left over
MOST_ON_CPU = 1536  # tokens of a batch; what a larger one works on falls out of the caches
DEMANDS = 256  # that are kept: lines often ask for the same
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
    """A model, or several, with segmenters, and the way to search."""

    def __init__(
        self,
        model: EncoderDecoder,
        segmenters: Segmenters,
        search: SearchConfig,
        compute: Compute,
        prior: LanguagePrior | None = None,
    ) -> None:
        member = Member("the model", model, segmenters, compute, search.source_tag)
        self._begin(Ensemble([member]), search, prior)

    @classmethod
    def of(
        cls, ensemble: Ensemble, search: SearchConfig, prior: LanguagePrior | None = None
    ) -> "Translator":
        """Translate with several models, each with tags of its own; the first one's seed counts."""
        translator = cls.__new__(cls)
        translator._begin(ensemble, search, prior)
        return translator

    def _begin(self, ensemble: Ensemble, search: SearchConfig, prior: LanguagePrior | None) -> None:
        self._ensemble, self._prior = ensemble, prior
        self._compute = ensemble.members[0].compute
        self._target = ensemble.target
        self._most = prior.most(ensemble.max_length) if prior else ensemble.max_length
        self._ends = Ends(self._target.start_id, self._target.eos_id)
        sights = [each.sight for each in ensemble.members]
        self._reader = SourceReader(sights, self._target, search, self._most)
        self._demand = lru_cache(DEMANDS)(self._make_demand)
        self._prepare(search)

    def _prepare(self, search: SearchConfig) -> None:
        """Put together what scores, as settings of search ask for it."""
        self._search = search
        alone = self._ensemble.scorer(search)
        self._scorer = self._prior.over(alone, self._compute) if self._prior else alone
        shortlist = self._ensemble.shortlist if search.can_shorten and not self._prior else None
        whole = search.is_plain and shortlist is None and not self._prior
        self._invariant = whole and isinstance(alone, ModelScorer) and alone.is_invariant
        self._short: Scorer[Any] | None = None
        if shortlist is not None:
            assert isinstance(alone, ModelScorer), "nothing more is asked of a plain beam"
            self._short = ShortlistScorer(alone, shortlist)

    def searching(self, search: SearchConfig) -> "Translator":
        """Give one that searches in another way, and reads lines as this one does."""
        other = copy.copy(self)
        other._prepare(search)
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
        phrases: Sequence[Phrases] = (),
        numbers: Sequence[int] = (),
    ) -> list[Translation]:
        """Translate lines that are in memory, of which the first has the given number.

        Args:
            prefixes: For each line the text that its translation must begin with, if any must.
            phrases: For each line what its translation must and must not hold, beside what the
                settings say of all, if any must.
            numbers: Of the lines, where they do not follow each other.

        Raises:
            DataError: A prefix is longer than the model can write, or holds unknown characters; a
                line holds half a character; no translation can hold what it must and nothing that
                it must not.
        """
        numbers = numbers or range(first_number, first_number + len(lines))
        begun, asked = prefixes or [""] * len(lines), phrases or [Phrases()] * len(lines)
        read = self._reader.read(lines, numbers, begun, asked)
        sentences = [sentence for line in read for sentence in line.sentences]
        found = self._search_all(sentences, forced=bool(prefixes or phrases))
        for sentence, hypotheses in zip(sentences, found, strict=True):
            if sentence.length and not hypotheses:
                raise CheckpointError(
                    f"line {sentence.number} has no translation of finite probability: the "
                    "model's weights hold values that are not numbers"
                )
        in_order = iter(found)
        return [
            self._translation(line, list(islice(in_order, len(line.sentences)))) for line in read
        ]

    def _search_all(self, sentences: Sequence[Sentence], *, forced: bool) -> list[list[Hypothesis]]:
        """Search for every sentence, in batches of like length; an empty one gets none.

        Args:
            forced: Whether more is asked of any line of the text, which may need any piece.
        """
        found: list[list[Hypothesis]] = [[] for _ in sentences]
        short = None if forced else self._short
        alone = self._search.batch_invariant and (forced or not self._invariant)
        filled = [place for place, each in enumerate(sentences) if each.length]
        batches = [
            kind[batch]
            for kind in self._kinds(sentences, filled, short)
            for batch in self._batches(
                np.array([sentences[n].length + 1 for n in kind], np.int64), alone=alone
            )
        ]
        groups = [[sentences[place] for place in batch] for batch in batches]
        with on_threads(1) if alone else contextlib.nullcontext():
            hypotheses = self._side_by_side(groups, short or self._scorer)
        for place, each in zip(chain(*batches), chain(*hypotheses), strict=True):
            found[place] = each
        return found

    def _kinds(
        self, sentences: Sequence[Sentence], filled: Sequence[int], short: Scorer[Any] | None
    ) -> Iterator[NDArray[np.int64]]:
        """Set apart the sentences that may use every piece: in a batch, all would be scored."""
        unknown = self._ensemble.shortlist.unknown if short and self._ensemble.shortlist else None
        needs_all = [
            unknown is not None and not unknown.isdisjoint(sentences[place].readings[0])
            for place in filled
        ]
        for kind in (True, False):
            chosen = [n for n, each in zip(filled, needs_all, strict=True) if each == kind]
            if chosen:
                yield np.array(chosen, np.int64)

    def _side_by_side(
        self, groups: Sequence[Sequence[Sentence]], scorer: Scorer[Any]
    ) -> list[list[list[Hypothesis]]]:
        """Search for groups of sentences, several at once, each by one thread of the processor.

        Two searches by one thread each take less time than one after the other by two threads,
        which wait for each other after every product.
        """
        threads = self._threads()
        listens = bool(self._search.coverage_beta)  # to the one model, which all share
        if len(groups) < 2 or threads == 1 or listens:
            return [self._search_batch(group, scorer) for group in groups]
        with on_threads(1):
            pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
            try:
                return list(pool.map(lambda group: self._search_batch(group, scorer), groups))
            finally:
                pool.shutdown(cancel_futures=True)

    def _threads(self) -> int:
        """Count the searches that may go on side by side."""
        return torch.get_num_threads() if self._compute.device.type == "cpu" else 1

    def _batches(
        self, lengths: NDArray[np.int64], *, alone: bool = False
    ) -> Iterator[NDArray[np.int64]]:
        """Group sentences of like length, or leave each alone."""
        if alone:
            # What a product or a sum gives depends on the shape that it is computed in, and
            # neither libraries nor processors promise anything about rows within a shape. Alone,
            # a sentence meets the same shapes whatever else is translated.
            return iter(np.arange(len(lengths)).reshape(-1, 1))
        budget = max(self._budget(int(lengths.sum())), int(lengths.max(initial=1)))
        # The longest first: if memory does not suffice, that shows at once.
        return reversed(plan_batches(lengths, lengths, budget, np.arange(len(lengths))))

    def _budget(self, tokens: int) -> int:
        """Give the most tokens of a batch: every thread gets as many, in batches that are fast."""
        threads, most = self._threads(), self._search.batch_tokens
        if self._compute.device.type == "cpu":
            most = min(most, MOST_ON_CPU)
        shares = tokens * PADDED / threads
        rounds = max(1, math.ceil(shares / most))
        return min(most, max(LEAST_SHARE, math.ceil(shares / rounds)))

    def _search_batch(
        self, sentences: Sequence[Sentence], scorer: Scorer[Any]
    ) -> list[list[Hypothesis]]:
        """Search for sentences of like length at once."""
        demands = [self._demand(each.phrases) for each in sentences]
        pairs = list(zip(sentences, demands, strict=True))
        wanted = Wanted(
            limits=[self._limit(*pair) for pair in pairs],
            prefixes=[each.prefix for each in sentences],
            # Parts draw for themselves; the first as the whole line would.
            lines=[each.number + (each.part << 32) for each in sentences],
            seed=self._compute.seed,
            demands=demands,
        )
        source = self._ensemble.source([each.readings for each in sentences])
        config = replace(self._search, nbest=self._search.num_found)
        return find(scorer, source, self._ends, wanted, config)

    def _limit(self, sentence: Sentence, demand: Demand | None) -> int:
        """Give the most ids of a translation, its end included; what it must hold has room."""
        asked = len(sentence.prefix) + (needed(sentence, demand) if demand else 0)
        longest = self._most
        if asked > longest:
            raise DataError(
                f"line {sentence.number}: what must appear takes {asked} pieces, end included, but "
                f"the model can write at most {longest} (model.max_length)"
            )
        room = max(self._search.limit(sentence.length + 1), asked + self._search.limit_extra)
        return min(room, longest)

    def _make_demand(self, phrases: Phrases) -> Demand | None:
        return demand_of(phrases, self._target, self._vocabulary) if phrases else None

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self._target.surfaces, self._target.eos_id)

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
        for each in candidates:
            if broken := line.phrases.broken_by(each.text) if line.length else []:
                raise DataError(f"line {line.number}: no translation was found: {broken[0]}")
        if self._search.mbr != NO_RISK and line.length:
            candidates = self._by_risk(candidates)
        elif len(found) > 1 and self._search.method == "beam":
            candidates.sort(key=lambda each: -each.score)
        return Translation(line.text, tuple(candidates), line.length)

    def _candidate(self, line: SourceLine, chosen: Sequence[Hypothesis]) -> Candidate:
        """Join one hypothesis of each part, scored as if they had been found as one."""
        join = self._target.decode
        texts, searched = [], []
        for sentence, hypothesis in zip(line.sentences, chosen, strict=True):
            texts.append(join(hypothesis.ids) if sentence.length else sentence.text)
            if sentence.length:
                searched.append(hypothesis)
        whole = joined(searched, self._search)
        length = sum(len(each.ids) + 1 for each in searched)
        text = one_line(join_parts(line.parts, texts))
        return Candidate(text, whole.score, whole.log_prob, whole.ids, length)

    def _by_risk(self, found: Sequence[Candidate]) -> list[Candidate]:
        """Rank translations by what they can expect to score, each text once."""
        best = max(each.log_prob for each in found)
        is_sample = self._search.method == "sample"
        weights = [1.0 if is_sample else math.exp(each.log_prob - best) for each in found]
        texts = [each.text for each in found]
        values = expected_utilities(texts, weights, self._search.mbr)
        distinct: dict[str, Candidate] = {}
        for each, value in zip(found, values, strict=True):
            distinct.setdefault(each.text, replace(each, score=value))
        ranked = sorted(distinct.values(), key=lambda each: -each.score)
        return ranked[: self._search.nbest]


def needed(sentence: Sentence, demand: Demand) -> int:
    """Count the fewest ids that satisfy a demand behind a sentence's prefix, the end included."""
    state = demand.start
    for id_ in sentence.prefix:
        if (state := demand.follow(state, id_)) < 0:
            raise DataError(
                f"line {sentence.number}: no translation can be found: the prefix holds what must "
                "not appear"
            )
    if (least := demand.left(state)) >= NEVER:
        raise DataError(
            f"line {sentence.number}: no translation can be found: what must appear needs "
            "characters that the model lacks, or holds what must not"
        )
    return least


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
