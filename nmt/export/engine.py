"""Translation by CTranslate2."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nmt.errors import CheckpointError
from nmt.export.extras import require
from nmt.export.folder import Export, is_export, load_for_export, read_export, write_export
from nmt.export.grouped import ExportedTranslator
from nmt.export.limits import CTRANSLATE2
from nmt.model.compute import ComputeConfig, choose_device
from nmt.search.config import SearchConfig
from nmt.search.hypothesis import Hypothesis


class Engine:
    """A model that CTranslate2 runs: pieces in, hypotheses in pieces out.

    Args:
        device: As `compute.device`.
        threads: Of the processor; 0 is as many as the library takes by itself.

    Raises:
        CheckpointError: The library cannot load the folder.
    """

    def __init__(self, folder: Path, device: str = "auto", threads: int = 0) -> None:
        library = require(CTRANSLATE2)
        if device == "auto" and not library.get_cuda_device_count():
            device = "cpu"  # PyTorch may see a GPU that the library was not built for
        chosen = choose_device(device)
        try:
            self._translator = library.Translator(
                str(folder),
                device=chosen.type,
                device_index=chosen.index or 0,
                intra_threads=threads,
                inter_threads=1,
            )
        except (RuntimeError, ValueError) as error:
            reason = str(error).split("\n")[0]
            raise CheckpointError(f"CTranslate2 cannot load {folder}: {reason}") from None

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
            min_decoding_length=0,  # by default it forbids an end at once
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


class EngineTranslator(ExportedTranslator):
    """Translate lines by CTranslate2."""

    def __init__(self, export: Export, search: SearchConfig, engine: Engine) -> None:
        super().__init__(export, search)
        self._engine = engine
        target = export.segmenters.target
        self._ids = {piece: id_ for id_, piece in enumerate(target.texts)}

    def search(self, sources: Sequence[Sequence[int]], limit: int) -> list[list[Hypothesis]]:
        """Translate ids, without the end of sentence."""
        texts = self._segmenters.source.texts
        pieces = [[texts[id_] for id_ in ids] for ids in sources]
        return [
            [self._hypothesis(*each) for each in zip(found.hypotheses, found.scores, strict=True)]
            for found in self._engine.translate(pieces, self._search, limit)
        ]

    def _hypothesis(self, pieces: Sequence[str], score: float) -> Hypothesis:
        ids = [self._ids[piece] for piece in pieces]
        log_prob = score * len(ids) ** self._search.length_alpha
        if ids and ids[-1] == self._segmenters.target.eos_id:
            ids.pop()
        return Hypothesis(tuple(ids), log_prob, score)


@contextmanager
def exported(model: str | Path, quantization: str = "float32") -> Iterator[Export]:
    """Open an export, or export a model to a folder that is gone afterwards.

    Raises:
        ConfigError: CTranslate2 cannot hold the model, or is not installed.
        CheckpointError: The model or the export is missing or damaged.
    """
    if is_export(model):
        yield read_export(model, CTRANSLATE2)
        return
    with TemporaryDirectory(prefix="nmt-export-") as name:
        write_export(load_for_export(model), Path(name), CTRANSLATE2, quantization)
        yield read_export(name, CTRANSLATE2)


def open_engine(export: Export, search: SearchConfig, compute: ComputeConfig) -> EngineTranslator:
    """Load an export and make it translate lines."""
    engine = Engine(export.folder, compute.device, compute.threads)
    return EngineTranslator(export, search, engine)
