"""Translation by another program, with the text handling of `nmt.translate`."""

import copy
from abc import abstractmethod
from collections.abc import Sequence
from itertools import groupby

from nmt.ensemble import Sight
from nmt.errors import ConfigError
from nmt.export.folder import Export
from nmt.export.limits import Shape
from nmt.search.config import SearchConfig
from nmt.search.hypothesis import Hypothesis
from nmt.sources import Sentence, SourceReader
from nmt.translate import Translator


class ExportedTranslator(Translator):
    """Translate lines as `Translator` does, by an export.

    Raises:
        ConfigError: The search is none that an export does in the same way.
    """

    def __init__(self, export: Export, search: SearchConfig) -> None:
        refuse_unlike(search)
        self._segmenters = export.segmenters
        self._target = export.segmenters.target
        self._search = search
        self._most = Shape.of(export.settings).model.max_length
        sight = Sight(export.segmenters.source, self._most, search.source_tag)
        self._reader = SourceReader([sight], self._target, search, self._most)

    def searching(self, search: SearchConfig) -> "ExportedTranslator":
        """Give one that searches in another way, and reads lines as this one does."""
        refuse_unlike(search)
        other = copy.copy(self)
        other._search = search
        return other

    @abstractmethod
    def search(self, sources: Sequence[Sequence[int]], limit: int) -> list[list[Hypothesis]]:
        """Translate ids, without the end of sentence.

        Args:
            limit: The most ids of a translation, its end included.

        Returns:
            For each source `nbest` hypotheses, best first.
        """

    def cuts_alike(self, lines: Sequence[str]) -> list[bool]:
        """Tell for each line whether the program cuts it into the same pieces by itself."""
        return [True] * len(lines)

    def _search_all(self, sentences: Sequence[Sentence], *, forced: bool) -> list[list[Hypothesis]]:
        """Search for every sentence; those with one limit, of one length mostly, at once."""
        if any(sentence.prefix for sentence in sentences):
            raise ConfigError(
                "--prefix is not for --engine ctranslate2, which leaves a prefix out of the score"
            )
        if any(sentence.phrases for sentence in sentences):
            raise ConfigError(
                "--constraints are not for --engine ctranslate2, which guarantees none"
            )

        def limit(place: int) -> int:
            return self._limit(sentences[place], None)

        found: list[list[Hypothesis]] = [[] for _ in sentences]
        filled = [place for place, sentence in enumerate(sentences) if sentence.length]
        for most, group in groupby(sorted(filled, key=limit, reverse=True), limit):
            places = list(group)
            results = self.search([sentences[place].readings[0] for place in places], most)
            for place, hypotheses in zip(places, results, strict=True):
                found[place] = hypotheses
        return found


def refuse_unlike(search: SearchConfig) -> None:
    """Refuse a search that other programs do in another way, or not at all."""
    refused = (
        ("method", "beam", "which draws other random numbers"),
        ("mbr", "none", "which chooses by score"),
        ("must", (), "which guarantees nothing"),
        ("must_not", (), "which guarantees nothing"),
        ("no_repeat_ngram", 0, "which changes the probabilities of what is left"),
        ("shortlist", False, "which chooses from all pieces"),
        ("prune", 0.0, "which gives nothing up"),
        ("batch_invariant", False, "which does not promise it"),
        ("stop", "ctranslate2", "which has rules of its own"),
    )
    for name, needed, reason in refused:
        if (value := getattr(search, name)) != needed:
            raise ConfigError(
                f"search.{name} = {value!r} is not for --engine ctranslate2, {reason}; it needs "
                f"{needed!r}"
            )
