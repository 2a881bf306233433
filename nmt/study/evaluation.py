"""Evaluate a trained cell: translate and score the test set, time it, look at its attention.

It runs in a process of its own, so that no other cell's work or memory is in what it measures.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from nmt.errors import DataError
from nmt.experiment import read_experiment
from nmt.files import read_json, write_json
from nmt.model.compute import prepare
from nmt.model.directory import count_parameters, load_package
from nmt.scoring.metrics import corpus_scores
from nmt.study.results import METRICS
from nmt.study.weights import measure_weights
from nmt.text.lines import read_pairs, write_lines
from nmt.translate import Translator

WARM_UP_LINES = 64
WEIGHED_PAIRS = 200  # of the test set, from its start


def evaluate(folder: Path) -> None:
    """Write `test.hyp` and `evaluation.json` into the folder of a cell whose run is finished.

    Raises:
        NmtError: The model or the test set cannot be read.
    """
    request = read_json(folder / "request.json")
    experiment = read_experiment(request["settings"])
    pairs = read_test(request["test"]["source"], request["test"]["target"])
    package = load_package(folder / "run")
    compute = prepare(experiment.compute, training=False)
    model = package.model.to(compute.device)
    translator = Translator(model, package.segmenters, experiment.search, compute)
    hypotheses, speed = translated(translator, [source for source, _ in pairs])
    write_lines(folder / "test.hyp", hypotheses)
    scores = corpus_scores(hypotheses, [[target for _, target in pairs]], experiment.score, METRICS)
    weights = measure_weights(model, package.segmenters, pairs[:WEIGHED_PAIRS], compute)
    measures = {
        **{name: score.value for name, score in scores.items()},
        "parameters": count_parameters(model),
        "sentences_per_second": speed,
        **weights,
    }
    signatures = {name: score.signature for name, score in scores.items()}
    write_json(folder / "evaluation.json", {"measures": measures, "signatures": signatures})


def read_test(source: str, target: str) -> list[tuple[str, str]]:
    """Read the test set, whole."""
    pairs = list(read_pairs(source, target))
    if not pairs:
        raise DataError(f"{source} is empty; a test set needs lines")
    return pairs


def translated(translator: Translator, sources: Sequence[str]) -> tuple[list[str], float]:
    """Translate all lines, having warmed up on the first, and give the lines a second."""
    translator.translate_together(sources[:WARM_UP_LINES])
    start = time.perf_counter()
    hypotheses = [each.text for each in translator.translate(sources)]
    return hypotheses, len(sources) / (time.perf_counter() - start)
