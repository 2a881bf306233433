"""What phrases mean for pieces: where each leads, and how far the end is from there.

Q states of the automaton, M = 2^m sets of phrases that have appeared, V pieces, C kinds of pieces
that do the same from everywhere.
"""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from nmt.text.automaton import Automaton, automaton_of, symbols_of
from nmt.text.phrases import Phrases
from nmt.text.segmenter import SPACE, Segmenter

Table = NDArray[np.int32]
Ids = NDArray[np.int16]  # numbers of them
NEVER = 2**14  # pieces that no text has
AT_ONCE = 2**22  # states of pieces that are followed together


class Vocabulary:
    """The pieces of a target.

    Args:
        surfaces: What each adds to a text, as `Segmenter.surfaces`.
        end: The id that ends it.
    """

    def __init__(self, surfaces: Sequence[str | int | None], end: int) -> None:
        self.end = end
        parts: list[list[str | int | None]] = [
            [*each] if isinstance(each, str) and each else [None if each == "" else each]
            for each in surfaces
        ]
        self._alphabet = sorted({part for each in parts for part in each}, key=repr)
        number = {part: place for place, part in enumerate(self._alphabet)}
        self.lengths = np.array([len(each) for each in parts])
        self._parts = np.zeros((len(parts), int(self.lengths.max())), np.int32)
        for row, each in zip(self._parts, parts, strict=True):
            row[: len(each)] = [number[part] for part in each]

    def spell(self, symbols: dict[str | int, int]) -> Table:
        """Give the symbols of every piece, (V, longest); behind its end stands anything."""
        of_part = np.array([symbols_of(part, symbols)[0] for part in self._alphabet], np.int32)
        return of_part[self._parts]


class Demand:
    """Follow what one text holds of its phrases, piece by piece.

    A state is a number: the set of phrases that have appeared, and the state of the automaton.

    Args:
        canonical: Pieces that phrases are usually made of; progress is counted along them.
    """

    start = 0

    def __init__(
        self, phrases: Phrases, vocabulary: Vocabulary, canonical: Collection[int]
    ) -> None:
        self.has_goal = bool(phrases.must)
        automaton = automaton_of(phrases)
        self._end, self._ban = vocabulary.end, 1 << automaton.ban
        self._full = self._ban - 1  # all phrases that must appear
        self._following, self._events, self._kinds = kinds_of(automaton, vocabulary)
        self._made: dict[int, Table] = {}
        self._may_end = self._ends(automaton.at_end)
        usual = np.zeros(self._following.shape[1], np.bool_)
        self._left = self._distances(~usual)
        usual[self._kinds[list(canonical)]] = True
        usually = self._distances(usual)
        self._progress = np.where(usually < NEVER, usually, self._left)
        self._rows: dict[int, tuple[Ids, Ids]] = {}

    def left(self, state: int) -> int:
        """Give the fewest ids that end a text from here, the end included; NEVER if none do."""
        return int(self._left.flat[state])

    def follow(self, state: int, id_: int) -> int:
        """Give the state after one more piece; -1 where a phrase appears that must not."""
        mask, place = divmod(state, len(self._following))
        return int(self._targets(mask)[place, self._kinds[id_]])

    def after(self, state: int) -> tuple[Ids, Ids]:
        """Tell of each piece, (V,), how many ids end a text after it: at least, and usually.

        After the end it is none, where the end is allowed.
        """
        if state not in self._rows:
            mask, place = divmod(state, len(self._following))
            targets = self._targets(mask)[place]  # (C,)
            end = 0 if self._may_end[mask, place] else NEVER
            self._rows[state] = tuple(  # type: ignore[assignment]
                self._row(table, targets, end) for table in (self._left, self._progress)
            )
        return self._rows[state]

    def _row(self, table: Table, targets: Table, end: int) -> Ids:
        ids: Ids = np.append(table, np.int32(NEVER))[targets].astype(np.int16)[self._kinds]
        ids[self._end] = end
        return ids

    def _targets(self, mask: int) -> Table:
        """Give the state that each kind of piece leads to, -1 where it may not stand, (Q, C)."""
        if mask not in self._made:
            masks = mask | (self._events & self._full)
            targets = masks * len(self._following) + self._following
            self._made[mask] = np.where(self._events & self._ban, np.int32(-1), targets)
        return self._made[mask]

    def _ends(self, at_end: Table) -> NDArray[np.bool_]:
        """Tell where a text may end, (M, Q)."""
        masks = np.arange(self._full + 1)[:, None]
        is_full: NDArray[np.bool_] = (masks | at_end) & self._full == self._full
        is_kept: NDArray[np.bool_] = at_end & self._ban == 0
        return np.logical_and(is_full, is_kept)

    def _distances(self, allowed: NDArray[np.bool_]) -> Table:
        """Count the fewest ids to the end by kinds of pieces that are allowed, (M, Q)."""
        distances = np.where(self._may_end, 1, NEVER).astype(np.int32)
        for mask in reversed(range(self._full + 1)):  # phrases appear, and never vanish
            targets = self._targets(mask)[:, allowed]
            while True:
                padded = np.append(distances, np.int32(NEVER))  # which -1 looks up
                best = padded[targets].min(-1, initial=NEVER - 1) + 1
                if np.array_equal(shorter := np.minimum(distances[mask], best), distances[mask]):
                    break
                distances[mask] = shorter
        return distances


def kinds_of(automaton: Automaton, vocabulary: Vocabulary) -> tuple[Table, Table, Table]:
    """Follow every piece from every state.

    Returns:
        Of each kind of piece the next state and what happens, both (Q, C); of each piece its
        kind, (V,).
    """
    spelt, kinds = vocabulary.spell(automaton.symbols), np.empty(len(vocabulary.lengths), np.int32)
    numbers: dict[bytes, int] = {}
    for symbol in np.unique(spelt[:, 0]):
        # What else a piece does depends on its first symbol's target alone, and those are few.
        targets, place = np.unique(automaton.following[:, symbol], return_inverse=True)
        ids = np.flatnonzero(spelt[:, 0] == symbol)
        ids = ids[np.argsort(-vocabulary.lengths[ids], kind="stable")]
        step = max(1, AT_ONCE // len(targets))
        for some in (ids[first : first + step] for first in range(0, len(ids), step)):
            both = run(automaton, targets, spelt[some], vocabulary.lengths[some])
            columns = widened(np.concatenate(both), place, automaton.events[:, symbol])
            kinds[some] = [numbers.setdefault(each, len(numbers)) for each in columns]
    table = np.frombuffer(b"".join(numbers), np.int32).reshape(len(numbers), 2, -1)
    return table[:, 0].T.copy(), table[:, 1].T.copy(), kinds


def widened(narrow: Table, place: NDArray[np.int64], before: Table) -> list[bytes]:
    """Give for each piece where it leads and what happens, from every state.

    Args:
        narrow: (2 T, P) where it leads, then what happens, behind each target of a first symbol.
        place: (Q,) the target of each state.
        before: (Q,) what the first symbol does.
    """
    known: dict[bytes, bytes] = {}
    keys = [column.tobytes() for column in narrow.T.copy()]
    for key in keys:
        if key not in known:
            reached, events = np.frombuffer(key, np.int32).reshape(2, -1)[:, place]
            known[key] = np.append(reached, events | before).tobytes()
    return [known[key] for key in keys]


def run(
    automaton: Automaton, starts: Table, spelt: Table, lengths: NDArray[np.int64]
) -> tuple[Table, Table]:
    """Follow pieces from behind their first symbol, the longest piece first.

    Args:
        starts: States.
        spelt: (P, longest) the symbols of pieces.

    Returns:
        Where each leads and what happens, both (starts, P).
    """
    states = np.repeat(starts[:, None], len(spelt), 1)
    events = np.zeros_like(states)
    for place in range(1, int(lengths[0])):
        longer = int((lengths > place).sum())
        column, live = spelt[:longer, place], states[:, :longer]
        events[:, :longer] |= automaton.events[live, column]
        states[:, :longer] = automaton.following[live, column]
    return states, events


def demand_of(phrases: Phrases, segmenter: Segmenter, vocabulary: Vocabulary) -> Demand:
    """Follow phrases in texts that are cut by a segmenter."""
    pieces = [piece for phrase in phrases.must for piece in segmenter.pieces(phrase)]
    within = [piece.removeprefix(SPACE) for piece in pieces]  # where no word has to begin
    found = {segmenter.id_of(piece) for piece in (*pieces, *within, SPACE)}
    return Demand(phrases, vocabulary, [id_ for id_ in found if id_ is not None])
