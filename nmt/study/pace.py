"""The pace of a cell beside the baseline's: the same work by turns, in one process, alone.

Speeds that were logged while cells trained were measured at different times and in company;
their ratio says little. Here each update and each translation of one is followed by the same of
the other, so that whatever slows the machine slows both.
"""

from itertools import islice
from pathlib import Path
from typing import Any

from nmt.bench.flops import wait_for
from nmt.bench.turns import Work, by_turns
from nmt.corpus.batches import Batch, Position
from nmt.experiment import Experiment, read_experiment
from nmt.files import read_json, sha256, write_json
from nmt.launch.workbench import Workbench
from nmt.model.compute import prepare
from nmt.model.directory import load_package
from nmt.study.evaluation import read_test
from nmt.training.optimizer import set_rate
from nmt.training.update import Totals
from nmt.translate import Translator

TRANSLATED_LINES = 100  # of the test set, from its start
PACE = "pace.json"


def measure_pace(folder: Path, baseline: Path, turns: int) -> None:
    """Write `pace.json` into a cell's folder.

    Raises:
        NmtError: A model or the data cannot be read.
    """
    training = by_turns(updates_of(folder), updates_of(baseline), turns)
    translating = by_turns(translation_of(folder), translation_of(baseline), max(1, turns // 2))
    measures = {
        "tokens_per_second": training[0],
        "training_ratio": training[1],
        "sentences_per_second": translating[0],
        "translation_ratio": translating[1],
        "turns": turns,
        "baseline": identity(baseline),
    }
    write_json(folder / PACE, measures)


def pace_of(folder: Path, baseline: Path) -> dict[str, Any]:
    """Read a cell's pace; empty where it was not measured, or beside another baseline."""
    if not (folder / PACE).is_file():
        return {}
    pace: dict[str, Any] = read_json(folder / PACE)
    return pace if pace.get("baseline") == identity(baseline) else {}


def identity(folder: Path) -> str:
    """Tell cells apart by what they are made from, which a name alone does not."""
    return sha256(folder / "request.json")


def settings_of(folder: Path) -> tuple[Experiment, dict[str, Any]]:
    """Read what a cell is made from."""
    request = read_json(folder / "request.json")
    return read_experiment(request["settings"]), request


def updates_of(folder: Path) -> Work:
    """Prepare updates of the trained model that leave it as it is."""
    experiment, _ = settings_of(folder)
    bench = Workbench.prepare(experiment)
    bench.take_weights(folder / "run")
    set_rate(bench.updater.optimizer, 0.0)
    batches: list[Batch] = []
    stream = bench.stream.from_position(Position())
    bench.model.train()

    def update(number: int) -> float:
        while len(batches) <= number:
            batches.extend(batch for batch, _ in islice(stream, 1))
        bench.updater.update([batches[number]], Totals())
        wait_for(bench.compute.device)  # or the optimizer's work would be timed with the other's
        return batches[number].tokens

    return update


def translation_of(folder: Path) -> Work:
    """Prepare translations of the first lines of the test set."""
    experiment, request = settings_of(folder)
    package = load_package(folder / "run")
    compute = prepare(experiment.compute, training=False)
    model = package.model.to(compute.device)
    translator = Translator(model, package.segmenters, experiment.search, compute)
    test = read_test(request["test"]["source"], request["test"]["target"])
    lines = [source for source, _ in test[:TRANSLATED_LINES]]

    def translate(number: int) -> float:
        return len(translator.translate_together(lines))

    return translate
