"""An automaton that watches a text for phrases, symbol by symbol.

Q states, X symbols.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nmt.text.phrases import Phrases, is_word

# Symbols that no phrase spells: characters of words, others, bytes of a character that is not
# complete, and pieces that leave no trace but part bytes. The rest are numbered from OWN on.
WORD, OTHER, FRAGMENT, BREAK, OWN = range(5)
ASCII = 0x80  # bytes below it are characters
LINE_ENDS = "\r\n"  # a translation has spaces for them


@dataclass(frozen=True)
class Pattern:
    """A phrase as the automaton meets it.

    Attributes:
        spelt: The bytes of each character.
        opens: Whether no character of a word may stand before it.
        closes: Whether none may stand behind it.
        is_must: Whether it must appear. Where the neighbour is not known, because it is spelt in
            bytes, what must appear does not count and what must not does.
    """

    phrase: str
    spelt: tuple[bytes, ...]
    opens: bool
    closes: bool
    is_must: bool


Spot = tuple[int, int, int]  # pattern, characters that have matched, bytes of the next likewise
Spots = frozenset[Spot]


@dataclass(frozen=True)
class Automaton:
    """What each symbol does in each state; state 0 is the start of a text.

    Attributes:
        symbols: Number of each character and byte of the phrases.
        ban: Number of the bit that stands for all phrases that must not appear.
        following: (Q, X) the next state.
        events: (Q, X) bit i where the i-th phrase that must appear does, and bit `ban`.
        at_end: (Q,) the same, where the text ends.
    """

    symbols: dict[str | int, int]
    ban: int
    following: NDArray[np.int32]
    events: NDArray[np.int32]
    at_end: NDArray[np.int32]


def automaton_of(phrases: Phrases) -> Automaton:
    """Build the automaton by following every symbol from every state that can be reached."""
    watcher = Watcher(phrases)
    start = watcher.start
    numbers: dict[Spots, int] = {start: 0}
    queue, following, events = [start], [], []
    for spots in queue:  # grows while it is read
        row = [watcher.step(spots, symbol) for symbol in watcher.alphabet]
        for reached, _ in row:
            if reached not in numbers:
                numbers[reached] = len(numbers)
                queue.append(reached)
        following.append([numbers[reached] for reached, _ in row])
        events.append([event for _, event in row])
    at_end = [watcher.step(spots, OTHER)[1] for spots in queue]
    tables = (np.array(each, np.int32) for each in (following, events, at_end))
    return Automaton(watcher.symbols, len(phrases.must), *tables)


class Watcher:
    """Follow all phrases at once, as a set of spots."""

    def __init__(self, phrases: Phrases) -> None:
        both = [(each, True) for each in phrases.must] + [(x, False) for x in phrases.must_not]
        self.patterns = [pattern_of(each, phrases.whole_words, is_must) for each, is_must in both]
        self.ban = len(phrases.must)
        characters = sorted({each for pattern in self.patterns for each in pattern.phrase})
        spelt = sorted({byte for each in characters for byte in each.encode()})
        own: list[str | int] = [*characters, *(byte for byte in spelt if byte >= ASCII)]
        self.symbols = {each: number for number, each in enumerate(own, OWN)}
        self.alphabet = range(OWN + len(own))
        self._own = own
        self._opened = [self._find_opened(symbol) for symbol in self.alphabet]
        self._always = {(n, 0, 0) for n, each in enumerate(self.patterns) if not each.opens}

    def step(self, spots: Spots, symbol: int) -> tuple[Spots, int]:
        """Give the next spots, and what has happened."""
        if symbol == BREAK:  # whatever is written next, the bytes before make no character
            return frozenset(spot for spot in spots if not spot[2]), 0
        event, reached = 0, set[Spot]()
        for spot in spots | self._always:
            number, matched, _ = spot
            pattern = self.patterns[number]
            if matched == len(pattern.spelt):  # waits for what no word goes on with
                event |= self._event(number) if self._parts(symbol, pattern) else 0
                continue
            ahead = self._ahead(spot, symbol)
            if ahead and ahead[1] == len(pattern.spelt) and not pattern.closes:
                event |= self._event(number)
            elif ahead:
                reached.add(ahead)
        return self._opened[symbol] | reached, event

    @property
    def start(self) -> Spots:
        """Give the spots where nothing is written, as behind what ends words."""
        return self._opened[OTHER]

    def _find_opened(self, symbol: int) -> Spots:
        """List the phrases that can begin behind a symbol because no word goes on."""
        return frozenset(
            (number, 0, 0)
            for number, each in enumerate(self.patterns)
            if each.opens and self._parts(symbol, each)
        )

    def _event(self, number: int) -> int:
        return 1 << min(number, self.ban)

    def _ahead(self, spot: Spot, symbol: int) -> Spot | None:
        """Match one more character, or one more byte of it."""
        number, matched, bytes_matched = spot
        if symbol < OWN:
            return None
        own, spelt = self._own[symbol - OWN], self.patterns[number].spelt[matched]
        if isinstance(own, str):
            fits = not bytes_matched and own.encode() == spelt
            return (number, matched + 1, 0) if fits else None
        if spelt[bytes_matched] != own:
            return None
        whole = bytes_matched + 1 == len(spelt)
        return (number, matched + 1, 0) if whole else (number, matched, bytes_matched + 1)

    def _parts(self, symbol: int, pattern: Pattern) -> bool:
        """Tell whether words end at a symbol."""
        own = self._own[symbol - OWN] if symbol >= OWN else ""
        if symbol == FRAGMENT or isinstance(own, int):
            return not pattern.is_must
        return symbol == OTHER or (bool(own) and not is_word(own))


def pattern_of(phrase: str, whole_words: bool, is_must: bool) -> Pattern:
    """Spell a phrase."""
    opens, closes = (whole_words and is_word(phrase[place]) for place in (0, -1))
    return Pattern(phrase, tuple(each.encode() for each in phrase), opens, closes, is_must)


def symbols_of(surface: str | int | None, symbols: dict[str | int, int]) -> list[int]:
    """Spell what a piece adds to a text: characters, a byte, or nothing."""
    if surface is None:
        return [BREAK]
    if isinstance(surface, int) and surface >= ASCII:
        return [symbols.get(surface, FRAGMENT)]
    text = surface if isinstance(surface, str) else chr(surface)
    shown = (" " if each in LINE_ENDS else each for each in text)
    return [symbols.get(each, WORD if is_word(each) else OTHER) for each in shown]
