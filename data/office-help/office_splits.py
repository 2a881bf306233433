"""Choose the held-out sentences and keep all that resembles them out of the training data."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from office_pairs import SIDES, Pair, sentence_key

HELD_OUT_WORDS = range(4, 21)
NUM_TEST = 1000
NUM_DEV = 500
SIMILAR = 0.6  # Jaccard similarity from which two sentences are near-duplicates
MAX_POSTINGS = 3000  # shingles of more sentences than this are too common to look up
SEED = 13
FULL_SENTENCE = re.compile(r'^["“„«‘¿¡]?[A-ZÀ-ÖØ-Þ].*[.!?]["”’»]?$')

Shingle = str | tuple[str, str]  # one word, or two in a row


class Splits(NamedTuple):
    """The three parts of the corpus of one language."""

    train: list[Pair]
    dev: list[Pair]
    test: list[Pair]


def hold_out(corpora: Sequence[dict[str, Pair]]) -> tuple[list[str], list[str]]:
    """Choose the keys of the test and dev sentences: full ones, no two of them similar."""
    common = set.intersection(*(set(corpus) for corpus in corpora))
    candidates = sorted(key for key in common if is_candidate(key, corpora))
    random.Random(SEED).shuffle(candidates)
    chosen: list[str] = []
    chosen_shingles: list[set[Shingle]] = []
    for key in candidates:
        own = shingles(key)
        if not any(are_similar(own, other) for other in chosen_shingles):
            chosen.append(key)
            chosen_shingles.append(own)
        if len(chosen) == NUM_TEST + NUM_DEV:
            break
    return chosen[:NUM_TEST], chosen[NUM_TEST:]


def is_candidate(key: str, corpora: Sequence[dict[str, Pair]]) -> bool:
    """Tell whether a sentence is of middle length and complete in every language."""
    if len(key.split()) not in HELD_OUT_WORDS:
        return False
    return all(FULL_SENTENCE.match(text) for corpus in corpora for text in corpus[key])


def split_corpus(corpus: dict[str, Pair], test: list[str], dev: list[str]) -> Splits:
    """Take out the held-out pairs, and from the rest all that resemble them."""
    held_out = {*test, *dev}
    rest = [pair for key, pair in corpus.items() if key not in held_out]
    train = drop_similar(rest, [corpus[key] for key in held_out])
    random.Random(SEED).shuffle(train)
    return Splits(train, [corpus[key] for key in dev], [corpus[key] for key in test])


def drop_similar(pairs: list[Pair], held_out: list[Pair]) -> list[Pair]:
    """Drop the pairs that equal or resemble a held-out pair on either side."""
    dropped: set[int] = set()
    for side in SIDES:
        texts = [pair[side] for pair in pairs]
        index = SimilarTexts(texts)
        equal = {sentence_key(pair[side]) for pair in held_out}
        dropped.update(i for i, text in enumerate(texts) if sentence_key(text) in equal)
        dropped.update(i for pair in held_out for i in index.find(pair[side]))
    return [pair for i, pair in enumerate(pairs) if i not in dropped]


class SimilarTexts:
    """An index of texts by their shingles, to find near-duplicates without comparing all."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.shingles = [shingles(text) for text in texts]
        self.num_texts = Counter(shingle for own in self.shingles for shingle in own)
        self.postings: defaultdict[Shingle, list[int]] = defaultdict(list)
        for number, own in enumerate(self.shingles):
            for shingle in own:
                if self.num_texts[shingle] <= MAX_POSTINGS:
                    self.postings[shingle].append(number)

    def find(self, text: str) -> list[int]:
        """List the numbers of the texts that are similar to `text`.

        A similar text shares so many shingles that one at least is among the few rarest, so only
        the texts that have one of those are compared. Where all that is shared is too common to
        look up, a similar text is missed; this corpus has no such case.
        """
        wanted = shingles(text)
        rarest = sorted(wanted, key=lambda shingle: (self.num_texts[shingle], str(shingle)))
        num_looked_up = int((1 - SIMILAR) * len(wanted)) + 2
        near = {i for shingle in rarest[:num_looked_up] for i in self.postings.get(shingle, ())}
        return sorted(i for i in near if are_similar(wanted, self.shingles[i]))


def shingles(text: str) -> set[Shingle]:
    """List the words and pairs of adjacent words of a sentence."""
    unigrams = sentence_key(text).split()
    return {*unigrams, *pairwise(unigrams)}


def are_similar(one: set[Shingle], other: set[Shingle]) -> bool:
    """Tell whether two sentences are near-duplicates."""
    return len(one & other) >= SIMILAR * len(one | other)
