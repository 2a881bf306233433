"""Phrases followed piece by piece, against the text that the pieces make."""

import itertools
import random
from collections.abc import Sequence
from functools import cache

import pytest

from nmt.errors import DataError
from nmt.text.automaton import automaton_of
from nmt.text.demand import NEVER, Demand, Vocabulary
from nmt.text.phrases import MOST, Phrases, holds, is_word, merged, parse_phrases, phrases_of

END = 0
# Of every kind: spaces, word starts, several characters, bytes of `ñ` and `é`, and no trace.
SURFACES: tuple[str | int | None, ...] = (
    None, " a", "a", "b", " ba", ".", "ab. ", "ñ", 0xC3, 0xB1, 0xA9, ord("a"), ord("\n"), None,
)  # fmt: skip
VOCABULARY = Vocabulary(SURFACES, END)
PHRASES = ["a", "b", "ab", "ba", "aa", "a b", "a.", ".", "bñ", "ñ", "a ba"]


def text_of(ids: Sequence[int]) -> str:
    """Join pieces as a segmenter does."""
    parts = [b""]
    for id_ in ids:
        if (part := SURFACES[id_]) is None:
            parts.append(b"")  # bytes before and behind make no character
        else:
            parts[-1] += bytes([part]) if isinstance(part, int) else part.encode()
    return "".join(part.decode(errors="replace") for part in parts).replace("\n", " ")


def random_phrases(seed: int, *, whole_words: bool) -> Phrases:
    generator = random.Random(seed)
    some = generator.sample(PHRASES, k=3)
    cut = generator.randint(0, 3)
    return Phrases(tuple(some[:cut]), tuple(some[cut:]), whole_words)


def end_of(demand: Demand, ids: Sequence[int]) -> tuple[bool, bool]:
    """Follow ids, and tell whether they are allowed, and with the end behind them."""
    state = demand.start
    for id_ in ids:
        allowed = demand.after(state)[0][id_] < NEVER
        state = demand.follow(state, id_)
        if state < 0 or not allowed:
            return False, False
    return True, demand.after(state)[0][END] == 0


def spelt_in_characters(ids: Sequence[int]) -> bool:
    """Tell whether no character is spelt in bytes."""
    return not any(isinstance(SURFACES[id_], int) and int(SURFACES[id_] or 0) > 127 for id_ in ids)


@pytest.mark.parametrize("whole_words", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_ids_may_end_exactly_where_their_text_keeps_to_the_phrases(
    seed: int, whole_words: bool
) -> None:
    phrases = random_phrases(seed, whole_words=whole_words)
    demand, generator = Demand(phrases, VOCABULARY, []), random.Random(seed)
    for _ in range(300):
        ids = [generator.randrange(1, len(SURFACES)) for _ in range(generator.randint(0, 6))]
        kept, (_, may_end) = not phrases.broken_by(text_of(ids)), end_of(demand, ids)
        if not whole_words or spelt_in_characters(ids):
            assert may_end == kept, (phrases, ids)
        assert kept or not may_end, (phrases, ids)  # whatever is spelt, nothing is broken


@pytest.mark.parametrize("whole_words", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_distances_are_those_of_the_shortest_texts(seed: int, whole_words: bool) -> None:
    phrases = random_phrases(seed, whole_words=whole_words)
    demand, ids = Demand(phrases, VOCABULARY, []), range(1, len(SURFACES))

    @cache
    def shortest(state: int, most: int) -> int:
        if demand.after(state)[0][END] == 0:
            return 1
        following = [demand.follow(state, id_) for id_ in ids] if most > 1 else []
        return min([1 + shortest(each, most - 1) for each in following if each >= 0], default=9)

    states = {demand.start}
    for _ in range(3):
        states |= {s for each in states for i in ids if (s := demand.follow(each, i)) >= 0}
    for state in states:
        assert min(demand.left(state), 9) == min(shortest(state, 8), 9)
        for id_ in ids:
            after = demand.after(state)[0][id_]
            reached = demand.follow(state, id_)
            assert after == (NEVER if reached < 0 else demand.left(reached))


def test_usual_pieces_count_as_progress_and_others_do_not() -> None:
    surfaces = (None, " x", " pan", "el", " pane", "l", " p")
    demand = Demand(Phrases(("panel",)), Vocabulary(surfaces, 0), [2, 3])
    after, usually = demand.after(demand.start)
    assert after.tolist() == [NEVER, 3, 2, 3, 2, 3, 3]
    assert usually[[1, 2, 4]].tolist() == [3, 2, 3]
    assert demand.after(demand.follow(demand.start, 2))[1][3] == 1


@pytest.mark.parametrize(
    ("phrases", "least"),
    [
        (Phrases(("ab",), whole_words=False), 2),  # ab., and the end
        (Phrases(("ab", "ba"), whole_words=False), 3),  # ba and b: one overlaps the other
        (Phrases(("aba",), ("b",), whole_words=False), NEVER),
        (Phrases(("z",)), NEVER),
        (Phrases(), 1),
        (Phrases((), ("a",)), 1),
    ],
)
def test_the_fewest_pieces_are_told(phrases: Phrases, least: int) -> None:
    assert Demand(phrases, VOCABULARY, []).left(0) == least


def test_long_vocabularies_are_followed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    phrases = Phrases(("ab", "ñ"), ("b a",))
    whole = Demand(phrases, VOCABULARY, [])
    monkeypatch.setattr("nmt.text.demand.AT_ONCE", 1)
    parts = Demand(phrases, VOCABULARY, [])
    for ids in itertools.product(range(1, len(SURFACES)), repeat=3):
        assert end_of(whole, ids) == end_of(parts, ids)


def test_every_character_of_phrases_is_a_symbol_of_its_own() -> None:
    automaton = automaton_of(Phrases(("abñ",), ("b",)))
    assert set(automaton.symbols) == {"a", "b", "ñ", 0xC3, 0xB1}
    assert automaton.following.shape == automaton.events.shape


@pytest.mark.parametrize(
    ("text", "phrase", "whole", "anywhere"),
    [
        ("we can go", "can", True, True),
        ("cancel", "can", False, True),
        ("cancel it, can", "can", True, True),
        ("5can.", "can", False, True),
        ("(can)", "can", True, True),
        ("can.5", "can.", True, True),
        ("a b", "a b", True, True),
        ("a  b", "a b", False, False),
        ("Can", "can", False, False),
        ("aaa", "aa", False, True),
        ("किताब", "कित", False, True),  # a sign for a vowel goes on with the word
    ],
)
def test_phrases_appear_as_whole_words_or_anywhere(
    text: str, phrase: str, whole: bool, anywhere: bool
) -> None:
    assert holds(text, phrase, whole_words=True) == whole
    assert holds(text, phrase, whole_words=False) == anywhere


def test_words_are_made_of_letters_digits_marks_and_underscores() -> None:
    assert all(map(is_word, "aß9_語\u0301"))
    assert not any(map(is_word, " -'.…\t"))


def test_what_a_text_breaks_is_listed() -> None:
    phrases = Phrases(("a", "b"), ("c", "d"))
    assert phrases.broken_by("a c") == ["it lacks 'b'", "it holds 'c'"]
    assert phrases.broken_by("b a") == []


def test_a_line_of_phrases_is_read_field_by_field() -> None:
    phrases = parse_phrases("+New York\t-new\t\t+x \t+x", "f, line 1")
    assert phrases == Phrases(("New York", "x"), ("new",))
    assert parse_phrases("", "f, line 1") == Phrases()


def test_what_a_line_asks_for_comes_to_what_all_are_asked_for() -> None:
    general = Phrases(("a",), ("b",), whole_words=False)
    both = merged(general, Phrases(("c", "a")), "f")
    assert both == Phrases(("a", "c"), ("b",), whole_words=False)
    assert merged(general, Phrases(), "f") is general
    with pytest.raises(DataError, match=r"^line 2: 'b' must appear and must not; leave one out$"):
        merged(general, Phrases(("b",)), "line 2")


@pytest.mark.parametrize(
    ("must", "must_not", "message"),
    [
        ([" "], [], "here: an empty phrase; write what must or must not appear"),
        (["a"], ["b", "a "], "here: 'a' must appear and must not; leave one out"),
        (["a\ufffd"], [], "here: 'a\ufffd' holds a character that no translation has"),
        (list("abcdefghi"), [], f"here: 9 phrases must appear; a line can have {MOST} at most"),
    ],
)
def test_what_no_text_can_do_is_refused(must: list[str], must_not: list[str], message: str) -> None:
    with pytest.raises(DataError) as caught:
        phrases_of(must, must_not, "here", whole_words=True)
    assert str(caught.value) == message


def test_a_phrase_without_sign_is_refused() -> None:
    with pytest.raises(DataError, match=r"^f, line 3: 'a' begins with neither \+ \(must appear\)"):
        parse_phrases("+b\ta", "f, line 3")
