"""Translations looked at before they are given out, and what becomes of those that are suspect."""

import dataclasses
import logging
from collections import Counter
from collections.abc import Iterator, Sequence

from nmt.errors import DataError
from nmt.search.config import SearchConfig
from nmt.suspect.config import SuspectConfig
from nmt.suspect.detectors import Rendering, mean_probability, suspicions
from nmt.text.notices import Notices
from nmt.text.phrases import Phrases
from nmt.translate import Candidate, Translation, Translator, one_line

log = logging.getLogger(__name__)

LEAST_BEAM = 8  # of a second search
MORE_SAMPLES = 8
NO_REPEAT = 3


class Guard:
    """Translates as a translator does, and marks, retries, replaces or refuses what is suspect.

    The first translation of a line says whether the line is suspect; with several, each is marked
    for itself. Nothing is suspect where nothing was searched for, as in an empty line.
    """

    def __init__(self, translator: Translator, search: SearchConfig, config: SuspectConfig) -> None:
        self._translator = translator
        self._search = search
        self._config = config
        self._notices = Notices()
        self._counts: Counter[str] = Counter()
        self._lines = self._found = self._mended = 0

    def translate_together(
        self,
        lines: Sequence[str],
        first_number: int = 1,
        prefixes: Sequence[str] = (),
        phrases: Sequence[Phrases] = (),
    ) -> list[Translation]:
        """Translate lines of which the first has the given number, as `Translator` does.

        Raises:
            DataError: A translation is suspect, and that is to be an error.
        """
        found = [
            self._marked(each)
            for each in self._translator.translate_together(lines, first_number, prefixes, phrases)
        ]
        self._lines += len(lines)
        places = [place for place, each in enumerate(found) if each.candidates[0].suspect]
        for place in places:
            self._tell(first_number + place, found[place])
        if places and self._config.on_suspect == "retry":
            again = self._retried(found, places, first_number, (prefixes, phrases))
            self._mended += sum(not each.candidates[0].suspect for each in again.values())
            found = [again.get(place, each) for place, each in enumerate(found)]
        if self._config.on_suspect == "source":
            found = [with_source(each) for each in found]
        return found

    def summarise(self) -> None:
        """Say how many lines were suspect, and of what."""
        if not self._found:
            return
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in self._counts.most_common())
        ends = {
            "retry": f"; searched for again, {self._mended:,} of them are not any more",
            "source": "; their source stands in their place",
        }
        log.warning(
            "suspect: %s of %s lines (%s)%s", f"{self._found:,}", f"{self._lines:,}", kinds,
            ends.get(self._config.on_suspect, ""),
        )  # fmt: skip

    def _marked(self, translation: Translation) -> Translation:
        """Mark each translation of a line with the kinds of its faults."""
        marked = (
            dataclasses.replace(each, suspect=tuple(self._suspicions(translation, each)))
            for each in translation.candidates
        )
        return dataclasses.replace(translation, candidates=tuple(marked))

    def _suspicions(self, translation: Translation, candidate: Candidate) -> dict[str, str]:
        """Look at one translation of a line."""
        if not candidate.length:
            return {}
        rendering = Rendering(
            translation.source,
            candidate.text,
            (translation.length, candidate.length - 1),
            mean_probability(candidate.log_prob, candidate.length),
        )
        return suspicions(rendering, self._config)

    def _tell(self, number: int, translation: Translation) -> None:
        """Name a line that is suspect, or end with that."""
        found = self._suspicions(translation, translation.candidates[0])
        message = "; ".join(f"{kind} ({detail})" for kind, detail in found.items())
        if self._config.on_suspect == "fail":
            raise DataError(
                f"line {number}: the translation is suspect: {message}; --on-suspect says what "
                "else may become of it"
            )
        self._found += 1
        self._counts.update(found.keys())
        self._notices.tell("suspect", number, f"is suspect: {message}")

    def _retried(
        self,
        found: Sequence[Translation],
        places: Sequence[int],
        first_number: int,
        asked: tuple[Sequence[str], Sequence[Phrases]],
    ) -> dict[int, Translation]:
        """Search again for some lines, until each has one that is not suspect or means end."""
        best = {place: found[place] for place in places}
        for search in other_searches(self._search):
            left = [place for place in places if best[place].candidates[0].suspect]
            if not left:
                break
            again = self._translator.searching(search).translate_together(
                [found[place].source for place in left],
                prefixes=[asked[0][place] for place in left] if asked[0] else (),
                phrases=[asked[1][place] for place in left] if asked[1] else (),
                numbers=[first_number + place for place in left],
            )
            for place, each in zip(left, again, strict=True):
                best[place] = least_suspect(best[place], self._marked(each), self._search.nbest)
        return best


def other_searches(search: SearchConfig) -> Iterator[SearchConfig]:
    """Give the searches that are tried in turn: wider, then also without repeating pieces."""
    if search.method == "sample":
        wider = dataclasses.replace(search, nbest=search.nbest + MORE_SAMPLES)
    else:
        least = -(-LEAST_BEAM // search.groups) * search.groups
        beam = max(2 * search.beam, least)
        wider = dataclasses.replace(search, beam=beam, nbest=beam)
    yield wider
    if not 0 < search.no_repeat_ngram <= NO_REPEAT:
        yield dataclasses.replace(wider, no_repeat_ngram=NO_REPEAT)


def least_suspect(before: Translation, after: Translation, most: int) -> Translation:
    """Give the translations of two searches that have the fewest kinds of faults, best first.

    Of equally suspect ones the earlier search's come first, in its order.
    """
    distinct: dict[str, Candidate] = {}
    for each in (*before.candidates, *after.candidates):
        distinct.setdefault(each.text, each)
    in_order = sorted(distinct.values(), key=lambda each: len(each.suspect))
    return dataclasses.replace(before, candidates=tuple(in_order[:most]))


def with_source(translation: Translation) -> Translation:
    """Put the source in the place of translations of which the first is suspect.

    It keeps the marks, and no score of what it stands for.
    """
    first = translation.candidates[0]
    if not first.suspect:
        return translation
    source = Candidate(one_line(translation.source), 0.0, 0.0, suspect=first.suspect)
    return dataclasses.replace(translation, candidates=(source,))
