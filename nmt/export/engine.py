"""Translation by CTranslate2, with the text handling of `nmt.translate`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nmt.errors import ConfigError
from nmt.export.extras import require
from nmt.export.folder import Export, is_export, read_export, write_export
from nmt.export.limits import CTRANSLATE2
from nmt.model.compute import ComputeConfig, choose_device
from nmt.model.directory import load_package
from nmt.search.config import SearchConfig
from nmt.search.hypothesis import Hypothesis
from nmt.translate import Sentence, Translator


class Engine:
    """A model that CTranslate2 runs: pieces in, hypotheses in pieces out.

    Args:
        threads: Of the processor; 0 is as many as the library takes by itself.
        device: As `compute.device`.
    """

    def __init__(self, folder: Path, *, device: str = "auto", threads: int = 0) -> None:
        library, chosen = require(CTRANSLATE2), choose_device(device)
        self._translator = library.Translator(
            str(folder),
            device=chosen.type,
            device_index=chosen.index or 0,
            intra_threads=threads,
            inter_threads=1,
        )

    def translate(
        self, sources: Sequence[list[str]], search: SearchConfig, limit: int
    ) -> list[Any]:
        """Translate sources in pieces, without the piece that ends them.

        Args:
            limit: The most pieces of a translation, its end included.

        Returns:
            The library's results: `hypotheses`, lists of pieces, their ends included unless they
            were cut off, best first, and their `scores`.
        """
        found: list[Any] = self._translator.translate_batch(
            list(sources),
            max_batch_size=search.batch_tokens,
            batch_type="tokens",
            beam_size=search.beam,
            num_hypotheses=search.nbest,
            length_penalty=search.length_alpha,
            max_input_length=0,
            max_decoding_length=limit,
            return_scores=True,
            return_end_token=True,
        )
        return found

    def score(
        self, sources: Sequence[list[str]], targets: Sequence[list[str]]
    ) -> list[list[float]]:
        """Give the log-probability of each piece of targets, and of their ends."""
        results = self._translator.score_batch(list(sources), list(targets), max_input_length=0)
        return [each.log_probs for each in results]


class ExportedTranslator(Translator):
    """Translate lines as `Translator` does, by an export.

    Raises:
        ConfigError: The search is none that CTranslate2 does in the same way.
    """

    def __init__(self, export: Export, engine: Engine, search: SearchConfig) -> None:
        refuse_unlike(search)
        self._engine = engine
        self._segmenters = export.segmenters
        self._search = search
        self._max_length = build_max_length(export)
        self._tags = export.segmenters.source.tag_ids(search.source_tag)
        target = export.segmenters.target
        self._ids = {piece: id_ for id_, piece in enumerate(target.texts)}

    def _search_all(self, sentences: Sequence[Sentence]) -> list[list[Hypothesis]]:
        """Search for every sentence; those with one limit, of one length mostly, at once."""
        found: list[list[Hypothesis]] = [[] for _ in sentences]
        if any(sentence.prefix for sentence in sentences):
            raise ConfigError(
                "--prefix is not for --engine ctranslate2, which leaves a prefix out of the score"
            )

        def limit(place: int) -> int:
            return self._limit(len(sentences[place].ids) + 1, 0)

        filled = [place for place, sentence in enumerate(sentences) if sentence.ids]
        for most, group in groupby(sorted(filled, key=limit, reverse=True), limit):
            places = list(group)
            for place, each in zip(
                places, self._search_group(sentences, places, most), strict=True
            ):
                found[place] = each
        return found

    def _search_group(
        self, sentences: Sequence[Sentence], places: Sequence[int], limit: int
    ) -> Iterator[list[Hypothesis]]:
        texts = self._segmenters.source.texts
        pieces = [[texts[id_] for id_ in sentences[place].ids] for place in places]
        for result in self._engine.translate(pieces, self._search, limit):
            yield [
                self._hypothesis(*each)
                for each in zip(result.hypotheses, result.scores, strict=True)
            ]

    def _hypothesis(self, pieces: Sequence[str], score: float) -> Hypothesis:
        ids = [self._ids[piece] for piece in pieces]
        log_prob = score * len(ids) ** self._search.length_alpha
        if ids and ids[-1] == self._segmenters.target.eos_id:
            ids.pop()
        return Hypothesis(tuple(ids), log_prob, score)


def build_max_length(export: Export) -> int:
    """Read how many pieces a model reads and writes at most."""
    from nmt.export.limits import Shape

    return Shape.of(export.settings).model.max_length


def refuse_unlike(search: SearchConfig) -> None:
    """Refuse a search that CTranslate2 does in another way, or not at all."""
    if search.method != "beam":
        raise ConfigError(
            f"search.method = {search.method!r} is not for --engine ctranslate2, which draws other "
            "random numbers; it needs 'beam'"
        )
    if search.no_repeat_ngram:
        raise ConfigError(
            f"search.no_repeat_ngram = {search.no_repeat_ngram} is not for --engine ctranslate2, "
            "which changes the probabilities of what is left; it needs 0"
        )
    if not search.cuts:
        raise ConfigError(
            f"search.stop = {search.stop!r} is not for --engine ctranslate2, which has rules of "
            "its own; it needs 'ctranslate2'"
        )


@contextmanager
def exported(model: str | Path, quantization: str = "float32") -> Iterator[Export]:
    """Open an export, or export a model to a folder that is gone afterwards."""
    if is_export(model):
        yield read_export(model, CTRANSLATE2)
        return
    with TemporaryDirectory(prefix="nmt-export-") as name:
        write_export(load_package(model), Path(name), CTRANSLATE2, quantization)
        yield read_export(name, CTRANSLATE2)


def open_translator(
    export: Export, search: SearchConfig, compute: ComputeConfig
) -> ExportedTranslator:
    """Load an export and make it translate lines."""
    engine = Engine(export.folder, device=compute.device, threads=compute.threads)
    return ExportedTranslator(export, engine, search)
