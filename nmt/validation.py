"""Translate and score a development set: the one function behind in-loop and final scores."""

from collections.abc import Sequence

from nmt.model.compute import Compute
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import Segmenters
from nmt.scoring.config import ScoreConfig
from nmt.scoring.metrics import Score, corpus_scores
from nmt.search.config import SearchConfig
from nmt.translate import Translator


class Validator:
    """Score a model by its translations of raw text."""

    def __init__(
        self,
        sources: Sequence[str],
        references: Sequence[str],
        segmenters: Segmenters,
        search: SearchConfig,
        score: ScoreConfig,
    ) -> None:
        self._sources = sources
        self._references = references
        self._segmenters = segmenters
        self._search = search
        self._score = score

    def __call__(self, model: EncoderDecoder, compute: Compute) -> dict[str, Score]:
        """Translate the sources with a model in evaluation mode and score the result."""
        translator = Translator(model, self._segmenters, self._search, compute)
        hypotheses = [each.text for each in translator.translate(self._sources)]
        return corpus_scores(hypotheses, [self._references], self._score)
