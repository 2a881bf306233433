"""Choose the head that tells how the words of a model's pairs are linked, on a development set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nmt.alignment.attended import NOTHING, source_places, word_links
from nmt.alignment.criteria import agreement, information
from nmt.alignment.head import Choice, Head, candidates
from nmt.alignment.links import Errors, Gold, Links, turned
from nmt.errors import ConfigError, DataError
from nmt.forced.reader import Pair, Reader
from nmt.forced.reading import NO_WEIGHTS, words_in


@dataclass(frozen=True)
class Trial:
    """A candidate's links on a development set.

    Attributes:
        places: For each pair the source piece of each target piece.
        links: For each pair the links between words.
    """

    head: Head
    places: list[list[int]]
    links: list[Links]


def try_heads(reader: Reader, pairs: Sequence[Pair]) -> list[Trial]:
    """Link the words of pairs, all with text, by every head there is.

    Raises:
        ConfigError: No layer gives weights.
        DataError: There is nothing to try them on.
    """
    known = candidates(reader.heads())
    if not known:
        raise ConfigError(NO_WEIGHTS)
    if not pairs:
        raise DataError("there are no pairs with text to choose by")
    trials = [Trial(head, [[]] * len(pairs), [frozenset()] * len(pairs)) for head in known]
    for place, result in reader.read(pairs, need_weights=True):
        words = words_in(pairs[place], len(reader.tags))
        for trial in trials:
            places = source_places(result.weights, trial.head, words)
            trial.places[place] = places
            trial.links[place] = word_links(places, words)
    return trials


def by_gold(trials: Sequence[Trial], gold: Sequence[Gold]) -> list[Choice]:
    """Rank by alignment error rate, the lowest first."""
    rated = []
    for trial in trials:
        errors = Errors()
        for links, drawn in zip(trial.links, gold, strict=True):
            errors.add(links, drawn)
        rated.append(Choice(trial.head, "alignment error rate", errors.rate, len(gold)))
    return sorted(rated, key=lambda choice: choice.value)


def by_information(trials: Sequence[Trial], pairs: Sequence[Pair]) -> list[Choice]:
    """Rank by what linked pieces tell about each other, the most first."""
    lines = np.repeat(np.arange(len(pairs)), [len(pair.target.ids) for pair in pairs])
    targets = np.array([id_ for pair in pairs for id_ in pair.target.ids], np.int64)
    rated = []
    for trial in trials:
        sources = [
            NOTHING if place == NOTHING else pair.source.ids[place]
            for pair, places in zip(pairs, trial.places, strict=True)
            for place in places
        ]
        value = information(lines, np.array(sources, np.int64), targets)
        rated.append(Choice(trial.head, "information in nats a piece", value, len(pairs)))
    return sorted(rated, key=lambda choice: -choice.value)


def by_agreement(
    forward: Sequence[Trial], backward: Sequence[Trial]
) -> tuple[list[Choice], list[Choice]]:
    """Rank the heads of two models of opposite directions by the best partner of each."""
    shares = agreement(
        [trial.links for trial in forward],
        [[turned(links) for links in trial.links] for trial in backward],
    )
    ranked = []
    for trials, best in ((forward, shares.max(1)), (backward, shares.max(0))):
        rated = [
            Choice(each.head, "agreement of both directions", float(share), len(each.links))
            for each, share in zip(trials, best, strict=True)
        ]
        ranked.append(sorted(rated, key=lambda choice: -choice.value))
    return ranked[0], ranked[1]
