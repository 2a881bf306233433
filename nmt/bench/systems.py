"""Systems of one or several models beside each other: how well and how fast they translate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nmt.bench.translation import FIRST_LINES, Range, Translators, measure_text
from nmt.ensemble import Ensemble
from nmt.model.directory import count_parameters
from nmt.scoring.checks import Material
from nmt.scoring.config import ScoreConfig
from nmt.scoring.evaluation import Evaluation, evaluate
from nmt.scoring.measure import measure
from nmt.scoring.metrics import DEFAULT_METRICS
from nmt.scoring.report import aligned, comparison, footnotes, json_scores
from nmt.scoring.resampling import Resampling
from nmt.scoring.texts import Text
from nmt.search.config import SearchConfig
from nmt.translate import Translator


@dataclass(frozen=True)
class System:
    """Models that translate together, and how they search.

    Attributes:
        models: Their names.
    """

    models: Sequence[str]
    ensemble: Ensemble
    search: SearchConfig

    @property
    def parameters(self) -> int:
        """Count the weights of all models."""
        return sum(count_parameters(each.model) for each in self.ensemble.members)


Systems = Mapping[str, System]  # by name; others are compared with the first


@dataclass(frozen=True)
class Compared:
    """What was found out.

    Attributes:
        evaluation: Of the systems, in their order.
        speeds: Sentences a second, in their order.
        ratios: Of each to the first one's, turn by turn.
    """

    systems: Systems
    evaluation: Evaluation
    speeds: Sequence[Range]
    ratios: Sequence[Range]


def compare(
    systems: Systems, source: Text, reference: Text, config: ScoreConfig, turns: int
) -> Compared:
    """Let each translate a text as often as there are turns, and score what it made.

    Raises:
        ConfigError: Resampling would take more memory than the machine has.
    """
    translators: Translators = {
        name: Translator.of(each.ensemble, each.search) for name, each in systems.items()
    }
    for each in translators.values():
        list(each.translate(source.lines[:FIRST_LINES]))  # warms up; a whole text would take long
    measured = measure_text(translators, source.lines, turns, warm_up=0)
    texts = [Text(name, [each.text for each in measured.translations[name]]) for name in systems]
    measures = {name: measure(name, config, [reference.lines]) for name in DEFAULT_METRICS}
    asked = Resampling(paired="bootstrap", confidence=True)
    evaluation = evaluate(Material(texts, [reference], source), measures, asked)
    first, *_ = measured.turns.values()
    ratios = [
        Range.of([mine / other for mine, other in zip(each, first, strict=True)])
        for each in measured.turns.values()
    ]
    speeds = [each.sentences_per_second for each in measured.speeds]
    return Compared(systems, evaluation, speeds, ratios)


def text_lines(found: Compared) -> Iterator[str]:
    """Write a table for people."""
    head, *rows = comparison(found.evaluation, 2)
    wider = [[*head, "models", "parameters", "sentences/s", "of the first"]]
    for row, system, speed, ratio in zip(
        rows, found.systems.values(), found.speeds, found.ratios, strict=True
    ):
        sizes = [f"{len(system.models)}", f"{system.parameters:,}"]
        wider.append([*row, *sizes, f"{speed.median:,.1f}", f"{ratio.median:.2f}"])
    yield from aligned(wider)
    yield ""
    yield from footnotes(found.evaluation)


def as_object(found: Compared) -> dict[str, Any]:
    """Make what becomes one JSON object."""
    systems = [
        {
            "name": name,
            "models": list(system.models),
            "parameters": system.parameters,
            "scores": json_scores(found.evaluation.of_system(number)),
            "sentences_per_second": asdict(found.speeds[number]),
            "ratio_to_first": asdict(found.ratios[number]),
        }
        for number, (name, system) in enumerate(found.systems.items())
    ]
    source, (reference,) = found.evaluation.material.source, found.evaluation.material.references
    assert source is not None
    texts = {"text": source.name, "reference": reference.name, "lines": len(source.lines)}
    return {**texts, "systems": systems}
