"""Corpus scores, computed by sacreBLEU: the one way to a number, in training and after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nmt.errors import ConfigError
from nmt.scoring.checks import refuse_uneven
from nmt.scoring.config import ScoreConfig
from nmt.scoring.texts import Text
from nmt.scoring.tokenizers import refuse_unavailable
from nmt.settings import nearest

if TYPE_CHECKING:  # elsewhere deferred, so that the table of metrics costs a command's help nothing
    from sacrebleu.metrics.base import Metric


@dataclass(frozen=True)
class Score:
    """One number, with what it takes to compare it with another.

    Attributes:
        name: What sacreBLEU calls the metric; it tells chrF2 from chrF3.
        value: In percent, unrounded. Lower is better for TER, higher for all others.
        signature: sacreBLEU's; only scores of equal signatures can be compared.
        details: What the number was made of, for people; empty for some metrics.
    """

    name: str
    value: float
    signature: str
    details: str


def bleu(config: ScoreConfig) -> "Metric":
    """Prepare BLEU."""
    from sacrebleu.metrics.bleu import BLEU

    refuse_unavailable(config.tokenize)
    # force: sacreBLEU's warning of tokenized text names options that we do not have; ours is in
    # `checks`. It has no influence on the score.
    return BLEU(lowercase=config.lowercase, tokenize=config.tokenize, force=True)


def chrf(config: ScoreConfig) -> "Metric":
    """Prepare chrF, of character n-grams alone."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(lowercase=config.lowercase)


def chrf_plus_plus(config: ScoreConfig) -> "Metric":
    """Prepare chrF++, which counts words and pairs of words too."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(lowercase=config.lowercase, word_order=2)


def ter(_: ScoreConfig) -> "Metric":
    """Prepare TER, which ignores case by its definition."""
    from sacrebleu.metrics.ter import TER

    return TER()


METRICS: dict[str, Callable[[ScoreConfig], "Metric"]] = {
    "bleu": bleu,
    "chrf": chrf,
    "chrf++": chrf_plus_plus,
    "ter": ter,
}
DEFAULT_METRICS = ("bleu", "chrf")


def corpus_scores(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    config: ScoreConfig,
    metrics: Sequence[str] = DEFAULT_METRICS,
) -> dict[str, Score]:
    """Score a whole text by each of the metrics, in their order.

    Args:
        references: One text for each reference, each with a line for every hypothesis.
        metrics: Names in METRICS.

    Raises:
        ConfigError: A metric is unknown, or the tokenizer needs what is not installed.
        DataError: A text has no lines, or not as many as another.
    """
    texts = [Text(f"reference {number}", lines) for number, lines in enumerate(references, 1)]
    refuse_uneven(Text("the hypothesis", hypotheses), texts)
    return {name: score(prepare(name, config), hypotheses, references) for name in metrics}


def prepare(name: str, config: ScoreConfig) -> "Metric":
    """Make the metric of that name, or refuse the name and offer the nearest."""
    if name not in METRICS:
        raise ConfigError(f"unknown metric {name!r}; {nearest(name, METRICS)}")
    return METRICS[name](config)


def score(
    metric: "Metric", hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> Score:
    """Run one metric of sacreBLEU."""
    result = metric.corpus_score(hypotheses, references)
    return Score(result.name, result.score, str(metric.get_signature()), details(result))


def details(result: object) -> str:
    """Say what BLEU or TER was made of; chrF keeps no such counts."""
    from sacrebleu.metrics.bleu import BLEUScore
    from sacrebleu.metrics.ter import TERScore

    if isinstance(result, BLEUScore):
        return (
            f"{result.prec_str} BP {result.bp:.3f} ratio {result.ratio:.3f} "
            f"hyp_len {result.sys_len} ref_len {result.ref_len}"
        )
    if isinstance(result, TERScore):
        return f"edits {result.num_edits} ref_len {result.ref_length:g}"
    return ""
