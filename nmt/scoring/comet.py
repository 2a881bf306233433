"""COMET, as a metric beside sacreBLEU's: a model's judgement of each line, averaged.

Source: Rei et al. (2020), https://aclanthology.org/2020.emnlp-main.213.
"""

import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from sacrebleu.metrics.base import Metric, Score, Signature

from nmt.errors import ConfigError, DataError
from nmt.scoring.checks import Material
from nmt.scoring.comet_worker import MISSING
from nmt.scoring.measure import Measure

log = logging.getLogger(__name__)

WORKER = Path(__file__).with_name("comet_worker.py")
CHECKPOINT = Path("checkpoints") / "model.ckpt"  # where COMET's own models have it
PERCENT = 100


class CometSignature(Signature):
    """What another COMET score must share to be comparable: the model and the package."""

    def __init__(self, args: dict[str, Any]) -> None:
        super().__init__(args)
        self._abbr["model"] = "m"
        self.info["version"] = args["package"]
        self.info["model"] = args["model"]


class Comet(Metric):
    """Scores that a model has given beforehand, in the shape in which sacreBLEU resamples."""

    _SIGNATURE_TYPE = CometSignature

    def __init__(
        self, model: str, package: str, judged: dict[tuple[str, ...], list[float]]
    ) -> None:
        """Take the scores of each line of each system."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self.package = package
        self.num_refs = 1
        self.judged = judged

    def _extract_corpus_statistics(self, hypotheses: Sequence[str], references: Any) -> Any:
        return [[score, 1] for score in self.judged[tuple(hypotheses)]]

    def _aggregate_and_compute(self, stats: Any) -> Score:
        return self._compute_score_from_stats([sum(column) for column in zip(*stats, strict=True)])

    def _compute_score_from_stats(self, stats: Any) -> Score:
        return Score("COMET", PERCENT * float(stats[0]) / float(stats[1]))

    def _preprocess_segment(self, sent: str) -> str:
        return sent

    def _extract_reference_info(self, refs: Sequence[str]) -> dict[str, Any]:
        return {}

    def _compute_segment_statistics(self, hypothesis: str, ref_kwargs: Any) -> list[Any]:
        raise AssertionError  # lines are judged together, and beforehand


def comet_measure(folder: Path, python: str, material: Material) -> Measure:
    """Have a model judge all systems.

    Args:
        folder: Of the model, with `hparams.yaml` and `checkpoints/model.ckpt`.
        python: The program that has the package; ours if empty.
        material: With a source.

    Raises:
        ConfigError: There is no such model, no package, or more than one reference.
        DataError: The package failed; its last line is told.
    """
    source, systems, references = material.source, material.systems, material.references
    assert source is not None
    if len(references) != 1:
        raise ConfigError(f"--comet compares with one reference, not {len(references)}")
    if not (folder / CHECKPOINT).is_file():
        raise ConfigError(f"--comet {folder}: no COMET model; its folder holds {CHECKPOINT}")
    samples = [
        {"src": src, "mt": mt, "ref": ref}
        for system in systems
        for src, mt, ref in zip(source.lines, system.lines, references[0].lines, strict=True)
    ]
    request = {"checkpoint": str((folder / CHECKPOINT).absolute()), "samples": samples}
    log.info("COMET judges %s lines", f"{len(samples):,}")
    answer = ask(python or sys.executable, request)
    size = len(source.lines)
    judged = {
        tuple(system.lines): answer["scores"][number * size : (number + 1) * size]
        for number, system in enumerate(systems)
    }
    comet = Comet(folder.resolve().name, answer["version"], judged)
    return Measure(comet, comet, [references[0].lines])


def ask(python: str, request: dict[str, Any]) -> dict[str, Any]:
    """Run the worker."""
    try:
        done = subprocess.run(
            [python, "-c", WORKER.read_text(encoding="utf-8")],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
    except OSError as error:
        raise ConfigError(f"--comet-python {python}: {error.strerror}") from None
    said = (done.stderr.strip() or "nothing said").splitlines()[-1]
    if done.returncode == MISSING:
        raise ConfigError(
            f"--comet needs the package unbabel-comet, but {python} has no module {said!r}; "
            "install it in an environment of its own and give its Python to --comet-python"
        )
    if done.returncode != 0:
        raise DataError(f"COMET failed: {said}")
    return cast("dict[str, Any]", json.loads(done.stdout))
