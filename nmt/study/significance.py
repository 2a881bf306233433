"""Whether a difference in BLEU could be chance, by sacreBLEU's paired bootstrap resampling."""

import logging
from collections.abc import Mapping, Sequence

from nmt.scoring.config import ScoreConfig
from nmt.scoring.metrics import prepare

SAMPLES = 1000


def p_values(
    baseline: Sequence[str],
    others: Mapping[str, Sequence[str]],
    references: Sequence[str],
    config: ScoreConfig,
) -> dict[str, float]:
    """Compare translations with those of a baseline, each line with the same line.

    Returns:
        For each of the others, how likely a difference in BLEU as large is by chance.

    Source: Koehn (2004), https://aclanthology.org/W04-3250, as in sacreBLEU; but where there is
    no difference at all its value is 1, and not the least that resampling can give.
    """
    from sacrebleu.significance import PairedTest, Result

    if not others:
        return {}
    logging.getLogger("sacrebleu").setLevel(logging.WARNING)  # it tells of every step
    # The baseline's own name could be another's too; sacreBLEU tells systems by position.
    systems: list[tuple[str, Sequence[str]]] = [("", baseline), *others.items()]
    metrics = {"BLEU": prepare("bleu", config)}
    _, columns = PairedTest(systems, metrics, [references], "bs", SAMPLES)()
    base, *found = (result for result in columns["BLEU"] if isinstance(result, Result))
    return {
        name: 1.0 if result.score == base.score else float(result.p_value or 0.0)
        for name, result in zip(others, found, strict=True)
    }
