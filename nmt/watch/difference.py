"""What differs between two runs or models, next to what it did to the score."""

from collections.abc import Iterable
from typing import Any

from nmt.watch.side import LEFT_TO_HASHES, Facts, Side, read_side

Pairs = dict[str, list[Any]]  # the values of both sides by their name

PER_PIECE = ("loss", "perplexity", "accuracy")
DEVELOPMENT = ("dev_source", "dev_target")
OTHER_WEIGHTS = (
    "nothing that is recorded differs, and yet the weights do: one is not finished, or something "
    "computed them in another way"
)


def difference(first: str, second: str) -> dict[str, Any]:
    """Compare two runs or models; the report is of plain values that JSON knows.

    `data`, `settings` and `versions` hold what differs alone, `results` all; each value is a list
    of two, the first's and the second's. `same` says that nothing differs but perhaps results.

    Raises:
        NmtError: One is neither run nor model, or something in it is missing or damaged.
    """
    sides = read_side(first), read_side(second)
    parts = {
        "data": differing(both_tell(sides[0].data, sides[1].data)),
        "settings": differing(all_settings(*sides)),
        "versions": differing(both_tell(sides[0].versions, sides[1].versions)),
    }
    results = paired(sides[0].results, sides[1].results)
    same = not any(parts.values())
    return {
        "paths": [side.path for side in sides],
        "kinds": [side.kind for side in sides],
        "same": same,
        **parts,
        "results": {name: pair for name, pair in results.items() if pair != [None, None]},
        "notes": [*notes(*sides), *([OTHER_WEIGHTS] if same and other_weights(results) else [])],
    }


def paired(first: Facts, second: Facts) -> Pairs:
    """Put values of the same name side by side, in the order of who tells more."""
    more, less = (first, second) if len(first) >= len(second) else (second, first)
    return {name: [first.get(name), second.get(name)] for name in {**more, **less}}


def both_tell(first: Facts, second: Facts) -> Pairs:
    """Pair the values that are known of both."""
    return {name: pair for name, pair in paired(first, second).items() if None not in pair}


def all_settings(first: Side, second: Side) -> Pairs:
    """Pair settings; where a file lay says nothing if its hash is known of both."""
    hashes = both_tell(first.data, second.data)
    known = [name for name in LEFT_TO_HASHES if name.removeprefix("data.") in hashes]
    pairs = paired(first.settings, second.settings)
    return {name: pair for name, pair in pairs.items() if name not in known}


def differing(pairs: Pairs) -> Pairs:
    """Keep what is not the same on both sides."""
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def other_weights(results: Pairs) -> bool:
    """Tell whether the weights of both are there and differ."""
    pair = results.get("weights", [None, None])
    return None not in pair and pair[0] != pair[1]


def notes(first: Side, second: Side) -> Iterable[str]:
    """Say which results do not compare."""
    scores = both_tell(first.results, second.results).keys() & first.signatures.keys()
    hashes = [both_tell(first.data, second.data).get(name) for name in DEVELOPMENT]
    if scores and None in hashes:
        yield "whether both were scored on the same development set is not known"
    elif scores and any(pair is not None and pair[0] != pair[1] for pair in hashes):
        yield "the development sets differ: no score of one compares with the other's"
    for name, pair in differing(both_tell(first.signatures, second.signatures)).items():
        yield f"{name} does not compare, its signatures differ: {pair[0]}; {pair[1]}"
    if "target segmenter" in differing(both_tell(first.data, second.data)):
        yield f"{', '.join(PER_PIECE)} do not compare: they are per piece, and the pieces differ"
