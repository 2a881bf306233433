"""Whether a difference in BLEU could be chance, by sacreBLEU's paired bootstrap resampling."""

from collections.abc import Mapping, Sequence

from nmt.scoring.config import ScoreConfig
from nmt.scoring.measure import measure
from nmt.scoring.resampling import SAMPLES as ROUNDS
from nmt.scoring.resampling import Resampling, assess
from nmt.scoring.texts import Text

SAMPLES = ROUNDS["bootstrap"]


def p_values(
    baseline: Sequence[str],
    others: Mapping[str, Sequence[str]],
    references: Sequence[str],
    config: ScoreConfig,
) -> dict[str, float]:
    """Compare translations with those of a baseline, each line with the same line.

    Returns:
        For each of the others, how likely a difference in BLEU as large is by chance.
    """
    if not others:
        return {}
    systems = [Text("", baseline), *(Text(name, lines) for name, lines in others.items())]
    bleu = measure("bleu", config, [references])
    _, *found = assess(systems, bleu, Resampling(paired="bootstrap"))
    return {name: float(each.p_value or 0.0) for name, each in zip(others, found, strict=True)}
