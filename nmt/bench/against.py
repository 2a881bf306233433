"""The same weights run by CTranslate2, set up to do the same work."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch

from nmt.bench.marks import Setup
from nmt.export.engine import Engine, EngineTranslator, exported
from nmt.export.folder import Export
from nmt.model.compute import on_threads
from nmt.search.config import SearchConfig
from nmt.search.hypothesis import Hypothesis
from nmt.sources import Sentence
from nmt.text.demand import Demand


class TimedExport(EngineTranslator):
    """Translate a text by one call of CTranslate2, which forms batches as it likes.

    Args:
        search: Ours; where it stops is the library's own matter.
        length: Pieces of every hypothesis, its end not counted; 0: as search finds them.

    Attributes:
        version: Of the library.
    """

    def __init__(self, export: Export, search: SearchConfig, engine: Engine, length: int) -> None:
        super().__init__(export, by_its_rules(search), engine)
        self._length = length
        self.version: str = export.record["version"]

    def _search_all(self, sentences: Sequence[Sentence], *, forced: bool) -> list[list[Hypothesis]]:
        limits = [super(TimedExport, self)._limit(each, None) for each in sentences if each.length]
        self._one_limit = max(limits, default=1)
        return super()._search_all(sentences, forced=forced)

    def _limit(self, sentence: Sentence, demand: Demand | None) -> int:
        """Give one limit for all, for a call that all of a text share.

        Calls one after the other would keep the library's threads from working side by side.
        """
        return self._one_limit

    def search(
        self, sources: Sequence[Sequence[int]], limit: int, least: int = 0
    ) -> list[list[Hypothesis]]:
        """Translate ids, without the end of sentence.

        At a fixed length the library takes as many steps as we do. What it writes in the last,
        where we write the end, does not count.
        """
        if not self._length:
            return super().search(sources, limit, least)
        found = super().search(sources, self._length + 1, self._length)
        return [[replace(h, ids=h.ids[: self._length]) for h in each] for each in found]


def by_its_rules(search: SearchConfig) -> SearchConfig:
    """Leave the end of the search, and where each line stands, to the library."""
    return replace(search, stop="ctranslate2", shortlist=False, batch_invariant=False)


@contextmanager
def opened(model: str, setup: Setup, quantization: str, alone: bool) -> Iterator[TimedExport]:
    """Export a model for as long as it is measured, and let it use what ours may use.

    Args:
        alone: Whether all threads serve one search; else each has a search of its own.

    Raises:
        ConfigError: CTranslate2 cannot hold the model, does not search so, or is not installed.
    """
    device = setup.compute.device
    count = torch.get_num_threads() if device.type == "cpu" else 1
    threads, searches = (count, 1) if alone else (1, count)
    with exported(model, quantization) as export:
        with on_threads(count):  # the library sets our threads too, to those of one search
            engine = Engine(export.folder, str(device), threads, searches)
        yield TimedExport(export, setup.search, engine, setup.way.length)
