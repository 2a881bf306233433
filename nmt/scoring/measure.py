"""One metric on the lines of many systems: counted once, summed up in any way.

sacreBLEU takes counts from each line and makes a score of their sum. What costs time is counting;
the score of a text, of some of its lines and of a single line are sums over the same counts.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nmt.scoring.config import ScoreConfig
from nmt.scoring.metrics import Score, details, prepare
from nmt.scoring.texts import Text

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

Counts = list[list[Any]]  # of each line, what sacreBLEU sums up


class Measure:
    """A metric and the references that it compares with."""

    def __init__(
        self, metric: "Metric", by_line: "Metric", references: Sequence[Sequence[str]]
    ) -> None:
        """Take a metric for texts and the same for single lines."""
        self.metric = metric
        self.by_line = by_line
        self.references = references
        self.known: dict[int, tuple[Sequence[str], Counts]] = {}  # by identity, which is kept alive
        self.extract = metric._extract_corpus_statistics
        # The only door through which sacreBLEU's own scores, intervals and tests come to counts.
        setattr(metric, "_extract_corpus_statistics", self.extract_once)  # noqa: B010 (mypy)

    def extract_once(self, lines: Sequence[str], _: object = None) -> Counts:
        """Give the counts of each line, which are the same each time they are asked for."""
        if id(lines) not in self.known:
            self.known[id(lines)] = lines, self.extract(lines, self.references)
        return self.known[id(lines)][1]

    def score(self, system: Text, numbers: Sequence[int] | None = None) -> Score:
        """Score a text, or those of its lines alone.

        Args:
            numbers: Of lines, from 0.
        """
        counts = self.extract_once(system.lines)
        chosen = counts if numbers is None else [counts[number] for number in numbers]
        result = self.metric._aggregate_and_compute(chosen)
        signature = str(self.metric.get_signature())
        return Score(result.name, result.score, signature, details(result))

    def line_scores(self, system: Text) -> list[float]:
        """Score each line as if it were the whole text, as sacreBLEU's --sentence-level does."""
        counts = self.extract_once(system.lines)
        return [float(self.by_line._aggregate_and_compute([line]).score) for line in counts]

    def line_signature(self) -> str:
        """Say how single lines are scored; known once something has been counted."""
        setattr(self.by_line, "num_refs", getattr(self.metric, "num_refs"))  # noqa: B009, B010
        return str(self.by_line.get_signature())


def measure(name: str, config: ScoreConfig, references: Sequence[Sequence[str]]) -> Measure:
    """Prepare one of METRICS.

    Raises:
        ConfigError: It is unknown, or its tokenizer needs what is not installed.
    """
    from sacrebleu.metrics.bleu import BLEU

    by_line = prepare(name, config)
    if isinstance(by_line, BLEU):
        by_line.effective_order = True  # a line may be too short for 4-grams
    return Measure(prepare(name, config), by_line, references)
