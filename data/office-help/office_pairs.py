"""Cut texts into sentence pairs and keep those worth learning from."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

MAX_WORDS = 25
TOKEN = re.compile(r"\w+(?:[’'\-]\w+)*|[^\w\s]")
SENTENCE_GAP = re.compile(r'(?<=[.!?…])[”»’)\]"]*\s+(?=["“„«(¿¡]*[A-ZÀ-ÖØ-Þ])')
ABBREVIATION = re.compile(
    r"\b(?:z\. ?B|d\. ?h|u\. ?a|bzw|usw|ca|Nr|ggf|inkl|e\.g|i\.e|etc|vs"
    r"|p\. ?ej|ex|cf|fig|max|min|No|[A-Z])\.$"
)
NOISE = re.compile(  # code, formulae, addresses, placeholders, and letters that are not Latin
    r"[=<>{}|\\_@#^]|://|\([^)]*;|\w\(|%|\$[\w(]|&[A-Za-z]"
    r'|["“”„«»]{2}|\w\.\w+\.\w|\(\d+,|[^\x00-\u024f\u2010-\u203a\u20ac]'
)


class Pair(NamedTuple):
    """An English text and its translation."""

    source: str
    target: str


SIDES = range(len(Pair._fields))


def split_pair(pair: Pair) -> list[Pair]:
    """Split both texts into sentences if they match one to one, else leave the pair whole."""
    sources, targets = split_sentences(pair.source), split_sentences(pair.target)
    if len(sources) == len(targets) > 1:
        pairs = [Pair(*sides) for sides in zip(sources, targets, strict=True)]
        if all(0.4 < (len(one) + 8) / (len(other) + 8) < 2.5 for one, other in pairs):
            return pairs
    return [pair]


def split_sentences(text: str) -> list[str]:
    """Split a text after sentence ends that are not abbreviations."""
    parts, start = [], 0
    for gap in SENTENCE_GAP.finditer(text):
        if not ABBREVIATION.search(text[start : gap.start()]):
            parts.append(text[start : gap.end()].strip())
            start = gap.end()
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def choose_translations(pairs: Iterable[Pair]) -> dict[str, Pair]:
    """Keep the most frequent translation of each English sentence, as it was first written."""
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    first: dict[tuple[str, str], Pair] = {}
    for pair in pairs:
        key = sentence_key(pair.source)
        votes[key][pair.target] += 1
        first.setdefault((key, pair.target), pair)
    return {key: first[key, max(count, key=count.__getitem__)] for key, count in votes.items()}


def words(text: str) -> list[str]:
    """List the words of a text in lower case, without the punctuation."""
    return [token.lower() for token in TOKEN.findall(text) if re.match(r"\w", token)]


def sentence_key(text: str) -> str:
    """Reduce a sentence to what makes it the same as another: words, with numbers masked."""
    return " ".join(re.sub(r"\d+", "0", word) for word in words(text))


def is_usable(pair: Pair) -> bool:
    """Tell whether a pair passes every check."""
    return all(check(pair) for check in CHECKS)


def has_usable_lengths(pair: Pair) -> bool:
    """Tell whether both sides have a word and not too many, and neither is far the longer."""
    low, high = sorted(len(words(text)) for text in pair)
    if low == 0 or high > MAX_WORDS or (high > 3 and high >= 3 * low):
        return False
    return 0.4 < (len(pair.source) + 5) / (len(pair.target) + 5) < 2.2


def has_no_noise(pair: Pair) -> bool:
    """Tell whether both sides are free of code, formulae and addresses."""
    return not any(NOISE.search(text) for text in pair)


def has_equal_numbers(pair: Pair) -> bool:
    """Tell whether both sides name the same numbers; if not, the translation is out of date."""
    source, target = (sorted(re.findall(r"\d+", text)) for text in pair)
    return source == target


def is_translated(pair: Pair) -> bool:
    """Tell whether most longer words of the target are not simply those of the source."""
    if pair.source.lower() == pair.target.lower():
        return False
    longer = [word for word in words(pair.target) if len(word) > 3]
    source_words = set(words(pair.source))
    return sum(word in source_words for word in longer) <= 0.6 * len(longer)


def is_prose(pair: Pair) -> bool:
    """Tell whether the source is not mostly acronyms and both sides are mostly letters."""
    tokens = TOKEN.findall(pair.source)
    acronyms = [token for token in tokens if token.isupper() and len(token) > 1]
    if len(acronyms) > 0.35 * len(words(pair.source)):
        return False
    return all(
        sum(char.isalpha() for char in text) >= 0.5 * len(text.replace(" ", "")) for text in pair
    )


CHECKS: tuple[Callable[[Pair], bool], ...] = (
    has_usable_lengths,
    has_no_noise,
    has_equal_numbers,
    is_translated,
    is_prose,
)
