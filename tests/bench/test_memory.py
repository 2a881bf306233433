"""The peak is what is known to be allocated."""

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Place
from nmt.attention.layout import Layout
from nmt.attention.multi_head import MultiHeadAttention
from nmt.bench.memory import highest, peak_bytes

CPU = torch.device("cpu")
NUMBERS = 10_000
BLOCK = 4 * NUMBERS


def chain() -> None:
    """Make four tensors, of which at most three live at once."""
    one = torch.ones(NUMBERS)
    two = one.exp()
    three = two.sin()
    del one
    four = three.cos()
    del two, three, four


def test_the_peak_of_a_chain_is_three_of_its_tensors() -> None:
    assert peak_bytes(chain, CPU) == 3 * BLOCK


def test_what_lived_before_does_not_count_and_freeing_it_makes_no_room() -> None:
    held = [torch.ones(NUMBERS)]

    def work() -> None:
        made = held[0].exp()
        held.clear()
        del made

    assert peak_bytes(work, CPU) == BLOCK
    assert peak_bytes(lambda: None, CPU) == 0


def test_what_a_backward_pass_keeps_counts() -> None:
    states = torch.ones(NUMBERS, requires_grad=True)

    def deep(x: torch.Tensor) -> torch.Tensor:
        for _ in range(8):
            x = x.exp()  # keeps its result
        return x

    def kept() -> None:
        deep(states).sum().backward()
        states.grad = None

    def made_again() -> None:
        y = checkpoint(lambda x: deep(x), deep(states).detach(), use_reentrant=False)
        del y

    peak = peak_bytes(kept, CPU)
    assert 8 * BLOCK <= peak <= 11 * BLOCK
    assert peak_bytes(made_again, CPU) < peak


def test_weights_of_all_pairs_are_seen() -> None:
    size, width, heads = 256, 16, 2
    place = Place(role="encoder", model_size=width, num_heads=heads)
    attention = MultiHeadAttention(place, AttentionConfig(kernel="dense"))
    states = torch.randn(1, size, width, requires_grad=True)

    def work() -> None:
        output = attention(states, states, Layout(num_queries=size, num_keys=size)).output
        del output

    pairs = 4 * heads * size**2
    assert pairs <= peak_bytes(work, CPU) <= 5 * pairs


@pytest.mark.parametrize(
    ("changes", "most"), [([], 0), ([-5], 0), ([3, -3, 2], 3), ([1, 1, -1, 3], 4), ([-2, 3], 1)]
)
def test_the_highest_running_sum(changes: list[int], most: int) -> None:
    assert highest(changes) == most
