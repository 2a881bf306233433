"""Raw text to raw text: segment, batch by length, search, join, in the order of the lines."""

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import islice

import numpy as np

from nmt.corpus.batches import plan_batches
from nmt.ensemble import Ensemble, Member
from nmt.errors import CheckpointError, DataError
from nmt.model.compute import Compute
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import Segmenters
from nmt.scoring.consensus import expected_utilities
from nmt.search.config import NO_RISK, SearchConfig
from nmt.search.find import Wanted, find
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.text.demand import NEVER, Demand, Vocabulary, demand_of
from nmt.text.phrases import Phrases, merged

log = logging.getLogger(__name__)

LINES_AT_ONCE = 2048
DEMANDS = 256  # that are kept: lines often ask for the same


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
        readings: The ids of its text for each model, tags included; empty where there is no text.
        prefix: Ids that its translation must begin with.
        phrases: What its translation must and must not hold.
    """

    number: int
    readings: tuple[list[int], ...]
    prefix: list[int]
    phrases: Phrases

    @property
    def length(self) -> int:
        """Give the ids of its longest reading; 0 where there is no text."""
        return max(map(len, self.readings)) if self.readings[0] else 0


class Translator:
    """A model, or several, with segmenters, and the way to search."""

    def __init__(
        self,
        model: EncoderDecoder,
        segmenters: Segmenters,
        search: SearchConfig,
        compute: Compute,
    ) -> None:
        member = Member("the model", model, segmenters, compute, search.source_tag)
        self._prepare(Ensemble([member]), search)

    @classmethod
    def of(cls, ensemble: Ensemble, search: SearchConfig) -> "Translator":
        """Translate with several models, each with tags of its own; the first one's seed counts."""
        translator = cls.__new__(cls)
        translator._prepare(ensemble, search)
        return translator

    def _prepare(self, ensemble: Ensemble, search: SearchConfig) -> None:
        self._ensemble = ensemble
        self._scorer = ensemble.scorer(search)
        self._search = search
        self._seed = ensemble.members[0].compute.seed
        self._target = ensemble.target
        self._rooms = [each.room for each in ensemble.members]
        self._ends = Ends(self._target.start_id, self._target.eos_id)
        self._demand = lru_cache(DEMANDS)(self._make_demand)
        self._phrases = search.phrases

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
    ) -> list[Translation]:
        """Translate lines that are in memory, of which the first has the given number.

        Args:
            prefixes: For each line the text that its translation must begin with, if any must.
            phrases: For each line what its translation must and must not hold, beside what the
                settings say of all, if any must.

        Raises:
            DataError: A prefix is longer than the model can write, or holds unknown characters; no
                translation can hold what it must and nothing that it must not.
        """
        begun = self._target.encode_lines(prefixes or [""] * len(lines))
        asked = zip(begun, phrases or [Phrases()] * len(lines), strict=True)
        sentences = self._sentences(lines, list(asked), first_number)
        found = self._search_all(sentences)
        for sentence, hypotheses in zip(sentences, found, strict=True):
            if sentence.length and not hypotheses:
                raise CheckpointError(
                    f"line {sentence.number} has no translation of finite probability: the "
                    "model's weights hold values that are not numbers"
                )
        return [
            Translation(line, self._candidates(sentence, hypotheses))
            for line, sentence, hypotheses in zip(lines, sentences, found, strict=True)
        ]

    def _sentences(
        self, lines: Sequence[str], asked: Sequence[tuple[list[int], Phrases]], first_number: int
    ) -> list[Sentence]:
        """Segment lines, and put what is asked for to them."""
        sentences = []
        readings = zip(*(each.read(lines) for each in self._ensemble.members), strict=True)
        rows = enumerate(zip(readings, asked, strict=True), first_number)
        for number, (ids, (prefix, phrases)) in rows:
            self._warn_cut(number, ids)
            self._refuse_prefix(number, prefix)
            if phrases.must and not ids[0]:
                raise DataError(
                    f"line {number} is empty and stays so, but must hold {phrases.must[0]!r}"
                )
            members = zip(self._ensemble.members, ids, strict=True)
            tagged = tuple(member.tagged(each) for member, each in members)
            both = merged(self._phrases, phrases, f"line {number}")
            sentences.append(Sentence(number, tagged, prefix, both))
        return sentences

    def _warn_cut(self, number: int, readings: Sequence[Sequence[int]]) -> None:
        """Warn of a line that a model cannot read to its end."""
        for ids, room in zip(readings, self._rooms, strict=True):
            if len(ids) > room:
                log.warning(
                    "line %d has %d pieces; only the first %d are translated, all that the model "
                    "can read (model.max_length)",
                    number, len(ids), room,
                )  # fmt: skip

    def _refuse_prefix(self, number: int, prefix: Sequence[int]) -> None:
        """Refuse to begin with what the model cannot write."""
        longest = self._ensemble.max_length
        if len(prefix) >= longest:
            raise DataError(
                f"line {number}: the prefix has {len(prefix)} pieces, but the model can write "
                f"at most {longest - 1} (model.max_length)"
            )
        if self._target.unknown_id in prefix:
            raise DataError(f"line {number}: the prefix holds characters that the model lacks")

    def _search_all(self, sentences: Sequence[Sentence]) -> list[list[Hypothesis]]:
        """Search for every sentence, in batches of like length; an empty one gets none."""
        found: list[list[Hypothesis]] = [[] for _ in sentences]
        filled = np.array([place for place, each in enumerate(sentences) if each.length], np.int64)
        lengths = np.array([sentences[place].length + 1 for place in filled], np.int64)
        budget = max(self._search.batch_tokens, int(lengths.max(initial=1)))
        # The longest first: if memory does not suffice, that shows at once.
        for batch in reversed(plan_batches(lengths, lengths, budget, np.arange(len(filled)))):
            places = filled[batch]
            hypotheses = self._search_batch([sentences[place] for place in places])
            for place, each in zip(places, hypotheses, strict=True):
                found[place] = each
        return found

    def _search_batch(self, sentences: Sequence[Sentence]) -> list[list[Hypothesis]]:
        """Search for sentences of like length at once."""
        demands = [self._demand(each.phrases) for each in sentences]
        pairs = list(zip(sentences, demands, strict=True))
        wanted = Wanted(
            limits=[self._limit(*pair) for pair in pairs],
            prefixes=[each.prefix for each in sentences],
            lines=[each.number for each in sentences],
            seed=self._seed,
            demands=demands,
        )
        source = self._ensemble.source([each.readings for each in sentences])
        config = replace(self._search, nbest=self._search.num_found)
        return find(self._scorer, source, self._ends, wanted, config)

    def _limit(self, sentence: Sentence, demand: Demand | None) -> int:
        """Give the most ids of a translation, its end included; what it must hold has room."""
        asked = len(sentence.prefix) + (needed(sentence, demand) if demand else 0)
        longest = self._ensemble.max_length
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

    def _candidates(
        self, sentence: Sentence, hypotheses: Sequence[Hypothesis]
    ) -> tuple[Candidate, ...]:
        """Turn hypotheses into text, and see that it is what was asked for."""
        if not hypotheses:
            return (Candidate("", 0.0, 0.0),)
        join = self._target.decode
        found = [Candidate(one_line(join(h.ids)), h.score, h.log_prob) for h in hypotheses]
        for each in found:
            if broken := sentence.phrases.broken_by(each.text):
                raise DataError(f"line {sentence.number}: no translation was found: {broken[0]}")
        return tuple(found) if self._search.mbr == NO_RISK else self._by_risk(found)

    def _by_risk(self, found: Sequence[Candidate]) -> tuple[Candidate, ...]:
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
        return tuple(ranked[: self._search.nbest])


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


def one_line(text: str) -> str:
    r"""Keep a translation on its line: spelt as bytes, a model can write a line end too."""
    return text.replace("\r", " ").replace("\n", " ")
