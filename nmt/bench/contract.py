"""What the contract of attention costs: multi-head attention through it, and written out by hand.

B batch, T queries, S keys, D model size, H heads, K head size.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.attention.build import build_attention
from nmt.attention.caches import GrowingKeyValues
from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Place
from nmt.attention.kernels import FUSED_BACKWARD_PAYS_FROM
from nmt.attention.layout import Layout
from nmt.attention.multi_head import MultiHeadAttention

SENTENCES, BEAM = 64, 5


@dataclass(frozen=True)
class Paired:
    """Two ways to the same result, timed by turns.

    Attributes:
        name: What is done.
        ratio: Median over all turns of the first way's time over the second's.
        low, high: Quartiles of the same.
        milliseconds: Median of the first way.
    """

    name: str
    ratio: float
    low: float
    high: float
    milliseconds: float


def paired(name: str, one: Callable[[], object], two: Callable[[], object], turns: int) -> Paired:
    """Time two ways by turns, each first in every other turn."""
    ratios, times = [], []
    for way in (one, two) * 3:
        way()
    for turn in range(turns):
        first, second = (one, two) if turn % 2 else (two, one)
        spent = {way: seconds(way) for way in (first, second)}
        ratios.append(spent[one] / spent[two])
        times.append(spent[one])
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Paired(name, middle, low, high, 1000 * statistics.median(times))


def seconds(way: Callable[[], object], repeats: int = 3) -> float:
    """Time a way, the best of a few calls."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        way()
        best = min(best, time.perf_counter() - start)
    return best


def measure_contract(model_size: int, num_heads: int, turns: int) -> list[Paired]:
    """Compare training at sentence and at document length, and decoding steps."""
    place = Place(role="decoder", model_size=model_size, num_heads=num_heads)
    build_attention(place, AttentionConfig(variant="gqa"))  # refused now, or after minutes
    attention = build_attention(place, AttentionConfig())
    assert isinstance(attention, MultiHeadAttention), "the baseline is multi-head"
    results = [trained(attention, batch, length, turns) for batch, length in ((128, 25), (2, 1024))]
    results += [stepped(attention, length, turns) for length in (8, 32)]
    return [*results, *(grouped(place, length, turns) for length in (8, 32, 128))]


def trained(attention: MultiHeadAttention, batch: int, length: int, turns: int) -> Paired:
    """Compare a forward and a backward pass over whole sequences."""
    states = torch.randn(batch, length, attention.place.model_size, requires_grad=True)
    layout = Layout(num_queries=length, num_keys=length, causal=True)

    def through() -> None:
        attention(states, states, layout).output.sum().backward()

    visible = layout.visible()  # once for all layers, so outside the clock
    assert visible is not None, "a decoder hides the future"

    def direct() -> None:
        by_hand(attention, states, visible).sum().backward()

    return paired(f"training, {batch} x {length}", through, direct, turns)


def by_hand(attention: MultiHeadAttention, states: Tensor, visible: Tensor) -> Tensor:
    """Compute causal multi-head self-attention without any contract."""
    packed, size = attention.query_key_value, states.size(1)
    made = F.linear(states, packed.weight, packed.bias)
    made = made.view(*states.shape[:2], 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    query, key, value = made.unbind(0)  # (B, H, T, K)
    if size >= FUSED_BACKWARD_PAYS_FROM:
        context = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    else:
        scores = (query * query.size(-1) ** -0.5) @ key.mT
        weights = torch.where(visible, scores, -1e9).softmax(-1) * visible
        context = weights @ value
    joined = context.transpose(1, 2).flatten(2)
    return F.linear(joined, attention.output.weight, attention.output.bias)


def decoding(length: int) -> Layout:
    """Describe a step after `length` - 1 others in which hypotheses changed rows."""
    random = torch.Generator().manual_seed(1)
    ancestry = torch.randint(BEAM, (SENTENCES, BEAM, length), generator=random)
    return Layout(num_queries=BEAM, num_keys=BEAM * length, ancestry=ancestry)


def filled(attention: MultiHeadAttention, length: int) -> GrowingKeyValues:
    """Make a cache of `length` - 1 positions."""
    cache = attention.start(SENTENCES, BEAM, length)
    assert isinstance(cache, GrowingKeyValues), "multi-head attention keeps keys and values"
    cache.keys.normal_()
    cache.values.normal_()
    return GrowingKeyValues(cache.keys, cache.values, length - 1)


@torch.inference_mode()
def stepped(attention: MultiHeadAttention, length: int, turns: int) -> Paired:
    """Compare one decoding step of 64 sentences with a beam of 5."""
    states = torch.randn(SENTENCES, BEAM, attention.place.model_size)
    layout, cache = decoding(length), filled(attention, length)
    visible = layout.visible()
    packed, heads = attention.query_key_value, attention.num_heads

    def through() -> Tensor:
        output: Tensor = attention(states, states, layout, cache=cache).output
        return output

    def direct() -> Tensor:
        made = F.linear(states, packed.weight, packed.bias)
        made = made.view(SENTENCES, BEAM, 3, heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = made.unbind(0)
        cache.keys[:, :, length - 1] = key
        cache.values[:, :, length - 1] = value
        keys, values = cache.keys.flatten(2, 3), cache.values.flatten(2, 3)
        context = F.scaled_dot_product_attention(query, keys, values, attn_mask=visible)
        joined = context.transpose(1, 2).flatten(2)
        return F.linear(joined, attention.output.weight, attention.output.bias)

    with torch.inference_mode():
        name = f"a step after {length - 1}, {SENTENCES} x beam {BEAM}"
        return paired(name, through, direct, turns)


def grouped(place: Place, length: int, turns: int) -> Paired:
    """Compare a step of grouped-query attention (two groups) with one of multi-head attention."""
    steps = []
    for variant in ("gqa", "multi-head"):
        attention = build_attention(place, AttentionConfig(variant=variant))
        assert isinstance(attention, MultiHeadAttention), "both are composed"
        steps.append(step_of(attention, length))
    with torch.inference_mode():
        name = f"grouped-query over multi-head, a step after {length - 1}"
        return paired(name, steps[0], steps[1], turns)


def step_of(attention: MultiHeadAttention, length: int) -> Callable[[], Tensor]:
    """Prepare a decoding step that can be run again and again."""
    states = torch.randn(SENTENCES, BEAM, attention.place.model_size)
    layout = decoding(length)
    with torch.inference_mode():
        cache = filled(attention, length)
        layout.visible()  # once for all layers, so outside the clock

    def step() -> Tensor:
        output: Tensor = attention(states, states, layout, cache=cache).output
        return output

    return step
