"""Search as settings say: the one door from sentences to hypotheses."""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt.search.beam import beam_search
from nmt.search.config import SearchConfig
from nmt.search.constraints import Banks, Constrained, Demand
from nmt.search.expansion import Choice, expand
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.search.rules import NoRepeat, Prefix, Rule, RuledScorer
from nmt.search.sampling import Dice, sample
from nmt.search.scorer import Scorer, Source, State


@dataclass(frozen=True)
class Wanted:
    """What is asked for of each sentence.

    Attributes:
        limits: The most ids of a translation, its end included.
        prefixes: The ids that it begins with; none at all where no sentence has any.
        lines: Its number, which with the seed decides what is drawn.
        seed: Of the samples.
        demands: What it must and must not hold, None where nothing is asked for; none at all where
            no sentence has any. Its prefix and its limit must let it be met.
    """

    limits: Sequence[int]
    prefixes: Sequence[Sequence[int]] = ()
    lines: Sequence[int] = ()
    seed: int = 1
    demands: Sequence[Demand | None] = ()


def find(
    scorer: Scorer[State], source: Source, ends: Ends, wanted: Wanted, config: SearchConfig
) -> list[list[Hypothesis]]:
    """Find the hypotheses of each sentence, best first, or samples as drawn."""
    rules: list[Rule] = []
    choice: Choice = expand
    if config.no_repeat_ngram:
        rules.append(NoRepeat(config.no_repeat_ngram))
    if any(wanted.demands):
        rules.append(rule := Constrained(wanted.demands, wanted.limits, source.ids.device))
        choice = Banks(rule)
    if any(wanted.prefixes):
        rules.append(Prefix(wanted.prefixes, source.ids.device))
    if rules:
        ruled = RuledScorer(scorer, rules)
        return find_by_method(ruled, source, ends, wanted, config, choice)
    return find_by_method(scorer, source, ends, wanted, config, choice)


def find_by_method(
    scorer: Scorer[State],
    source: Source,
    ends: Ends,
    wanted: Wanted,
    config: SearchConfig,
    choice: Choice,
) -> list[list[Hypothesis]]:
    """Search by a beam, or draw."""
    limits = wanted.limits
    if config.method == "beam":
        return beam_search(scorer, source, ends, limits, config, choice)
    return sample(
        scorer, source, ends, limits, config, Dice(wanted.seed, wanted.lines, config.nbest)
    )
