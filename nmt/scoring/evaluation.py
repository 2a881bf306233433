"""Everything that is known of some systems: scores, intervals, p-values, parts of the test set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nmt.scoring.buckets import Bucket, Buckets
from nmt.scoring.checks import Material
from nmt.scoring.measure import Measure
from nmt.scoring.resampling import Assessed, Resampling, assess, warn_few
from nmt.scoring.texts import Text


@dataclass(frozen=True)
class Evaluation:
    """What reports are written from.

    Attributes:
        measures: By the metric's name on the command line.
        results: Of each metric, in the order of the systems.
    """

    material: Material
    measures: Mapping[str, Measure]
    results: Mapping[str, Sequence[Assessed]]
    parts: Sequence[Buckets]
    resampling: Resampling

    @property
    def systems(self) -> Sequence[Text]:
        """The systems, the one that others are compared with first."""
        return self.material.systems

    @property
    def names(self) -> list[str]:
        """What sacreBLEU calls the metrics."""
        return [results[0].score.name for results in self.results.values()]

    def of_system(self, number: int) -> dict[str, Assessed]:
        """Give the results of one system by metric."""
        return {metric: results[number] for metric, results in self.results.items()}

    def in_bucket(self, system: Text, bucket: Bucket) -> dict[str, float]:
        """Score those lines of a system by each metric."""
        return {
            metric: measure.score(system, bucket.numbers).value
            for metric, measure in self.measures.items()
        }


def evaluate(
    material: Material,
    measures: Mapping[str, Measure],
    resampling: Resampling,
    parts: Sequence[Buckets] = (),
) -> Evaluation:
    """Score all systems by all metrics.

    Raises:
        ConfigError: Resampling would take more memory than the machine has.
    """
    warn_few(len(material.systems[0].lines), resampling)
    results = {
        name: assess(material.systems, measure, resampling) for name, measure in measures.items()
    }
    return Evaluation(material, measures, results, parts, resampling)
