"""What was seen before is what a dictionary says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nmt.text.seen import Seen, hashes

BATCHES = st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=9), max_size=12)


@given(batches=BATCHES)
def test_batches_are_looked_up_as_a_dictionary_would(batches: list[list[int]]) -> None:
    seen, first, known = Seen(), 1, {}
    for batch in batches:
        found = seen.add(np.array(batch, np.uint64), first)
        expected = []
        for number, key in enumerate(batch, first):
            expected.append(known.get(key, 0))
            known.setdefault(key, number)
        assert found.tolist() == expected
        first += len(batch)


def test_equal_values_have_equal_hashes() -> None:
    one, same, other = hashes([("a", "b"), ("a", "b"), ("ab", "")]).tolist()
    assert one == same != other
