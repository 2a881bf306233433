"""Decoding steps with caches give what a full pass over a hypothesis' own history gives.

Three sentences, a beam of hypotheses each, five steps, width 8.
"""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.contract import Attention, Cache
from nmt.attention.layout import Layout

STEPS = 5


@dataclass(frozen=True)
class Beams:
    """What each hypothesis has been given, kept the obvious way beside the cache.

    Attributes:
        histories: For each sentence and row the vectors of its past.
        rows: For each sentence and row, which row wrote each of them.
        cache: The mechanism's memory.
    """

    histories: list[list[list[Tensor]]]
    rows: list[list[list[int]]]
    cache: Cache

    def follow(self, parents: list[list[int]], states: Tensor) -> "Beams":
        """Let each row continue its parent with a vector of (B, beam, D)."""
        histories = [
            [[*sentence[parent], states[b, row]] for row, parent in enumerate(parents[b])]
            for b, sentence in enumerate(self.histories)
        ]
        rows = [
            [[*sentence[parent], row] for row, parent in enumerate(parents[b])]
            for b, sentence in enumerate(self.rows)
        ]
        return replace(self, histories=histories, rows=rows)

    def select(self, sentences: list[int]) -> "Beams":
        """Keep some sentences."""
        return Beams(
            [self.histories[b] for b in sentences],
            [self.rows[b] for b in sentences],
            self.cache.select(torch.tensor(sentences)),
        )


def step(attention: Attention, beams: Beams, states: Tensor) -> tuple[Tensor, Beams]:
    """Attend by the cache, given what every row adds."""
    ancestry = torch.tensor(beams.rows)
    beam, written = ancestry.shape[1:]
    layout = Layout(num_queries=beam, num_keys=beam * written, ancestry=ancestry)
    attended = attention(states, states, layout, cache=beams.cache)
    return attended.output, replace(beams, cache=attended.cache)


def full(attention: Attention, history: list[Tensor]) -> Tensor:
    """Attend from the last of a history to all of it, with no cache."""
    states = torch.stack(history).unsqueeze(0)
    size = states.size(1)
    layout = Layout(num_queries=size, num_keys=size, causal=True)
    return attention(states, states, layout).output[0, -1]  # type: ignore[no-any-return]


def check_steps(attention: Attention, beam: int, keep: dict[int, list[int]]) -> None:
    """Compare every step of every hypothesis; `keep` selects sentences before some steps."""
    random = torch.Generator().manual_seed(3)
    cache = attention.start(3, beam, STEPS)
    beams = Beams([[[] for _ in range(beam)]] * 3, [[[] for _ in range(beam)]] * 3, cache)
    for number in range(STEPS):
        if number in keep:
            beams = beams.select(keep[number])
        num_sentences = len(beams.histories)
        parents = torch.randint(beam, (num_sentences, beam), generator=random)
        states = torch.randn(num_sentences, beam, 8, generator=random, dtype=torch.float64)
        beams = replace(beams, cache=beams.cache.reorder(parents))
        beams = beams.follow(parents.tolist(), states)
        output, beams = step(attention, beams, states)
        for b, sentence in enumerate(beams.histories):
            for row, history in enumerate(sentence):
                expected = full(attention, history)
                assert_close(output[b, row], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("keep", [{}, {2: [2, 0]}, {1: [1, 2, 0], 3: [1], 4: [0]}], ids=str)
@pytest.mark.parametrize("beam", [1, 3])
def test_cached_steps_are_a_full_pass_over_each_history(
    decoder_attention: Attention, beam: int, keep: dict[int, list[int]]
) -> None:
    with torch.inference_mode():
        check_steps(decoder_attention, beam, keep)


def test_a_remembered_memory_is_the_memory(cross_attention: Attention) -> None:
    random = torch.Generator().manual_seed(4)
    memory = torch.randn(3, 6, 8, generator=random, dtype=torch.float64)
    cache, lengths = cross_attention.remember(memory), torch.tensor([6, 2, 4])
    for kept in ([0, 1, 2], [2, 0], [1]):
        cache, lengths, memory = cache.select(torch.tensor(kept)), lengths[kept], memory[kept]
        cache = cache.reorder(torch.zeros(len(kept), 4, dtype=torch.long))
        query = torch.randn(len(kept), 4, 8, generator=random, dtype=torch.float64)
        layout = Layout(num_queries=4, num_keys=6, key_lengths=lengths)
        attended = cross_attention(query, None, layout, cache=cache)
        direct = cross_attention(query, memory, layout)
        assert_close(attended.output, direct.output, rtol=1e-12, atol=1e-12)
        assert attended.cache is cache


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_cache_has_the_type_of_the_weights(
    decoder_attention: Attention, dtype: torch.dtype
) -> None:
    states = torch.ones(2, 1, 8, dtype=dtype)
    layout = Layout(num_queries=1, num_keys=1, ancestry=torch.zeros(2, 1, 1, dtype=torch.long))
    cache = decoder_attention.to(dtype).start(2, 1, 1)
    assert decoder_attention(states, states, layout, cache=cache).output.dtype == dtype
